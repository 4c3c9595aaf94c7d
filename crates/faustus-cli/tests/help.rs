//! What `--help` says, that the book says the same, and what becomes of a wrong command line.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::path::Path;

use common::run;

fn help(args: &[&str]) -> String {
    let shown = run(Path::new("."), &[args, &["--help"]].concat());
    assert_eq!((shown.code, &*shown.err), (Some(0), ""));
    shown.out
}

#[test]
fn the_help_teaches() {
    insta::assert_snapshot!("help", help(&[]));
    insta::assert_snapshot!("help_new", help(&["new"]));
    insta::assert_snapshot!("help_app", help(&["app"]));
    for command in ["table", "lag", "send", "dead-letters", "reset"] {
        let help = help(&["app", "bank", command]);
        insta::assert_snapshot!(format!("help_app_{command}"), help);
    }
    insta::assert_snapshot!("help_log", help(&["log"]));
    insta::assert_snapshot!("help_records", help(&["log", "DIR", "records"]));
}

/// The commands or options that a section of a help lists.
fn entries(help: &str, section: &str) -> Vec<String> {
    let lines = help.lines().skip_while(|line| *line != section).skip(1);
    let lines = lines.take_while(|line| !line.is_empty());
    // What does not fit a line goes on in the next one, further in.
    let first = lines.filter_map(|line| {
        let command = line.strip_prefix("  ")?.split(' ').next()?;
        let is_command = !command.is_empty() && !command.starts_with('-');
        let option = || line.split_whitespace().find(|word| word.starts_with("--"));
        is_command.then_some(command).or_else(option)
    });
    first.map(str::to_owned).collect()
}

#[test]
fn the_book_tells_of_every_command_and_option() {
    let book = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/book/faustus-binary.md");
    let book = std::fs::read_to_string(book).unwrap();
    let mut commands = entries(&help(&["app"]), "Commands:");
    commands.extend(entries(&help(&["log"]), "Commands:"));
    assert_eq!(commands.len(), 9 + 5);
    for command in &commands {
        let row = format!("| `{command}");
        assert!(book.contains(&row), "{command}");
    }
    let told = book.lines().filter_map(|line| line.strip_prefix("| `"));
    let told = told.filter_map(|line| line.split([' ', '`']).next());
    assert_eq!(told.collect::<Vec<_>>(), commands);
    for args in [
        &["new"][..],
        &["app"],
        &["app", "bank", "table"],
        &["log", "DIR", "records"],
    ] {
        for option in entries(&help(args), "Options:") {
            // Those for Kafka stand among the settings.
            let known = option == "--help" || option.starts_with("--kafka-");
            assert!(known || book.contains(&option), "{option}");
        }
    }
}

#[test]
fn a_wrong_command_line_is_2_and_names_the_nearest_command() {
    let wrong = run(Path::new("."), &["logs"]);
    assert_eq!((wrong.code, &*wrong.out), (Some(2), ""));
    assert!(wrong.err.contains("'log'"), "{}", wrong.err);
    assert_eq!(run(Path::new("."), &[]).code, Some(2));
    assert_eq!(
        run(Path::new("."), &["log", "DIR", "records"]).code,
        Some(2)
    );
}
