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
    insta::assert_snapshot!("help_log", help(&["log"]));
    insta::assert_snapshot!("help_records", help(&["log", "DIR", "records"]));
}

/// The words that begin the lines of a section of a help.
fn entries(help: &str, section: &str) -> Vec<String> {
    let lines = help.lines().skip_while(|line| *line != section).skip(1);
    let lines = lines.take_while(|line| !line.is_empty());
    let first = lines.filter_map(|line| line.split_whitespace().find(|word| word.len() > 3));
    first
        .map(|word| word.trim_end_matches(',').to_owned())
        .collect()
}

#[test]
fn the_book_tells_of_every_command_and_option() {
    let book = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/book/faustus-binary.md");
    let book = std::fs::read_to_string(book).unwrap();
    let commands = entries(&help(&["log"]), "Commands:");
    assert_eq!(commands.len(), 6);
    for command in &commands {
        let row = format!("| `{command}");
        assert!(book.contains(&row), "{command}");
    }
    let told = book.lines().filter_map(|line| line.strip_prefix("| `"));
    let told = told.filter_map(|line| line.split([' ', '`']).next());
    assert_eq!(told.collect::<Vec<_>>(), commands);
    for args in [&["new"][..], &["log", "DIR", "records"]] {
        for option in entries(&help(args), "Options:") {
            assert!(option == "--help" || book.contains(&option), "{option}");
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
