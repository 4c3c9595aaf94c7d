//! The messages of a worker, as who looks after it sees them.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::{
    fs, thread,
    time::{Duration, Instant},
};

use common::{PATIENCE, command::Place, program::Program};
use rustix::process::Signal;
use serde_json::Value;

/// A worker of the program with these options.
fn worker(place: &Place, options: &[&str]) -> Program {
    Program::of(place.command(&[&["worker"], options].concat(), &[]))
}

/// Waits until there is a line with `text` in a file at the place.
fn until_file_says(place: &Place, name: &str, text: &str) {
    let deadline = Instant::now() + PATIENCE;
    let path = place.path().join(name);
    loop {
        let said = fs::read_to_string(&path).unwrap_or_default();
        if said.contains(text) {
            return;
        }
        assert!(Instant::now() < deadline, "no {text:?} in {name}:\n{said}");
        thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_hang_up_opens_the_file_anew_and_reads_the_levels_again() {
    let place = Place::new();
    let settings = place.path().join("faustus.toml");
    fs::write(&settings, "log-level = \"info\"\nlog-file = \"log\"\n").unwrap();
    let worker = worker(&place, &[]);
    until_file_says(&place, "log", "tasks run");
    fs::rename(place.path().join("log"), place.path().join("log.1")).unwrap();
    let again = "[shop]\nlog-level = \"info,faustus::control=debug\"\n";
    fs::write(&settings, again).unwrap();
    worker.signal(Signal::HUP);
    let told = "messages are written anew levels=\"info,faustus::control=debug\"";
    until_file_says(&place, "log", told);

    fs::write(&settings, "log-level = \"loud\"\n").unwrap();
    worker.signal(Signal::HUP);
    until_file_says(&place, "log", "log-level stays as it was");
    assert_eq!(worker.end(Signal::INT), Some(0));
    until_file_says(&place, "log", "worker finishes what is in flight");
    let before = fs::read_to_string(place.path().join("log.1")).unwrap();
    assert!(!before.contains("anew"), "{before}");
}

#[test]
fn messages_as_json_are_one_object_a_line_with_application_and_worker() {
    let place = Place::new();
    let mut worker = worker(&place, &["--log-format=json", "--worker-id=w1"]);
    worker.until_worker_says("tasks run");
    worker.signal(Signal::INT);
    let (status, said) = worker.ended();
    assert_eq!(status.code(), Some(0));
    for line in said.lines() {
        let message: Value = serde_json::from_str(line).unwrap();
        assert_eq!(message["app"], "shop", "{line}");
        assert_eq!(message["worker"], "w1", "{line}");
        assert!(message["message"].is_string(), "{line}");
    }
}

#[test]
fn an_error_is_told_as_json_where_messages_are() {
    let place = Place::new();
    fs::write(place.path().join("shop-data"), "no directory").unwrap();
    let (status, said) = worker(&place, &["--log-format=json"]).ended();
    assert_eq!(status.code(), Some(1));
    let message: Value = serde_json::from_str(said.lines().last().unwrap()).unwrap();
    assert_eq!(message["message"], "worker failed");
    assert!(
        message["error"].as_str().unwrap().contains("shop-data"),
        "{said}"
    );
}

#[test]
fn levels_are_those_of_the_option_then_the_variable_then_rust_log_then_the_file() {
    let place = Place::new();
    fs::write(place.path().join("faustus.toml"), "log-level = \"off\"").unwrap();
    let shown = |options: &[&str], environment: &[(&str, &str)]| {
        let arguments = [&["worker", "--show-settings", "--json"], options].concat();
        let settings = place.run_with_input(&arguments, "", environment).json();
        let level = settings.into_iter().find(|one| one["name"] == "log-level");
        let level = level.unwrap();
        let text = |name: &str| level[name].as_str().unwrap().to_owned();
        (text("value"), text("place"))
    };
    let is = |value: &str, place: &str| (value.to_owned(), place.to_owned());
    let rust_log = ("RUST_LOG", "shop[span]");
    let ours = ("FAUSTUS_LOG_LEVEL", "warn");
    assert_eq!(shown(&[], &[]), is("off", "faustus.toml, line 1"));
    assert_eq!(shown(&[], &[rust_log]), is("shop[span]", "RUST_LOG"));
    assert_eq!(
        shown(&[], &[rust_log, ours]),
        is("warn", "FAUSTUS_LOG_LEVEL")
    );
    let option = ["--log-level", "debug"];
    assert_eq!(
        shown(&option, &[rust_log, ours]),
        is("debug", "--log-level")
    );
}

#[test]
fn a_file_for_messages_that_cannot_be_made_is_a_wrong_setting() {
    let place = Place::new();
    let (status, said) = worker(&place, &["--log-file", "nowhere/log"]).ended();
    assert_eq!(status.code(), Some(2));
    assert_eq!(
        said,
        "error: log-file (--log-file): nowhere/log cannot be opened (No such file or directory (os error 2)); \
         make its directory, or write another one"
    );
}

#[test]
#[cfg(target_os = "linux")]
fn a_worker_whose_messages_find_no_room_goes_on_and_says_so_once() {
    let place = Place::new();
    let mut worker = worker(&place, &["--log-file", "/dev/full"]);
    worker.until_worker_says("messages are dropped until it can");
    place.run(&["send", "numbers", "3"]).ok();
    let deadline = Instant::now() + PATIENCE;
    while place.run(&["lag"]).err != "nothing waits\n" {
        assert!(Instant::now() < deadline);
    }
    worker.signal(Signal::INT);
    let (status, said) = worker.ended();
    assert_eq!(status.code(), Some(0));
    assert_eq!(said.matches("cannot be written").count(), 1, "{said}");
}
