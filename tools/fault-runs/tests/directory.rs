//! The command itself, on the log that needs no server.

use std::{
    io,
    process::{Command, Output},
};

fn fault_runs(args: &[&str]) -> io::Result<Output> {
    Command::new(env!("CARGO_BIN_EXE_fault-runs"))
        .args(args)
        .output()
}

#[test]
fn sums_are_exact_though_the_worker_is_killed() {
    let run = ["run", "--log", "dir", "--fault", "kill", "--rounds", "2"];
    let done = fault_runs(&[&run[..], &["--guarantee", "exactly-once"]].concat()).unwrap();
    let (out, errors) = (
        String::from_utf8_lossy(&done.stdout),
        String::from_utf8_lossy(&done.stderr),
    );
    assert!(done.status.success(), "{out}{errors}");
    let line = out.lines().last().unwrap();
    assert!(
        line.starts_with("| dir | kill | exactly-once | 2 |"),
        "{out}"
    );
    assert!(line.contains("| 0 | 0 |"), "{out}");
    assert!(errors.contains("round 2/2: w1 killed"), "{errors}");
}

#[test]
fn a_fault_that_makes_no_sense_is_refused_in_words() {
    let run = ["run", "--log", "dir", "--fault", "broker"];
    let done = fault_runs(&[&run[..], &["--guarantee", "exactly-once"]].concat()).unwrap();
    assert_eq!(done.status.code(), Some(1));
    let errors = String::from_utf8_lossy(&done.stderr);
    assert!(errors.contains("a directory has no broker"), "{errors}");
}
