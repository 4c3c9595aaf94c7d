//! `faustus app`: the same looks and orders for whoever has not the program, only its name and its log.

use std::{os::unix::fs::PermissionsExt, process::Stdio, sync::Arc};

use faustus::{Offset, TokioClock, TopicConfig, TopicPartition, Transport, open_log};
use faustus_core::{GroupIdentity, NewTopic, OffsetCommit};
use rustix::process::Signal;
use serde_json::json;

use super::running::worked_on;
use crate::{
    Ran,
    common::{
        command::{FAUSTUS, Place},
        program::Program,
    },
    redacted, until, worker,
};

#[test]
fn what_is_on_the_log_is_told_alike_with_a_worker_and_without() {
    let place = worked_on();
    let commands = [
        ("by_name_topics", &["topics"][..]),
        ("by_name_topics_json", &["topics", "--json"]),
        ("by_name_tables", &["tables"]),
        ("by_name_tables_json", &["tables", "--json"]),
        ("by_name_table", &["table", "totals"]),
        ("by_name_table_json", &["table", "totals", "--json"]),
        ("by_name_table_key", &["table", "totals", "--key", "bob"]),
        ("by_name_table_number", &["table", "counts", "-k", "20"]),
        (
            "by_name_table_filter",
            &["table", "totals", "-f", "value.amount >= 10"],
        ),
        ("by_name_no_letters", &["dead-letters"]),
    ];
    let without: Vec<_> = commands
        .iter()
        .map(|(_, arguments)| place.by_name(arguments))
        .collect();
    let worker = worker(&place);
    for ((name, arguments), without) in commands.iter().zip(without) {
        let with = place.by_name(arguments).to_string();
        assert_eq!(with, without.to_string(), "{arguments:?}");
        insta::assert_snapshot!(*name, redacted(&place, &without));
    }
    assert_eq!(worker.end(Signal::INT), Some(0));
}

#[test]
fn offsets_and_lag_are_those_that_the_program_tells() {
    let place = worked_on();
    for arguments in [
        &["offsets"][..],
        &["offsets", "numbers", "--json"],
        &["table", "counts", "--json"],
    ] {
        let of_program = place.run(arguments).to_string();
        assert_eq!(place.by_name(arguments).to_string(), of_program);
    }
    place.run(&["send", "numbers", "1", "--repeat", "2"]).ok();
    let lag = place.by_name(&["lag", "numbers"]);
    assert!(lag.err.starts_with("2 records wait, the oldest"), "{lag}");
}

#[test]
fn the_log_may_be_named_before_the_command_behind_it_and_in_the_environment() {
    let place = worked_on();
    let log = place.log();
    let expected = place.by_name(&["topics"]).ok().to_owned();
    for arguments in [
        &["app", "shop", "--log", &log, "topics"][..],
        &["app", "shop", "topics", "--log", &log],
    ] {
        assert_eq!(place.faustus(arguments).ok(), expected);
    }
    let elsewhere = Place::new();
    let environment = [("FAUSTUS_LOG", log.as_str())];
    let mut command = elsewhere.command_of(FAUSTUS, &["app", "shop", "topics"], &environment);
    let output = command.output().unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), expected);
}

#[test]
fn letters_are_found_on_the_log_and_sent_back() {
    let place = Place::new();
    let worker = worker(&place);
    for account in ["ann", "bob"] {
        let order = json!({ "account": account, "amount": 0 }).to_string();
        place
            .by_name(&["send", "orders", &order, "-k", account, "-p", "0"])
            .ok();
    }
    let two = |ran: &Ran| ran.out.matches("orders-dead/0@").count() == 2;
    until(&place, &["dead-letters"], two);
    until(&place, &["lag"], |ran| ran.err == "nothing waits\n");
    let found = place.by_name(&["dead-letters"]);
    assert_eq!(found.ok(), place.run(&["dead-letters"]).ok());
    let shown = ["dead-letters", "show", "orders-dead/0@0"];
    assert_eq!(place.by_name(&shown).ok(), place.run(&shown).ok());
    assert_eq!(worker.end(Signal::INT), Some(0));

    let ran = place.by_name(&["dead-letters", "replay", "--all", "--topic", "orders-dead"]);
    assert_eq!(ran.err, "2 records were sent back\n");
    let ran = place.run(&["dead-letters", "replay", "--all"]);
    assert_eq!(ran.err, "nothing is to be replayed\n", "they were already");
    assert!(place.by_name(&["topics"]).ok().contains("dead letters"));
}

#[test]
fn a_record_is_passed_over_by_a_worker_and_in_the_offsets() {
    let place = Place::new();
    let first = worker(&place);
    place.by_name(&["send", "numbers", "5"]).ok();
    until(&place, &["lag"], |ran| ran.err == "nothing waits\n");
    place.by_name(&["send", "numbers", "13"]).ok();
    until(&place, &["agent", "double"], |ran| {
        ran.out.contains("parked")
    });
    let ran = place.by_name(&["skip", "numbers/0@1"]);
    insta::assert_snapshot!("by_name_skip", redacted(&place, &ran));
    until(&place, &["lag"], |ran| ran.err == "nothing waits\n");
    assert_eq!(first.end(Signal::INT), Some(0));

    place.by_name(&["send", "numbers", "13"]).ok();
    let ran = place.by_name(&["skip", "numbers/0@2"]);
    insta::assert_snapshot!("by_name_skip_without_worker", redacted(&place, &ran));
    assert_eq!(place.by_name(&["lag"]).err, "nothing waits\n");
}

#[test]
fn a_reset_does_what_that_of_the_program_does_and_only_while_nobody_works() {
    let place = worked_on();
    let first = worker(&place);
    let ran = place.by_name(&["reset", "--yes"]);
    assert_eq!(ran.code, Some(1));
    insta::assert_snapshot!("by_name_reset_under_a_worker", redacted(&place, &ran));
    assert_eq!(first.end(Signal::INT), Some(0));

    let shown = place.by_name(&["reset"]);
    assert_eq!(shown.to_string(), place.run(&["reset"]).to_string());
    let before = place.run(&["table", "totals", "--json"]).json();
    assert_eq!(place.by_name(&["reset", "--yes"]).code, Some(0));
    let second = worker(&place);
    until(&place, &["lag"], |ran| ran.err == "nothing waits\n");
    let after = place.run(&["table", "totals", "--json"]).json();
    let values = |rows: &[serde_json::Value]| -> Vec<_> {
        rows.iter().map(|row| row["value"].clone()).collect()
    };
    assert_eq!(values(&after), values(&before), "all was done again, once");
    assert_eq!(second.end(Signal::INT), Some(0));
}

#[test]
fn names_that_are_not_there_name_the_nearest() {
    let place = worked_on();
    let log = place.log();
    for (name, arguments) in [
        ("by_name_unknown_app", &["app", "shpo", "lag"][..]),
        (
            "by_name_unknown_app_at_all",
            &["app", "warehouse", "topics"],
        ),
        ("by_name_unknown_table", &["app", "shop", "table", "totls"]),
        ("by_name_unknown_topic", &["app", "shop", "lag", "ordrs"]),
        ("by_name_agent", &["app", "shop", "lag", "@total"]),
        (
            "by_name_send_to_an_agent",
            &["app", "shop", "send", "@total", "1"],
        ),
        (
            "by_name_send_to_no_topic",
            &["app", "shop", "send", "ordrs", "1"],
        ),
    ] {
        let ran = place.faustus(&[arguments, &["--log", &log]].concat());
        assert_eq!(ran.code, Some(1), "{ran}");
        insta::assert_snapshot!(name, redacted(&place, &ran));
    }
}

#[test]
fn a_command_line_that_is_wrong_is_2() {
    let place = Place::new();
    for (name, arguments) in [
        ("by_name_no_name", &["app", "a/b", "lag"][..]),
        ("by_name_no_command", &["app", "shop", "lags"]),
        ("by_name_nothing", &["app"]),
        (
            "by_name_half_an_address",
            &["app", "shop", "lag", "--log", "broker:9092"],
        ),
        (
            "by_name_no_such_kind_of_log",
            &["app", "shop", "lag", "--log", "pigeon://loft"],
        ),
    ] {
        let ran = place.faustus(arguments);
        assert_eq!(ran.code, Some(2), "{ran}");
        insta::assert_snapshot!(name, ran);
    }
}

#[test]
fn a_log_that_is_not_there_is_told_and_not_made() {
    let place = Place::new();
    let ran = place.by_name(&["lag"]);
    assert_eq!(ran.code, Some(1));
    insta::assert_snapshot!("by_name_no_log", redacted(&place, &ran));
    assert!(place.path().read_dir().unwrap().next().is_none());
}

#[test]
fn a_directory_without_permission_is_told() {
    if rustix::process::getuid().is_root() {
        // Root has every permission.
        return;
    }
    let place = worked_on();
    let mode = |mode| std::fs::Permissions::from_mode(mode);
    std::fs::set_permissions(place.log(), mode(0o000)).unwrap();
    let ran = place.by_name(&["topics"]);
    std::fs::set_permissions(place.log(), mode(0o700)).unwrap();
    assert_eq!(ran.code, Some(1));
    assert!(
        ran.err.to_lowercase().contains("permission denied"),
        "{ran}"
    );
}

#[test]
fn ctrl_c_is_130_and_a_closed_pipe_a_quiet_end() {
    let place = worked_on();
    let log = place.log();
    let slow = ["app", "shop", "send", "numbers", "1", "--log", &log];
    let slow = [&slow[..], &["--repeat", "2", "--interval", "600"]].concat();
    let mut slow = Program::start(FAUSTUS, &slow);
    slow.until("sent", |_, line| {
        line.starts_with("numbers/0@").then_some(())
    });
    assert_eq!(slow.end(Signal::INT), Some(130));

    let mut child = place
        .command_of(FAUSTUS, &["app", "shop", "topics"], &[])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert!(output.stderr.is_empty(), "{output:?}");
}

fn topic(name: &str) -> NewTopic {
    NewTopic {
        name: name.into(),
        partitions: 1,
        replicas: None,
        config: TopicConfig::default(),
    }
}

/// Commits an offset for an application.
async fn commit(log: &dyn Transport, app: &str) {
    let commit = OffsetCommit {
        partition: TopicPartition::new("orders", 0),
        offset: Offset(0),
        metadata: String::new(),
    };
    let coordinator = log.coordinator(app);
    let nobody = GroupIdentity::none(app);
    coordinator
        .commit_offsets(nobody, vec![commit])
        .await
        .unwrap();
}

/// A place whose log `fill` has filled.
fn filled(fill: impl AsyncFnOnce(&dyn Transport)) -> Place {
    let place = Place::new();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let clock = Arc::new(TokioClock::real());
        let log = open_log(&place.log(), clock).await.unwrap();
        fill(&*log).await;
    });
    place
}

/// Runs `faustus app` for an application on the log of `place`.
fn app(place: &Place, app: &str, arguments: &[&str]) -> Ran {
    let log = place.log();
    place.faustus(&[&["app", app, "--log", &log], arguments].concat())
}

#[test]
fn a_changelog_that_may_be_of_two_applications_is_told_and_not_deleted() {
    let place = filled(async |log| {
        let names = [
            "orders",
            "bank-totals-changelog",
            "bank-eu-totals-changelog",
        ];
        let topics = names.map(topic);
        log.admin().create_topics(&topics).await.unwrap();
        commit(log, "bank").await;
        commit(log, "bank-eu").await;
    });
    insta::assert_snapshot!("by_name_tables_of_two", app(&place, "bank", &["tables"]));
    let ran = app(&place, "bank", &["reset", "--yes"]);
    assert_eq!(ran.code, Some(1));
    insta::assert_snapshot!("by_name_reset_of_two", ran);
    let topics = app(&place, "bank", &["topics"]);
    assert!(topics.ok().contains("bank-eu-totals-changelog"));
}

#[test]
fn an_application_is_not_there_if_its_one_table_may_be_of_another_that_is() {
    let place = filled(async |log| {
        let topics = [topic("orders"), topic("bank-eu-totals-changelog")];
        log.admin().create_topics(&topics).await.unwrap();
        commit(log, "bank-eu").await;
    });
    let ran = app(&place, "bank", &["tables"]);
    assert!(
        ran.err.starts_with("error: nothing of application bank"),
        "{ran}"
    );
    assert!(app(&place, "bank-eu", &["tables"]).ok().contains("totals"));
}

#[test]
fn an_application_of_which_only_a_changelog_is_left_is_reset() {
    let place = filled(async |log| {
        let topics = [topic("till-totals-changelog")];
        log.admin().create_topics(&topics).await.unwrap();
    });
    assert_eq!(app(&place, "till", &["reset", "--yes"]).code, Some(0));
    let ran = app(&place, "till", &["tables"]);
    assert!(
        ran.err.starts_with("error: nothing of application till"),
        "{ran}"
    );
}
