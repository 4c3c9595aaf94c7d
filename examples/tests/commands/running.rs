//! Commands while a worker runs, and the same ones while none does.

use rustix::process::Signal;
use serde_json::json;

use crate::{
    common::{
        command::{Place, SHOP},
        program::Program,
    },
    redacted, until, worker,
};

/// A log on which the agents have done what there was to do.
pub(crate) fn worked_on() -> Place {
    let place = Place::new();
    let worker = worker(&place);
    for (account, amount) in [("ann", 7), ("bob", 5), ("ann", 3)] {
        let order = json!({ "account": account, "amount": amount }).to_string();
        place
            .run(&["send", "orders", &order, "--key", account])
            .ok();
    }
    place
        .run_with_input(&["send", "numbers", "-"], "3\n20\n3\n100\n", &[])
        .ok();
    let nothing_waits = |ran: &crate::Ran| ran.err == "nothing waits\n";
    until(&place, &["lag"], nothing_waits);
    assert_eq!(worker.end(Signal::INT), Some(0));
    place
}

#[test]
fn what_is_on_the_log_is_told_alike_with_a_worker_and_without() {
    let place = worked_on();
    let commands = [
        ("topics", &["topics"][..]),
        ("topics_json", &["topics", "--json"]),
        ("tables", &["tables"]),
        ("tables_json", &["tables", "--json"]),
        ("table_of_texts", &["table", "totals"]),
        ("table_of_numbers", &["table", "counts"]),
        ("table_json", &["table", "totals", "--json"]),
        ("table_key", &["table", "totals", "--key", "bob"]),
        (
            "table_key_of_number",
            &["table", "counts", "-k", "20", "--json"],
        ),
        ("table_key_absent", &["table", "totals", "-k", "cat"]),
        (
            "table_filter",
            &["table", "totals", "-f", "value.amount >= 10"],
        ),
        (
            "table_filters",
            &["table", "totals", "-f", "value.amount > 3", "-f", "key ~ b"],
        ),
        ("table_limit", &["table", "counts", "-n", "2"]),
        ("offsets", &["offsets"]),
        ("offsets_of_agent", &["offsets", "@double", "--json"]),
        ("lag", &["lag", "numbers"]),
        ("plan", &["plan"]),
        ("no_letters", &["dead-letters"]),
    ];
    let without: Vec<_> = commands
        .iter()
        .map(|(_, arguments)| place.run(arguments))
        .collect();
    let worker = worker(&place);
    for ((name, arguments), without) in commands.iter().zip(without) {
        let with = place.run(arguments).to_string();
        assert_eq!(with, without.to_string(), "{arguments:?}");
        insta::assert_snapshot!(*name, redacted(&place, &without));
    }
    assert_eq!(worker.end(Signal::INT), Some(0));
}

#[test]
fn a_plan_on_nothing_makes_nothing() {
    let place = Place::new();
    insta::assert_snapshot!("plan_on_nothing", place.run(&["plan"]));
    insta::assert_snapshot!("plan_json", place.run(&["plan", "--json"]));
    assert!(place.path().read_dir().unwrap().next().is_none());
}

#[test]
fn agents_and_their_lanes_are_told_while_a_worker_runs() {
    let place = Place::new();
    insta::assert_snapshot!("agents_without_worker", place.run(&["agents"]));
    insta::assert_snapshot!("agent_without_worker", place.run(&["agent", "@total"]));
    let worker = worker(&place);
    let all_wait =
        |ran: &crate::Ran| ran.out.contains("2 waiting") && ran.out.contains("1 waiting");
    let ran = until(&place, &["agents"], all_wait);
    insta::assert_snapshot!("agents", redacted(&place, &ran));
    insta::assert_snapshot!("agent", place.run(&["agent", "total"]));
    insta::assert_snapshot!("agent_json", place.run(&["agent", "total", "--json"]));
    let ran = place.run(&["pause", "total"]);
    insta::assert_snapshot!("pause", redacted(&place, &ran));
    until(&place, &["agents"], |ran| ran.out.contains("2 paused"));
    place.run(&["resume", "total"]).ok();
    until(&place, &["agents"], all_wait);
    place.run(&["restart", "total"]).ok();
    until(&place, &["agents"], all_wait);
    assert_eq!(worker.end(Signal::INT), Some(0));
}

#[test]
fn an_agent_is_sent_to_and_asked() {
    let place = Place::new();
    let worker = worker(&place);
    assert_eq!(place.run(&["ask", "double", "21"]).ok(), "42\n");
    assert_eq!(
        place.run(&["ask", "@double", "4", "--key", "k"]).ok(),
        "8\n"
    );
    assert_eq!(place.run(&["cast", "double", "5"]).ok(), "numbers/0@2\n");
    let sent = place
        .run(&["send", "@double", "6", "--json", "-H", "by=me"])
        .json();
    assert_eq!(sent[0]["topic"], "numbers");
    assert_eq!(sent[0]["offset"], 3);
    let ran = place.run(&[
        "ask",
        "total",
        r#"{"account":"a","amount":1}"#,
        "--timeout",
        "0.3",
    ]);
    assert_eq!(ran.code, Some(1));
    insta::assert_snapshot!("ask_who_does_not_reply", redacted(&place, &ran));
    let topics = place.run(&["topics", "--all"]);
    assert!(!topics.ok().contains("f-reply"), "{topics}");
    assert_eq!(worker.end(Signal::INT), Some(0));
}

#[test]
fn a_task_that_is_parked_is_seen_and_led_out_by_skip() {
    let place = Place::new();
    let first = worker(&place);
    place
        .run_with_input(&["send", "numbers", "-"], "13\n1\n", &[])
        .ok();
    let parked = |ran: &crate::Ran| ran.out.contains("parked");
    let ran = until(&place, &["agent", "double"], parked);
    insta::assert_snapshot!("agent_parked", redacted(&place, &ran));
    let ran = place.run(&["resume"]);
    assert_eq!(
        (ran.code, &*ran.err),
        (Some(0), "these tasks try again: double/0\n")
    );
    until(&place, &["agent", "double"], parked);
    let ran = place.run(&["skip", "numbers/0@0"]);
    insta::assert_snapshot!("skip", redacted(&place, &ran));
    until(&place, &["lag"], |ran| ran.err == "nothing waits\n");
    assert!(place.run(&["table", "counts"]).ok().contains('1'));
    assert_eq!(first.end(Signal::INT), Some(0));

    // The same while no worker runs: in the offsets.
    place
        .run_with_input(&["send", "numbers", "-"], "13\n2\n", &[])
        .ok();
    let ran = place.run(&["skip", "numbers/0@2"]);
    insta::assert_snapshot!("skip_without_worker", redacted(&place, &ran));
    let second = worker(&place);
    until(&place, &["lag"], |ran| ran.err == "nothing waits\n");
    assert_eq!(
        place.run(&["table", "counts", "-k", "2", "--json"]).json()[0]["value"],
        1
    );
    assert_eq!(second.end(Signal::INT), Some(0));
}

#[test]
fn dead_letters_are_listed_shown_and_replayed_once() {
    let place = Place::new();
    let worker = worker(&place);
    for account in ["ann", "bob"] {
        let order = json!({ "account": account, "amount": 0 }).to_string();
        place
            .run(&["send", "orders", &order, "-k", account, "-p", "0"])
            .ok();
    }
    let two = |ran: &crate::Ran| ran.out.matches("orders-dead/0@").count() == 2;
    let ran = until(&place, &["dead-letters"], two);
    insta::assert_snapshot!("letters", redacted(&place, &ran));
    insta::assert_snapshot!(
        "letter",
        place.run(&["dead-letters", "show", "orders-dead/0@0"])
    );
    let replay = &["dead-letters", "replay", "orders-dead/0@0"];
    assert_eq!(place.run(replay).err, "1 record was sent back\n");
    // It fails again, and is another letter.
    let other = |ran: &crate::Ran| ran.out.contains("orders-dead/0@2");
    let ran = until(&place, &["dead-letters"], other);
    assert!(two(&ran) && !ran.out.contains("orders-dead/0@0"), "{ran}");
    assert_eq!(worker.end(Signal::INT), Some(0));

    // One that is not the next is sent, too, and listed on.
    let ran = place.run(&["dead-letters", "replay", "orders-dead/0@2"]);
    assert!(
        ran.ok().is_empty() && ran.err.contains("is listed on"),
        "{ran}"
    );
    assert!(two(&place.run(&["dead-letters"])));

    let ran = place.run(&["dead-letters", "replay", "--all"]);
    assert_eq!(
        (ran.code, &*ran.err),
        (Some(0), "2 records were sent back\n")
    );
    let ran = place.run(&["dead-letters", "replay", "--all", "--json"]);
    assert_eq!(ran.json(), [json!({ "replayed": 0 })]);
    assert_eq!(
        place.run(&["dead-letters"]).err,
        "no dead letters that were not replayed\n"
    );
    let all = place.run(&["dead-letters", "list", "--all"]);
    assert_eq!(all.ok().matches("orders-dead/0@").count(), 3, "{all}");
    let orders = place.run(&["dead-letters", "list", "--all", "--topic", "orders"]);
    assert_eq!(orders.err, "no dead letters\n", "orders are none");
}

#[test]
fn a_reset_begins_anew_and_only_while_nobody_works() {
    let place = worked_on();
    let first = worker(&place);
    let ran = place.run(&["reset", "--yes"]);
    assert_eq!(ran.code, Some(1));
    insta::assert_snapshot!("reset_under_a_worker", redacted(&place, &ran));
    assert_eq!(first.end(Signal::INT), Some(0));

    let before = place.run(&["table", "totals"]).to_string();
    insta::assert_snapshot!("reset_shown", place.run(&["reset"]));
    assert_eq!(
        place.run(&["table", "totals"]).to_string(),
        before,
        "nothing was done"
    );
    insta::assert_snapshot!(
        "reset_latest_json",
        place.run(&["reset", "--to", "latest", "--json"])
    );
    assert_eq!(place.run(&["reset", "--yes"]).code, Some(0));
    assert_eq!(
        place.run(&["table", "totals"]).code,
        Some(1),
        "its changelog is gone"
    );
    let second = worker(&place);
    until(&place, &["lag"], |ran| ran.err == "nothing waits\n");
    assert_eq!(
        place.run(&["table", "totals"]).to_string(),
        before,
        "all was done again, once"
    );
    assert_eq!(second.end(Signal::INT), Some(0));
}

#[test]
fn commands_of_its_own_send_and_ask_with_a_worker_and_without() {
    let place = Place::new();
    assert_eq!(place.run(&["produce", "--account", "ann"]).ok(), "sent 3\n");
    let ran = place.run(&["fail"]);
    assert_eq!(
        (ran.code, &*ran.err),
        (Some(1), "error: it failed on purpose\n")
    );
    let worker = worker(&place);
    assert_eq!(
        place
            .run(&["produce", "--account", "ann", "--count", "2"])
            .ok(),
        "sent 2\n"
    );
    assert_eq!(place.run(&["ask-double"]).ok(), "42\n");
    let nothing_waits = |ran: &crate::Ran| ran.err == "nothing waits\n";
    until(&place, &["lag"], nothing_waits);
    let total = place
        .run(&["table", "totals", "-k", "ann", "--json"])
        .json();
    assert_eq!(total[0]["value"], json!({ "amount": 9, "orders": 5 }));
    assert_eq!(worker.end(Signal::INT), Some(0));
}

#[test]
fn a_command_of_its_own_that_has_the_log_serves_it() {
    let place = Place::new();
    let log = place.log();
    let mut own = Program::start(
        SHOP,
        &["produce", "--account", "a", "--wait", "--log", &log],
    );
    own.until("sent", |_, line| line.starts_with("sent").then_some(()));
    assert!(place.run(&["topics"]).ok().contains("orders"));
    place.run(&["send", "numbers", "1"]).ok();
    assert_eq!(place.run(&["resume"]).code, Some(1), "it is no worker");
    own.kill();
}

#[test]
fn many_commands_at_once_take_turns() {
    let place = Place::new();
    let send = || {
        let mut command = place.command(&["send", "numbers", "1"], &[]);
        command.stdout(std::process::Stdio::null()).spawn().unwrap()
    };
    let children: Vec<_> = (0..4).map(|_| send()).collect();
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    let topics = place.run(&["offsets", "numbers", "--json"]).json();
    assert_eq!(topics[0]["end"], 4);
}

#[test]
fn a_log_in_memory_is_reached_through_its_worker() {
    let place = Place::new();
    let run = |arguments: &[&str]| {
        let arguments = [arguments, &["--log", "memory://"]].concat();
        place.command(&arguments, &[]).output().unwrap()
    };
    assert_eq!(run(&["topics"]).status.code(), Some(1));
    let mut worker = place.command(&["worker", "--log", "memory://"], &[]);
    worker.stderr(std::process::Stdio::null());
    let mut worker = worker.spawn().unwrap();
    let deadline = std::time::Instant::now() + crate::PATIENCE;
    while run(&["ask", "double", "4"]).stdout != b"8\n" {
        assert!(std::time::Instant::now() < deadline);
    }
    worker.kill().unwrap();
    worker.wait().unwrap();
}
