//! The commands of the command line as a user runs them, with a worker and without one. What they say
//! is kept in `snapshots`.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod commands {
    pub(crate) mod bad_input;
    pub(crate) mod by_name;
    pub(crate) mod offline;
    pub(crate) mod running;
    pub(crate) mod top;
    pub(crate) mod worker;
}
mod common;

use std::{
    thread,
    time::{Duration, Instant},
};

use common::{
    PATIENCE,
    command::{Place, Ran, SHOP},
    program::Program,
};

/// A worker of the program on the log of `place`, with its tasks running.
pub(crate) fn worker(place: &Place) -> Program {
    let mut worker = Program::start(SHOP, &["worker", "--log", &place.log()]);
    worker.until_worker_says("tasks assigned");
    worker
}

/// Runs a command again until it says what is wanted.
pub(crate) fn until(place: &Place, arguments: &[&str], wanted: impl Fn(&Ran) -> bool) -> Ran {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let ran = place.run(arguments);
        if wanted(&ran) {
            return ran;
        }
        assert!(Instant::now() < deadline, "{arguments:?} at the end: {ran}");
        thread::sleep(Duration::from_millis(50));
    }
}

/// What was said with all that differs from run to run replaced.
pub(crate) fn redacted(place: &Place, ran: &Ran) -> String {
    let directory = place.path().to_str().unwrap();
    let text = ran.to_string().replace(directory, "[place]");
    let mut words = String::new();
    let mut number = String::new();
    for (c, next) in text.chars().zip(text.chars().skip(1).chain(['\n'])) {
        // Spans and process ids: numbers after which a unit or nothing known follows.
        if c.is_ascii_digit() || c == '.' && next.is_ascii_digit() && !number.is_empty() {
            number.push(c);
            continue;
        }
        let is_process = words.ends_with("process ") || words.ends_with("processes ");
        let is_span = c == ' ' && next == 's';
        if !number.is_empty() {
            words.push_str(if is_process || is_span {
                "[n]"
            } else {
                &number
            });
            number.clear();
        }
        words.push(c);
    }
    match words.ends_with("process ") {
        true => words + "[n]",
        false => words + &number,
    }
}
