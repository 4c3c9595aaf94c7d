//! `word_count` in two processes on a real Kafka. Each test has a broker of its own, because the
//! program's topics have the names they have.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::{collections::BTreeMap, os::unix::process::CommandExt, time::Instant};

use common::{
    PATIENCE, WORD_COUNT,
    command::{Place, Ran},
    counted, expected,
    outside::Outside,
    program::{Output, Program},
};
use kafka_testbed::Cluster;
use rustix::process::{Pid, Signal, kill_process_group};

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

#[test]
fn commands_look_at_kafka_and_at_workers_of_this_machine() {
    let broker = Cluster::start(1).unwrap();
    let address = format!("kafka://{}", broker.bootstrap());
    let place = Place::new();
    let run = |arguments: &[&str]| {
        let ran = place.run_with_input(arguments, "", &[("FAUSTUS_LOG", &address)]);
        assert!(ran.took < PATIENCE, "{ran}");
        ran
    };
    let until = |arguments: &[&str], wanted: &dyn Fn(&Ran) -> bool| {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let ran = run(arguments);
            if wanted(&ran) {
                return;
            }
            assert!(Instant::now() < deadline, "{arguments:?} at the end: {ran}");
        }
    };
    // Nothing is there yet, and a look makes nothing.
    assert!(run(&["plan"]).ok().contains("is made"));
    assert!(run(&["topics"]).ok().contains("missing"));
    assert_eq!(run(&["send", "numbers", "13"]).ok(), "numbers/0@0\n");
    assert_eq!(run(&["send", "numbers", "7"]).ok(), "numbers/0@1\n");
    let lag = run(&["lag", "numbers", "--json"]).json();
    assert_eq!(lag[0]["lag"], 2);

    // Without a worker the next record is passed over, in the offsets.
    assert_eq!(run(&["skip", "numbers/0@1"]).code, Some(1));
    assert_eq!(run(&["skip", "numbers/0@0"]).code, Some(0));
    let offsets = run(&["offsets", "numbers", "--json"]).json();
    assert_eq!(offsets[0]["committed"], 1);

    let worker = place.command(&["worker"], &[("FAUSTUS_LOG", &address)]);
    let mut worker = Program::of(worker);
    worker.until_worker_says("tasks assigned");
    until(&["table", "counts", "--key", "7", "--json"], &|ran| {
        ran.out.contains("\"value\":1")
    });
    assert_eq!(run(&["ask", "double", "21"]).ok(), "42\n");
    until(&["agents"], &|ran| ran.out.contains("1 waiting"));

    // With one, it is told.
    run(&["send", "numbers", "13"]).ok();
    until(&["agent", "double"], &|ran| ran.out.contains("parked"));
    // What came before it is committed within a second.
    let one_waits = |ran: &Ran| ran.json()[0]["lag"] == 1;
    until(&["lag", "numbers", "--json"], &one_waits);
    let lag = run(&["lag", "numbers", "--json"]).json();
    assert!(lag[0]["lag_seconds"].as_f64().unwrap() > 0.0);
    assert_eq!(run(&["reset", "--yes"]).code, Some(1));
    let record = format!("numbers/0@{}", lag[0]["committed"]);
    assert_eq!(run(&["skip", &record]).code, Some(0));
    until(&["lag"], &|ran| ran.err == "nothing waits\n");

    // A worker that is not seen from here keeps its offsets to itself.
    let hidden = [("FAUSTUS_LOG", &*address), ("XDG_RUNTIME_DIR", "/nowhere")];
    run(&["send", "numbers", "13"]).ok();
    until(&["agent", "double"], &|ran| ran.out.contains("parked"));
    until(&["lag", "numbers", "--json"], &one_waits);
    let offsets = run(&["offsets", "numbers", "--json"]).json();
    let record = format!("numbers/0@{}", offsets[0]["committed"]);
    let ran = place.run_with_input(&["skip", &record], "", &hidden);
    assert_eq!(ran.code, Some(1), "{ran}");
    assert!(ran.err.contains("run elsewhere"), "{ran}");
    assert_eq!(worker.end(Signal::INT), Some(0));
}

#[test]
fn an_application_on_kafka_is_looked_after_by_its_name() {
    let broker = Cluster::start(1).unwrap();
    let address = format!("kafka://{}", broker.bootstrap());
    let place = Place::new();
    let by_name = |arguments: &[&str]| {
        let ran = place.by_name(&[arguments, &["--log", &address]].concat());
        assert!(ran.took < PATIENCE, "{ran}");
        ran
    };
    let until = |arguments: &[&str], wanted: &dyn Fn(&Ran) -> bool| {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let ran = by_name(arguments);
            if wanted(&ran) {
                return ran;
            }
            assert!(Instant::now() < deadline, "{arguments:?} at the end: {ran}");
        }
    };
    let ran = by_name(&["lag"]);
    assert!(
        ran.err.contains("nothing of application shop is on log"),
        "{ran}"
    );

    let worker = place.command(&["worker"], &[("FAUSTUS_LOG", &address)]);
    let mut worker = Program::of(worker);
    worker.until_worker_says("tasks assigned");
    by_name(&["send", "numbers", "7"]).ok();
    by_name(&["send", "orders", r#"{"account":"ann","amount":0}"#]).ok();
    let letters = until(&["dead-letters", "--json"], &|ran| !ran.out.is_empty());
    let letters = letters.json();
    assert_eq!((letters.len(), &letters[0]["agent"]), (1, &"total".into()));
    let counts = until(&["table", "counts", "--json"], &|ran| !ran.out.is_empty());
    assert_eq!(counts.json()[0]["key"], 7);
    until(&["lag"], &|ran| ran.err == "nothing waits\n");
    by_name(&["send", "numbers", "13"]).ok();
    let waits = until(&["lag", "numbers", "--json"], &|ran| {
        ran.json()[0]["lag_seconds"].as_f64() > Some(0.0)
    });
    let waits = format!("numbers/0@{}", waits.json()[0]["committed"]);
    assert_eq!(by_name(&["reset", "--yes"]).code, Some(1));
    assert_eq!(by_name(&["skip", &waits]).code, Some(0), "by the worker");
    until(&["lag"], &|ran| ran.err == "nothing waits\n");
    by_name(&["send", "numbers", "13"]).ok();
    assert_eq!(worker.end(Signal::INT), Some(0));

    let offsets = by_name(&["offsets", "numbers", "--json"]).json();
    let next = format!("numbers/0@{}", offsets[0]["committed"]);
    let skipped = by_name(&["skip", &next]);
    assert!(
        skipped.err.contains("in the offsets of the group"),
        "{skipped}"
    );
    let ran = by_name(&["dead-letters", "replay", "--all"]);
    assert_eq!(ran.err, "1 record was sent back\n");
    assert_eq!(by_name(&["reset", "--yes"]).code, Some(0));
    assert!(!by_name(&["topics"]).ok().contains("changelog"));
}

#[test]
fn several_workers_in_one_process_group_end_in_order_by_one_signal() {
    let broker = Cluster::start(1).unwrap();
    let address = format!("kafka://{}", broker.bootstrap());
    let place = Place::new();
    let mut group = 0;
    let mut workers = Vec::new();
    for number in 0..3 {
        let id = format!("worker-{number}");
        let mut command = place.command(
            &["worker", "--worker-id", &id],
            &[("FAUSTUS_LOG", &address)],
        );
        command.process_group(group);
        let mut worker = Program::of(command);
        group = if group == 0 { worker.id() } else { group };
        worker.until_worker_says("tasks assigned");
        workers.push(worker);
    }
    let environment = [("FAUSTUS_LOG", &*address)];
    let deadline = Instant::now() + PATIENCE;
    // Two partitions of orders and one of numbers, wherever they run, and each once.
    loop {
        let ran = place.run_with_input(&["agents"], "", &environment);
        if ran.out.contains("1 waiting") && ran.out.contains("2 waiting") {
            break;
        }
        assert!(Instant::now() < deadline, "at the end: {ran}");
    }
    kill_process_group(Pid::from_raw(group).unwrap(), Signal::INT).unwrap();
    for worker in workers {
        assert_eq!(worker.exit_code(), Some(0));
    }
}

#[test]
fn a_broker_that_is_not_there_is_told_in_time() {
    let nowhere = ["topics", "--log", "kafka://127.0.0.1:1"];
    for ran in [Place::new().run(&nowhere), Place::new().by_name(&nowhere)] {
        assert_eq!(ran.code, Some(1));
        assert!(
            ran.err.contains("no Kafka broker answers at 127.0.0.1:1"),
            "{ran}"
        );
        assert_eq!(ran.err.lines().count(), 1);
    }
}
