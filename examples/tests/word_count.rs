//! `word_count` as a user runs it on the embedded log: the README's first command, and what it says
//! of it.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::{
    WORD_COUNT, counted, expected,
    outside::Outside,
    program::{Output, Program},
};
use rustix::process::Signal;

/// Waits until it shows that at least `some` words are counted, and gives how many.
fn until_counted(program: &mut Program, some: u64) -> u64 {
    program.until(&format!("{some} words"), |output, line| {
        let count = counted(line).filter(|_| output == Output::Out);
        count.filter(|count| *count >= some)
    })
}

#[test]
fn it_goes_on_after_kills_where_it_was_and_counts_exactly_once() {
    let directory = tempfile::tempdir().unwrap();
    let log = directory.path().join("word-count-data");
    let log = log.to_str().unwrap();
    let start = || Program::start(WORD_COUNT, &["worker", "--exactly-once", "--log", log]);
    let expected = expected();
    let total: u64 = expected.values().sum();

    let mut stored = 0;
    for _ in 0..2 {
        let mut program = start();
        // It works, on what the one before has left.
        until_counted(&mut program, (stored + 1).min(total));
        program.kill();
        let now: u64 = Outside::open(log).counts().values().sum();
        assert!(stored <= now && now <= total, "{stored}, then {now}");
        stored = now;
    }
    let mut program = start();
    until_counted(&mut program, total);
    assert_eq!(program.end(Signal::INT), Some(0));
    assert_eq!(Outside::open(log).counts(), expected);

    // Nothing is left to do, and all of it is shown again.
    let mut program = start();
    assert_eq!(until_counted(&mut program, total), total);
    assert_eq!(program.end(Signal::INT), Some(0));
    assert_eq!(Outside::open(log).counts(), expected);
}

#[test]
fn it_loses_nothing_over_a_kill_at_least_once() {
    let directory = tempfile::tempdir().unwrap();
    let log = directory.path().to_str().unwrap();
    let start = || Program::start(WORD_COUNT, &["worker", "--log", log]);
    let expected = expected();
    let total: u64 = expected.values().sum();

    let mut program = start();
    until_counted(&mut program, 1);
    program.kill();
    // What is doubled hides how much there is still to do, until nothing is missing.
    let mut shall = total;
    loop {
        let mut program = start();
        until_counted(&mut program, shall);
        assert_eq!(program.end(Signal::INT), Some(0));
        let counts = Outside::open(log).counts();
        let missing = expected.iter().map(|(word, count)| {
            let counted = counts.get(word).copied().unwrap_or_default();
            count.saturating_sub(counted)
        });
        match missing.sum::<u64>() {
            0 => break,
            missing => shall = counts.values().sum::<u64>() + missing,
        }
    }
}

#[test]
fn it_shows_the_whole_count_on_a_log_in_memory() {
    let expected = expected();
    let total: u64 = expected.values().sum();
    let mut program = Program::start(WORD_COUNT, &["worker", "--log", "memory://"]);
    assert_eq!(until_counted(&mut program, total), total);
    let line = |word: &str| format!("{:>7}  {word}", expected[word]);
    let most = expected.iter().max_by_key(|(_, count)| **count).unwrap();
    program.until("the most frequent word", |_, said| {
        (said == line(most.0)).then_some(())
    });
    assert_eq!(program.end(Signal::TERM), Some(0));
}
