//! Mistakes and misfortunes: a line or two that say what, where and what to do, and nothing half done.

use std::{fs, os::unix::fs::PermissionsExt};

use rustix::process::Signal;

use crate::{
    common::{
        command::{Place, SHOP},
        program::Program,
    },
    redacted, worker,
};

/// What all commands have in common that look at a log.
const LOOKING: [&[&str]; 6] = [
    &["topics"],
    &["tables"],
    &["table", "totals"],
    &["offsets"],
    &["lag"],
    &["dead-letters"],
];

#[test]
fn a_log_that_is_not_there_is_told_and_not_made() {
    let place = Place::new();
    for arguments in LOOKING {
        let ran = place.run(arguments);
        let expected = "error: there is no log in shop-data: start a worker of shop there, or name the right one \
                        with --log\n";
        assert_eq!((ran.code, &*ran.err), (Some(1), expected), "{arguments:?}");
    }
    for order in [
        &["resume"][..],
        &["skip", "orders/0@0"],
        &["pause", "total"],
    ] {
        assert_eq!(place.run(order).code, Some(1));
    }
    assert!(place.path().read_dir().unwrap().next().is_none());
}

#[test]
fn names_that_are_not_there_name_the_nearest() {
    let place = Place::new();
    place
        .run(&["send", "orders", r#"{"account":"ann","amount":1}"#])
        .ok();
    for (name, arguments) in [
        ("unknown_topic", &["send", "ordrs", "1"][..]),
        ("unknown_topic_at_all", &["send", "invoices", "1"]),
        ("unknown_agent", &["send", "@totl", "1"]),
        ("unknown_agent_at_all", &["ask", "printer", "1"]),
        ("unknown_table", &["table", "totls"]),
        ("unknown_source", &["lag", "numbrs"]),
        (
            "unknown_partition",
            &["send", "orders", r#"{"account":"a","amount":1}"#, "-p", "7"],
        ),
        ("unknown_partition_to_skip", &["skip", "orders/7@0"]),
        ("record_past_the_end", &["skip", "numbers/0@5"]),
        (
            "unknown_letter",
            &["dead-letters", "show", "orders-dead/0@3"],
        ),
    ] {
        let ran = place.run(arguments);
        assert_eq!(ran.code, Some(1), "{arguments:?}: {ran}");
        insta::assert_snapshot!(name, redacted(&place, &ran));
    }
}

#[test]
fn values_and_keys_are_checked_before_anything_is_done() {
    let place = Place::new();
    for (name, arguments) in [
        (
            "value_of_another_type",
            &["send", "orders", r#"{"account":"ann","amount":"much"}"#][..],
        ),
        (
            "value_without_a_field",
            &["send", "@total", r#"{"amount":1}"#],
        ),
        ("value_that_is_no_json", &["cast", "double", "twelve"]),
    ] {
        let ran = place.run(arguments);
        assert_eq!(ran.code, Some(1));
        insta::assert_snapshot!(name, ran);
    }
    assert!(
        place.path().read_dir().unwrap().next().is_none(),
        "no log was made"
    );
    place.run(&["send", "numbers", "1"]).ok();
    let ran = place.run(&["table", "counts", "--key", "one"]);
    assert_eq!(ran.code, Some(1));
    insta::assert_snapshot!("key_of_another_type", ran);
    // Of standard input, what came before the mistake is sent, and the line is named.
    let ran = place.run_with_input(&["send", "numbers", "-"], "1\n2\nthree\n4\n", &[]);
    assert_eq!(ran.code, Some(1));
    insta::assert_snapshot!("mistake_in_a_line", ran);
}

#[test]
fn a_directory_of_something_else_is_refused() {
    let place = Place::new();
    fs::create_dir(place.log()).unwrap();
    fs::write(place.path().join("file"), "text").unwrap();
    insta::assert_snapshot!("directory_without_log", place.run(&["topics"]));
    insta::assert_snapshot!("file_for_a_log", place.run(&["topics", "--log", "file"]));
    assert_eq!(
        fs::read_to_string(place.path().join("file")).unwrap(),
        "text"
    );
}

#[test]
fn a_log_of_a_newer_version_is_left_alone() {
    let place = Place::new();
    place.run(&["send", "numbers", "1"]).ok();
    let head = place.path().join("shop-data/HEAD");
    let mut bytes = fs::read(&head).unwrap();
    bytes[8] = 99;
    fs::write(&head, &bytes).unwrap();
    let ran = place.run(&["topics"]);
    assert_eq!(ran.code, Some(1));
    insta::assert_snapshot!("newer_log", redacted(&place, &ran));
    assert_eq!(fs::read(&head).unwrap(), bytes);
}

#[test]
fn a_directory_without_permission_is_told() {
    if rustix::process::getuid().is_root() {
        // Root has every permission.
        return;
    }
    let place = Place::new();
    place.run(&["send", "numbers", "1"]).ok();
    fs::set_permissions(place.log(), fs::Permissions::from_mode(0o000)).unwrap();
    let ran = place.run(&["topics"]);
    fs::set_permissions(place.log(), fs::Permissions::from_mode(0o700)).unwrap();
    assert_eq!(ran.code, Some(1));
    assert!(
        ran.err.to_lowercase().contains("permission denied"),
        "{ran}"
    );
}

#[test]
fn a_worker_that_is_stopped_is_told_and_goes_on() {
    let place = Place::new();
    let worker = worker(&place);
    worker.signal(Signal::STOP);
    let ran = place.run(&["lag"]);
    assert_eq!(ran.code, Some(1), "{ran}");
    insta::assert_snapshot!("worker_that_is_stopped", redacted(&place, &ran));
    worker.signal(Signal::CONT);
    place.run(&["lag"]).ok();
    assert_eq!(worker.end(Signal::INT), Some(0));
}

#[test]
fn a_socket_of_a_killed_worker_is_no_hindrance() {
    let place = Place::new();
    worker(&place).kill();
    assert!(place.path().join("shop-data/control.sock").exists());
    place.run(&["lag"]).ok();
    let worker = worker(&place);
    place.run(&["agents"]).ok();
    assert_eq!(worker.end(Signal::INT), Some(0));
    assert!(!place.path().join("shop-data/control.sock").exists());
}

#[test]
fn orders_without_a_worker_say_where_they_are_for() {
    let place = Place::new();
    place.run(&["send", "numbers", "1", "--repeat", "2"]).ok();
    for (name, arguments) in [
        ("resume_without_worker", &["resume"][..]),
        ("pause_without_worker", &["pause", "double"]),
        ("ask_without_worker", &["ask", "double", "1"]),
        ("top_without_worker", &["top"]),
        ("skip_not_the_next_record", &["skip", "numbers/0@1"]),
    ] {
        let ran = place.run(arguments);
        assert_eq!(ran.code, Some(1), "{ran}");
        insta::assert_snapshot!(name, redacted(&place, &ran));
    }
}

#[test]
fn ctrl_c_ends_a_command_at_once_with_130() {
    let place = Place::new();
    let log = place.log();
    let mut own = Program::start(
        SHOP,
        &["produce", "--account", "a", "--wait", "--log", &log],
    );
    own.until("sent", |_, line| line.starts_with("sent").then_some(()));
    assert_eq!(own.end(Signal::INT), Some(130));
    assert!(!place.path().join("shop-data/control.sock").exists());

    let worker = worker(&place);
    place.run(&["pause", "double"]).ok();
    let ask = Program::start(SHOP, &["ask", "double", "1", "--log", &log]);
    let asks = |ran: &crate::Ran| ran.out.contains("f-reply-");
    crate::until(&place, &["topics", "--all"], asks);
    assert_eq!(ask.end(Signal::INT), Some(130));
    let ran = place.run(&["topics", "--all"]);
    assert!(!asks(&ran), "the topic of replies is gone: {ran}");
    assert_eq!(worker.end(Signal::INT), Some(0));
}

#[test]
fn no_log_is_made_among_other_files() {
    let place = Place::new();
    fs::write(place.path().join("letter.txt"), "dear").unwrap();
    let foreign = place.path().to_str().unwrap();
    for command in [&["worker"][..], &["send", "numbers", "1"]] {
        let command = place.command(&[command, &["--log", foreign]].concat(), &[]);
        let (status, said) = Program::of(command).ended();
        assert_eq!(status.code(), Some(1), "{said}");
        assert!(said.contains("has files in it and is no log"), "{said}");
    }
    let entries = fs::read_dir(place.path()).unwrap();
    assert_eq!(entries.count(), 1, "nothing was made");
}

#[test]
fn a_log_that_a_command_makes_is_told() {
    let place = Place::new();
    let ran = place.run(&["send", "numbers", "1", "--log", "typo-data"]);
    assert_eq!(
        (ran.ok(), &*ran.err),
        ("numbers/0@0\n", "log typo-data is made\n")
    );
    let again = place.run(&["send", "numbers", "1", "--log", "typo-data"]);
    assert_eq!((again.ok(), &*again.err), ("numbers/0@1\n", ""));
}
