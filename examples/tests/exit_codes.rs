//! The exit codes of `App::main`, as the shell sees them.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::{
    WORD_COUNT,
    program::{Output, Program},
};
use rustix::process::Signal;

const NEVER_DONE: &str = env!("CARGO_BIN_EXE_never_done");

/// Starts the program that never gets done, and waits until it has its event in hand.
fn with_an_event_in_hand(log: &str) -> Program {
    let mut program = Program::start(NEVER_DONE, &["worker", "--log", log]);
    program.until("event in hand", |output, line| {
        (output == Output::Out && line == "has an event in hand").then_some(())
    });
    program
}

#[test]
fn all_finished_and_stored_is_0_after_either_signal() {
    for signal in [Signal::INT, Signal::TERM] {
        let mut program = Program::start(WORD_COUNT, &["worker", "--log", "memory://"]);
        program.until_worker_says("tasks assigned");
        assert_eq!(program.end(signal), Some(0));
    }
}

#[test]
fn an_error_is_1_and_said() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let log = file.path().to_str().unwrap();
    let program = Program::start(WORD_COUNT, &["worker", "--log", log]);
    let (status, said) = program.ended();
    assert_eq!(status.code(), Some(1));
    assert!(said.contains(log), "{said}");
}

#[test]
fn wrong_settings_are_2_and_told_together() {
    let wrong = ["worker", "--log", "carrier://pigeon", "--threads=0"];
    let (status, said) = Program::start(WORD_COUNT, &wrong).ended();
    assert_eq!(status.code(), Some(2));
    assert_eq!(
        said,
        "\
error: the settings of application word-count are wrong:
  - log (--log): carrier://pigeon is of no known kind \"carrier\"; write memory://, kafka://host:port or a directory
  - threads (--threads): \"0\" will not do; write a whole number from 1 to 1024"
    );
}

#[test]
fn settings_are_shown_as_a_table_and_as_json_and_nothing_runs() {
    let directory = tempfile::tempdir().unwrap();
    let log = directory.path().join("log");
    let show = ["worker", "--show-settings", "--log", log.to_str().unwrap()];
    let (status, table) = Program::start(WORD_COUNT, &show).ended();
    assert_eq!(status.code(), Some(0));
    assert!(table.contains("  --log\n"), "{table}");
    let (status, json) = Program::start(WORD_COUNT, &[&show[..], &["--json"]].concat()).ended();
    assert_eq!(status.code(), Some(0));
    let first = json.lines().next().unwrap();
    let first: serde_json::Value = serde_json::from_str(first).unwrap();
    assert_eq!(first["name"], "log");
    assert_eq!(first["value"], log.to_str().unwrap());
    assert!(!log.exists());
}

#[test]
fn a_second_worker_on_a_directory_is_an_error_that_leaves_the_first_alone() {
    let directory = tempfile::tempdir().unwrap();
    let log = directory.path().to_str().unwrap();
    let mut first = Program::start(WORD_COUNT, &["worker", "--log", log]);
    first.until_worker_says("tasks assigned");
    let (status, said) = Program::start(WORD_COUNT, &["worker", "--log", log]).ended();
    assert_eq!(status.code(), Some(1), "{said}");
    assert!(said.contains(log), "{said}");
    assert_eq!(first.end(Signal::INT), Some(0));
}

#[test]
fn wrong_arguments_are_2() {
    for wrong in [
        &["walker"][..],
        &["worker", "--exactly-twice"],
        &["worker", "--skip", "orders@3"],
    ] {
        let (status, said) = Program::start(WORD_COUNT, wrong).ended();
        assert_eq!(status.code(), Some(2), "{wrong:?}: {said}");
    }
}

#[test]
fn an_event_that_does_not_get_done_in_time_is_3_and_comes_again() {
    let directory = tempfile::tempdir().unwrap();
    let log = directory.path().to_str().unwrap();
    let program = with_an_event_in_hand(log);
    assert_eq!(program.end(Signal::INT), Some(3));
    with_an_event_in_hand(log);
}

#[test]
fn a_second_signal_is_130_at_once() {
    let mut program = with_an_event_in_hand("memory://");
    program.signal(Signal::INT);
    program.until_worker_says("once more ends it at once");
    assert_eq!(program.end(Signal::INT), Some(130));
}
