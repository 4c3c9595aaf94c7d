//! `word_count` in two processes on a real Kafka. Each test has a broker of its own, because the
//! program's topics have the names they have.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::collections::BTreeMap;

use common::{
    WORD_COUNT, counted, expected,
    outside::Outside,
    program::{Output, Program},
};
use kafka_testbed::Cluster;
use rustix::process::Signal;

/// Starts two processes that both feed all lines, kills one when both have counted, starts another,
/// and gives what is counted in the end.
fn counted_by_two(guarantee: &[&str]) -> BTreeMap<String, u64> {
    let broker = Cluster::start(1).unwrap();
    let address = format!("kafka://{}", broker.bootstrap());
    let worker = ["worker", "--log", &address, "--session-timeout", "6 s"];
    let arguments = [&worker, guarantee].concat();
    let start = || Program::start(WORD_COUNT, &arguments);
    let total: u64 = expected().values().sum();
    let until_it_counted = |program: &mut Program, some: u64| {
        program.until(&format!("{some} words"), |output, line| {
            (output == Output::Out && counted(line)? >= some).then_some(())
        });
    };

    let mut one = start();
    let mut other = start();
    // The middle of it: even one partition of the four has more words.
    until_it_counted(&mut one, total / 10);
    until_it_counted(&mut other, total / 10);
    one.kill();
    let mut third = start();
    until_it_counted(&mut third, 1);
    let outside = Outside::open(&address);
    outside.until_done(total);
    assert_eq!(other.end(Signal::INT), Some(0));
    assert_eq!(third.end(Signal::INT), Some(0));
    outside.counts()
}

#[test]
fn two_processes_of_which_one_is_killed_count_every_word_exactly_once() {
    assert_eq!(counted_by_two(&["--exactly-once"]), expected());
}

#[test]
fn two_processes_of_which_one_is_killed_lose_no_word_at_least_once() {
    let counted = counted_by_two(&[]);
    for (word, count) in expected() {
        assert!(
            counted[&word] >= count,
            "{word}: {} of {count}",
            counted[&word]
        );
    }
}
