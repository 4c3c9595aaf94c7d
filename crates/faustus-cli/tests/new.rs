//! `faustus new`: the project that it makes, and what it refuses.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use common::run;

fn checkout() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// A project with the checkout's crates, where it may be built without a network.
fn project(directory: &Path) -> PathBuf {
    let checkout = checkout();
    let made = run(
        directory,
        &["new", "bank", "--path", checkout.to_str().unwrap()],
    );
    assert_eq!((made.code, &*made.out), (Some(0), ""), "{}", made.err);
    let project = directory.join("bank");
    fs::copy(checkout.join("Cargo.lock"), project.join("Cargo.lock")).unwrap();
    project
}

fn cargo(project: &Path, args: &[&str]) -> String {
    let mut cargo = Command::new(env!("CARGO"));
    let done = cargo
        .arg("--offline")
        .args(args)
        .current_dir(project)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{said}");
    String::from_utf8(done.stdout).unwrap()
}

#[test]
fn a_new_project_is_one_to_cargo() {
    let directory = tempfile::tempdir().unwrap();
    let project = project(directory.path());
    let known = cargo(
        &project,
        &["tree", "--depth=1", "--edges=normal", "--prefix=none"],
    );
    let names: Vec<_> = known
        .lines()
        .filter_map(|line| line.split(' ').next())
        .collect();
    assert_eq!(names, ["bank", "faustus", "serde"]);
    let settings = fs::read_to_string(project.join("faustus.toml")).unwrap();
    let settings: toml::Table = settings.parse().unwrap();
    assert_eq!(settings["log"].as_str(), Some("bank-data"));
}

#[test]
fn without_a_checkout_the_version_of_the_command_is_taken() {
    let directory = tempfile::tempdir().unwrap();
    assert_eq!(run(directory.path(), &["new", "bank"]).code, Some(0));
    let manifest = fs::read_to_string(directory.path().join("bank/Cargo.toml")).unwrap();
    let manifest: toml::Table = manifest.parse().unwrap();
    let version = manifest["dependencies"]["faustus"]["version"].as_str();
    assert_eq!(version, Some(env!("CARGO_PKG_VERSION")));
}

#[test]
fn what_exists_is_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("bank"), "mine").unwrap();
    let refused = run(directory.path(), &["new", "bank"]);
    insta::assert_snapshot!(refused.shown(), @r"
    stderr: error: bank exists already: choose another name, or remove it
    exit code: 1
    ");
    assert_eq!(
        fs::read_to_string(directory.path().join("bank")).unwrap(),
        "mine"
    );
}

#[test]
fn a_checkout_that_is_none_is_refused_before_anything_is_made() {
    let directory = tempfile::tempdir().unwrap();
    let refused = run(directory.path(), &["new", "bank", "--path", "."]);
    insta::assert_snapshot!(refused.shown(), @r"
    stderr: error: --path .: there is no crates/faustus/Cargo.toml; name the root of a checkout
    exit code: 1
    ");
    assert!(!directory.path().join("bank").exists());
}

#[test]
fn a_bad_name_is_a_mistake_of_the_command_line() {
    let directory = tempfile::tempdir().unwrap();
    let refused = run(directory.path(), &["new", "../bank"]);
    assert_eq!(refused.code, Some(2));
    assert!(
        refused.err.contains("begins with a letter"),
        "{}",
        refused.err
    );
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
}
