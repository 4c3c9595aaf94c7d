//! What `top` tells of a running worker: on a terminal, as JSON and as a report.

use std::process::Child;

use rustix::process::{Pid, Signal, kill_process};

use crate::{
    common::{
        command::{Place, Ran, SHOP},
        program::{Output, Program},
        terminal::Terminal,
    },
    until, worker,
};

#[test]
fn one_object_tells_what_the_worker_did_and_what_waits() {
    let place = Place::new();
    let worker = worker(&place);
    place
        .run_with_input(&["send", "numbers", "-"], "1\n2\n13\n4\n", &[])
        .ok();
    until(&place, &["agents"], |ran| ran.out.contains("parked"));
    let arguments = ["top", "--once", "--json", "--interval", "200 ms"];
    let committed = |ran: &Ran| ran.json()[0]["epochs"]["committed"]["total"] != 0;
    let told = &until(&place, &arguments, committed).json()[0];
    let of = |list: &str, name: &str, is: &str| {
        let mut all = told[list].as_array().unwrap().iter();
        all.find(|one| one[name] == is).unwrap().clone()
    };
    let double = of("agents", "agent", "double");
    assert_eq!(double["events"]["total"], 2);
    assert_eq!(double["events"]["per_second"], 0.0);
    assert_eq!(double["failures"]["total"], 2);
    assert_eq!(double["parkings"]["total"], 1);
    let numbers = of("partitions", "topic", "numbers");
    assert_eq!(
        (&numbers["lag_records"], &numbers["retired"]),
        (&2.into(), &2.into())
    );
    assert_eq!(of("tables", "table", "counts")["writes"]["total"], 2);
    assert_eq!(told["tasks"]["parked"], 1);
    let lane = &told["lanes"]["of_interest"][0];
    assert_eq!(lane["state"], "parked");
    let reason = lane["reason"].as_str().unwrap();
    assert!(reason.contains("thirteen"), "{reason}");
    assert_eq!(worker.end(Signal::INT), Some(0));
}

#[test]
fn a_report_has_the_sections_under_each_other() {
    let place = Place::new();
    let worker = worker(&place);
    let arguments = ["top", "--interval", "100 ms"];
    for arguments in [&arguments[..], &[&arguments[..], &["--once"]].concat()] {
        let ran = place.run(arguments);
        let report = ran.ok();
        for head in ["AGENT", "PARTITION", "TABLE", "EPOCHS"] {
            let is_head = |line: &str| line.starts_with(head);
            assert!(report.lines().any(is_head), "no {head}: {ran}");
        }
        assert!(report.contains("no lag"), "{ran}");
        assert!(!report.contains('\u{1b}'), "no colours, no cursor: {ran}");
    }
    assert_eq!(worker.end(Signal::INT), Some(0));
}

#[test]
fn json_goes_on_while_workers_come_and_go() {
    let place = Place::new();
    let first = worker(&place);
    let log = place.log();
    let arguments = ["top", "--json", "--interval", "100 ms", "--log", &log];
    let mut top = Program::start(SHOP, &arguments);
    let mut until_workers = |count: usize| {
        top.until("such a line", |output, line| {
            let told: serde_json::Value = serde_json::from_str(line).ok()?;
            let workers = told["workers"].as_array()?.len();
            (output == Output::Out && workers == count).then_some(())
        });
    };
    until_workers(1);
    assert_eq!(first.end(Signal::INT), Some(0));
    until_workers(0);
    let second = worker(&place);
    until_workers(1);
    assert_eq!(second.end(Signal::INT), Some(0));
    assert_eq!(top.end(Signal::INT), Some(130));
}

#[test]
fn an_interval_has_a_unit_and_limits() {
    let place = Place::new();
    for interval in ["1", "1 ms", "soon"] {
        let ran = place.run(&["top", "--interval", interval]);
        assert_eq!(ran.code, Some(2), "{ran}");
    }
}

/// Lets `top` run on a terminal until it has drawn itself.
fn on_terminal(place: &Place, terminal: &mut Terminal) -> Child {
    let mut top = place.command(&["top", "--interval", "100 ms"], &[]);
    terminal.attach_whole(&mut top);
    let top = top.spawn().unwrap();
    terminal.until("EPOCHS", 1);
    assert!(!terminal.is_in_order(), "it has the terminal for itself");
    top
}

/// How the screen is left that a program had for itself.
const LEFT: &str = "\u{1b}[?1049l";

#[test]
fn a_terminal_is_left_in_order_by_keys_and_by_signals() {
    let place = Place::new();
    let worker = worker(&place);
    let by_key =
        |keys: &'static str| move |terminal: &mut Terminal, _: &Child| terminal.press(keys);
    let by_signal = |signal: Signal| {
        move |_: &mut Terminal, top: &Child| {
            let pid = Pid::from_raw(top.id().cast_signed()).unwrap();
            kill_process(pid, signal).unwrap();
        }
    };
    let check = |code: i32, end: &dyn Fn(&mut Terminal, &Child)| {
        let mut terminal = Terminal::new();
        let mut top = on_terminal(&place, &mut terminal);
        end(&mut terminal, &top);
        assert_eq!(top.wait().unwrap().code(), Some(code));
        terminal.until(LEFT, 1);
        assert!(terminal.is_in_order());
    };
    check(0, &by_key("q"));
    check(130, &by_key("\u{3}"));
    check(130, &by_signal(Signal::INT));
    check(130, &by_signal(Signal::TERM));
    assert_eq!(worker.end(Signal::INT), Some(0));
}

#[test]
fn the_screen_says_that_a_worker_is_gone_and_goes_on_with_the_next() {
    let place = Place::new();
    let first = worker(&place);
    let mut terminal = Terminal::new();
    let mut top = on_terminal(&place, &mut terminal);
    assert_eq!(first.end(Signal::INT), Some(0));
    terminal.until("answers", 1);
    let second = worker(&place);
    place.run(&["send", "numbers", "5"]).ok();
    // It is a new topic to this worker, so that all of its name is drawn.
    terminal.until("shop-counts-changelog", 1);
    terminal.press("q");
    assert_eq!(top.wait().unwrap().code(), Some(0));
    assert_eq!(second.end(Signal::INT), Some(0));
}
