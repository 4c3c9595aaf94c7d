//! What needs no log: help, completion, models, and what is said of arguments.

use std::{
    process::Stdio,
    time::{Duration, Instant},
};

use crate::common::{PATIENCE, command::Place};

/// All commands of the program.
pub(crate) const COMMANDS: [&str; 25] = [
    "worker",
    "plan",
    "agents",
    "agent",
    "topics",
    "tables",
    "table",
    "models",
    "model",
    "offsets",
    "lag",
    "top",
    "send",
    "ask",
    "cast",
    "resume",
    "pause",
    "restart",
    "skip",
    "dead-letters",
    "reset",
    "completion",
    "produce",
    "ask-double",
    "fail",
];

#[test]
fn help_teaches() {
    let place = Place::new();
    insta::assert_snapshot!("help", place.run(&["--help"]).ok());
    for command in COMMANDS.iter().filter(|command| **command != "worker") {
        let help = place.run(&[command, "--help"]);
        insta::assert_snapshot!(format!("help_{command}"), help.ok());
    }
    for command in ["list", "show", "replay"] {
        let help = place.run(&["dead-letters", command, "--help"]);
        insta::assert_snapshot!(format!("help_dead-letters_{command}"), help.ok());
    }
}

#[test]
fn help_names_all_commands() {
    let help = Place::new().run(&["--help"]);
    for command in COMMANDS {
        assert!(help.ok().contains(&format!("\n  {command} ")), "{command}");
    }
}

#[test]
fn what_needs_no_log_answers_at_once() {
    let place = Place::new();
    for arguments in [
        &["--help"][..],
        &["models"],
        &["completion", "bash"],
        &["sned"],
    ] {
        // The machine may be busy with something else: it is asked until it has a moment.
        let deadline = Instant::now() + PATIENCE;
        let in_time = || place.run(arguments).took < Duration::from_millis(50);
        while !in_time() {
            assert!(Instant::now() < deadline, "{arguments:?} takes longer");
        }
    }
    assert!(
        place.path().read_dir().unwrap().next().is_none(),
        "nothing is left behind"
    );
}

#[test]
fn models_tell_records_and_their_fields() {
    let place = Place::new();
    insta::assert_snapshot!("models", place.run(&["models"]));
    insta::assert_snapshot!("model", place.run(&["model", "Order"]));
    insta::assert_snapshot!("model_json", place.run(&["model", "Order", "--json"]));
    insta::assert_snapshot!("model_unknown", place.run(&["model", "Ordr"]));
    insta::assert_snapshot!("model_strange", place.run(&["model", "Invoice"]));
}

#[test]
fn a_completion_knows_all_commands_in_each_shell() {
    let place = Place::new();
    for shell in ["bash", "zsh", "fish"] {
        let script = place.run(&["completion", shell]);
        for command in COMMANDS {
            assert!(script.ok().contains(command), "{shell} knows no {command}");
        }
    }
}

#[test]
fn wrong_arguments_are_2_and_name_the_nearest() {
    let place = Place::new();
    for (name, arguments) in [
        ("wrong_command", &["sned", "orders", "1"][..]),
        ("wrong_option", &["lag", "--jsno"]),
        ("wrong_option_of_own_command", &["produce", "--acount", "a"]),
        (
            "wrong_filter",
            &["table", "totals", "--filter", "amount > 3"],
        ),
        (
            "wrong_filter_without_sign",
            &["table", "totals", "-f", "value.amount"],
        ),
        ("wrong_record", &["skip", "orders@3"]),
        ("wrong_header", &["send", "orders", "{}", "-H", "novalue"]),
        ("wrong_shell", &["completion", "basj"]),
        ("log_of_no_kind", &["topics", "--log", "carrier://pigeon"]),
        ("missing_value", &["send", "orders"]),
        ("nothing_to_replay", &["dead-letters", "replay"]),
    ] {
        let ran = place.run(arguments);
        assert_eq!(ran.code, Some(2), "{arguments:?}: {ran}");
        insta::assert_snapshot!(name, ran);
    }
}

#[test]
fn a_closed_pipe_is_a_quiet_end() {
    let place = Place::new();
    let mut child = place
        .command(&["completion", "bash"], &[])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert!(output.stderr.is_empty(), "{output:?}");
}

#[test]
fn nobody_is_waited_for_who_is_not_there() {
    let place = Place::new();
    let began = Instant::now();
    let ran = place.run(&["lag"]);
    assert_eq!(ran.code, Some(1));
    assert!(began.elapsed() < Duration::from_secs(1), "{ran}");
}

/// What the book has people type, each from the word after `shop` on.
fn typed_in_the_book() -> Vec<Vec<String>> {
    let book = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/book/command-line.md");
    let book = std::fs::read_to_string(book).unwrap();
    let typed = book.split("shop ").skip(1).map(|rest| {
        let end = rest.find(['`', '\n', '#', '|', ')']).unwrap_or(rest.len());
        rest[..end].split_whitespace().map(str::to_owned).collect()
    });
    typed
        .filter(|words: &Vec<String>| !words.is_empty())
        .collect()
}

#[test]
fn the_book_names_all_commands_and_only_options_that_they_have() {
    let place = Place::new();
    let typed = typed_in_the_book();
    for words in &typed {
        let command = words[0].as_str();
        assert!(COMMANDS.contains(&command), "{words:?}");
        let mut help = vec![command];
        if let ("dead-letters", Some(second)) = (command, words.get(1)) {
            help.push(second);
        }
        help.push("--help");
        let help = place.run(&help);
        for option in words.iter().filter(|word| word.starts_with("--")) {
            assert!(help.ok().contains(option.as_str()), "{words:?}");
        }
    }
    let own = ["produce", "ask-double", "fail"];
    for command in COMMANDS.iter().filter(|command| !own.contains(command)) {
        assert!(
            typed.iter().any(|words| words[0] == *command),
            "{command} is not in the book"
        );
    }
}
