//! The worker as whoever operates it meets it: what it says of itself, and what signals do.

use std::process::{Child, Command};

use rustix::process::{Pid, Signal, kill_process};

use crate::{
    common::{
        command::{Place, SHOP},
        program::{Program, without_settings},
        terminal::Terminal,
    },
    until, worker,
};

/// Another program with a worker.
const TABLETEST: &str = env!("CARGO_BIN_EXE_tabletest");

/// A worker of a program on the terminal, with these further arguments.
fn on(program: &str, terminal: &Terminal, log: &str, arguments: &[&str]) -> Child {
    let mut command = Command::new(program);
    command.args(["worker", "--log", log]);
    command.args(arguments).env_remove("RUST_LOG");
    without_settings(&mut command);
    terminal.attach(&mut command);
    command.spawn().unwrap()
}

/// Ends a process in order, and gives its exit code.
fn end(mut child: Child) -> Option<i32> {
    let pid = Pid::from_raw(child.id().cast_signed()).unwrap();
    kill_process(pid, Signal::INT).unwrap();
    child.wait().unwrap().code()
}

#[test]
fn on_a_terminal_a_worker_tells_who_it_is_and_then_how_it_stands() {
    let (place, mut terminal) = (Place::new(), Terminal::new());
    let worker = on(SHOP, &terminal, &place.log(), &["--worker-id", "east-1"]);
    terminal.until("app  shop, on faustus", 1);
    terminal.until("worker  east-1, process", 1);
    terminal.until("agents  total, double", 1);
    terminal.until("shop  3 tasks  0 events/s", 1);
    assert_eq!(end(worker), Some(0));
    let text = terminal.close();
    let (_, last) = text.rsplit_once("shop  3 tasks").unwrap();
    assert!(last.contains("\x1b[2K"), "the line is taken away: {last:?}");
}

#[test]
fn of_two_workers_on_a_terminal_one_shows_its_line() {
    let (place, mut terminal) = (Place::new(), Terminal::new());
    let first = on(SHOP, &terminal, &place.log(), &[]);
    terminal.until("shop  3 tasks", 1);
    let elsewhere = Place::new();
    let second = on(
        TABLETEST,
        &terminal,
        &elsewhere.log(),
        &["--worker-id", "second"],
    );
    terminal.until("worker  second", 1);
    // Time enough for the second one to show a line, if it would.
    let shown = terminal.text().matches("shop  3 tasks").count();
    terminal.until("shop  3 tasks", shown + 4);
    assert_eq!(end(second), Some(0));
    assert_eq!(end(first), Some(0));
    let text = terminal.close();
    assert!(!text.contains("tabletest  4 tasks"), "{text}");
}

#[test]
fn a_worker_without_a_line_shows_none() {
    let (place, mut terminal) = (Place::new(), Terminal::new());
    let worker = on(SHOP, &terminal, &place.log(), &["--status-line=false"]);
    terminal.until("tasks assigned", 1);
    assert_eq!(end(worker), Some(0));
    assert!(!terminal.close().contains("events/s"));
}

#[test]
fn usr1_has_a_worker_tell_what_each_lane_awaits() {
    let place = Place::new();
    let mut worker = worker(&place);
    place.run(&["send", "numbers", "13"]).ok();
    let is_parked = |ran: &crate::Ran| ran.out.contains("parked");
    until(&place, &["agent", "double"], is_parked);
    worker.signal(Signal::USR1);
    worker.until_worker_says("what all lanes do");
    worker.until("lane of double", |_, line| {
        let told = [
            "double/0",
            "parked",
            "somebody who mends the cause",
            "thirteen is not doubled",
        ];
        told.iter().all(|part| line.contains(part)).then_some(())
    });
    assert_eq!(worker.end(Signal::INT), Some(0));
}

#[test]
fn an_agent_that_blocks_its_thread_is_told_of_with_what_to_do() {
    let place = Place::new();
    let arguments = ["worker", "--log", &place.log(), "--blocked-after", "200 ms"];
    let mut worker = Program::start(SHOP, &arguments);
    worker.until_worker_says("tasks assigned");
    place.run(&["send", "numbers", "17"]).ok();
    worker.until("blockade", |_, line| {
        let told = [
            "shop::double",
            "double/0",
            "faustus-worker-",
            "faustus::blocking",
            "LWP",
        ];
        told.iter().all(|part| line.contains(part)).then_some(())
    });
    worker.until_worker_says("the blocked thread goes on");
    assert_eq!(worker.end(Signal::INT), Some(0));
}
