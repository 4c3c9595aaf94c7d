//! The command: what it prints, what it needs, and that no broker outlives it.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

#[expect(dead_code, reason = "other test files use the rest")]
mod common;

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use common::{api_versions, eventually, is_kafka, runs};

const LIMIT: Duration = Duration::from_secs(10);

fn testbed() -> Command {
    Command::new(env!("CARGO_BIN_EXE_kafka-testbed"))
}

/// A running `kafka-testbed run` with data below `tmp`: the command, its address, its broker.
fn run(tmp: &Path) -> (Child, String, u32) {
    let mut child = testbed()
        .args([
            "run",
            "--nodes",
            "1",
            "--heap",
            "256",
            "--set",
            "num.partitions=2",
        ])
        .env("TMPDIR", tmp)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    let broker = broker_of(child.id()).unwrap();
    (child, line.trim_end().to_owned(), broker)
}

/// The Kafka among the children of a process.
fn broker_of(parent: u32) -> Option<u32> {
    let pids = fs::read_dir("/proc").unwrap().flatten();
    let pids = pids.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let is_child = |pid: &u32| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let fields = stat
            .rsplit_once(") ")
            .map(|(_, rest)| rest.to_owned())
            .unwrap_or_default();
        fields.split(' ').nth(1) == Some(&parent.to_string())
    };
    pids.filter(is_child).find(|pid| is_kafka(*pid))
}

fn is_empty(dir: &Path) -> bool {
    fs::read_dir(dir).unwrap().all(|entry| {
        !entry
            .unwrap()
            .file_name()
            .to_string_lossy()
            .starts_with("kafka-testbed-")
    })
}

#[test]
fn run_ends_when_standard_input_closes() {
    let tmp = tempfile::tempdir().unwrap();
    let (mut child, address, broker) = run(tmp.path());
    assert!(api_versions(&address, LIMIT).is_ok());
    assert!(!is_empty(tmp.path()));
    drop(child.stdin.take());
    assert!(child.wait().unwrap().success());
    assert!(!runs(broker));
    assert!(is_empty(tmp.path()));
}

fn signal(signal: &str, pid: u32) {
    let mut kill = Command::new("/bin/sh");
    kill.args(["-c", r#"kill -"$1" "$2""#, "sh", signal, &pid.to_string()]);
    assert!(kill.status().unwrap().success());
}

#[test]
fn no_broker_outlives_a_killed_owner() {
    let tmp = tempfile::tempdir().unwrap();
    for (end, paused) in [("KILL", false), ("KILL", true), ("INT", false)] {
        let (mut child, _, broker) = run(tmp.path());
        if paused {
            signal("STOP", broker);
        }
        signal(end, child.id());
        assert!(!child.wait().unwrap().success());
        eventually("the broker is gone", LIMIT, || !runs(broker));
        eventually("its directory is gone", LIMIT, || is_empty(tmp.path()));
    }
}

#[test]
fn a_missing_program_is_named_with_what_to_install() {
    let empty = tempfile::tempdir().unwrap();
    let message = |command: &str, path: &Path| {
        let mut testbed = testbed();
        testbed
            .arg(command)
            .env("PATH", path)
            .env("KAFKA_TESTBED_CACHE", empty.path());
        let out = testbed.stdin(Stdio::null()).output().unwrap();
        assert_eq!(out.status.code(), Some(1));
        assert!(out.stdout.is_empty());
        String::from_utf8(out.stderr).unwrap()
    };
    for command in ["run", "jars"] {
        let text = message(command, empty.path());
        assert!(text.contains("`java` is not on the PATH"), "{text}");
        assert!(text.contains("openjdk-17-jre-headless maven"), "{text}");
    }

    // Java alone is not enough while the cache is empty.
    let java = which("java");
    symlink(java, empty.path().join("java")).unwrap();
    let text = message("jars", empty.path());
    assert!(text.contains("`mvn` is not on the PATH"), "{text}");
    assert!(text.contains("openjdk-17-jre-headless maven"), "{text}");

    // A Java that is too old.
    let old = tempfile::tempdir().unwrap();
    let file = old.path().join("java");
    fs::write(
        &file,
        "#!/bin/sh\necho 'openjdk version \"11.0.2\" 2019-01-15' >&2\n",
    )
    .unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
    let text = message("run", old.path());
    assert!(
        text.contains("11.0.2") && text.contains("Java 17"),
        "{text}"
    );
}

fn which(program: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap();
    std::env::split_paths(&path)
        .map(|dir| dir.join(program))
        .find(|file| file.exists())
        .unwrap()
}

#[test]
fn several_processes_may_fill_an_empty_cache_at_once() {
    let cache = tempfile::tempdir().unwrap();
    let start = || {
        let mut testbed = testbed();
        testbed.arg("jars").env("KAFKA_TESTBED_CACHE", cache.path());
        testbed.stdout(Stdio::piped()).spawn().unwrap()
    };
    let children: Vec<Child> = (0..3).map(|_| start()).collect();
    for child in children {
        let out = child.wait_with_output().unwrap();
        assert!(out.status.success());
        let dir = PathBuf::from(String::from_utf8(out.stdout).unwrap().trim_end());
        assert!(dir.starts_with(cache.path().canonicalize().unwrap()));
        assert!(
            dir.join(format!("kafka_2.13-{}.jar", kafka_testbed::VERSION))
                .exists()
        );
    }
    let left = fs::read_dir(cache.path()).unwrap().flatten();
    let names: Vec<_> = left.map(|entry| entry.file_name()).collect();
    assert!(
        names
            .iter()
            .all(|n| !n.to_string_lossy().contains("resolving")),
        "{names:?}"
    );
}

#[test]
fn wrong_arguments_show_the_usage() {
    for args in [
        &["walk"][..],
        &[],
        &["run", "--nodes"],
        &["run", "--nodes", "x"],
    ] {
        let out = testbed().args(args).output().unwrap();
        assert_eq!(out.status.code(), Some(2), "{args:?}");
        assert!(
            String::from_utf8(out.stderr)
                .unwrap()
                .contains("usage: kafka-testbed run")
        );
    }
}
