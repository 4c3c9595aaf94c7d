//! The book's chapter on settings tells what is in the catalogue, and of each of Faust's settings.

use std::collections::BTreeSet;

use super::catalogue::{CATALOGUE, Group, position};

const CHAPTER: &str = include_str!("../../../../docs/book/settings.md");

fn between<'a>(text: &'a str, begin: &str, end: &str) -> &'a str {
    let (_, rest) = text.split_once(begin).expect("the mark is there");
    rest.split_once(end)
        .map_or(rest, |(inside, _)| inside)
        .trim()
}

/// The catalogue as the book has it.
fn tables() -> String {
    let mut text = String::new();
    let mut group: Option<Group> = None;
    for setting in CATALOGUE {
        if group != Some(setting.group) {
            group = Some(setting.group);
            text += &format!("\n### {}\n\n", setting.group.title());
            text += "| setting | type | default | |\n|---|---|---|---|\n";
        }
        text += &format!(
            "| `{}` | {} | {} | {} |\n",
            setting.name,
            setting.kind.name(),
            setting.default().replace("<app>", "`<app>`"),
            setting.help
        );
    }
    text.trim().to_owned()
}

#[test]
fn the_book_lists_all_settings_as_they_are() {
    let written = between(CHAPTER, "<!-- settings -->", "<!-- end of settings -->");
    assert!(
        written == tables(),
        "between the marks in docs/book/settings.md belongs:\n\n{}\n",
        tables()
    );
}

#[test]
fn the_book_tells_of_each_of_the_114_settings_of_faust() {
    let rows = between(CHAPTER, "<!-- verdicts -->", "<!-- end -->")
        .lines()
        .skip(2);
    let mut names = BTreeSet::new();
    for row in rows {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let [_, name, verdict, here, _] = cells[..] else {
            panic!("{row}");
        };
        assert!(names.insert(name), "{name} stands there twice");
        assert!(!here.is_empty(), "{row}");
        match verdict {
            "setting" => {
                let setting = between(here, "`", "`");
                assert!(position(setting).is_some(), "{row}");
            }
            verdict => assert!(["code", "always", "yet", "no"].contains(&verdict), "{row}"),
        }
    }
    assert_eq!(names.len(), 114);
}
