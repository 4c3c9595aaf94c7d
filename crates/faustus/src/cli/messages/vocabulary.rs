//! All messages of the workspace use the fields that the book's chapter on messages lists.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use proc_macro2::{Delimiter, TokenStream, TokenTree};

const CHAPTER: &str = include_str!("../../../../../docs/book/logs.md");

/// What each line has, whoever says it.
const ALWAYS: [&str; 4] = ["time", "level", "target", "message"];

/// Texts of others, which are passed on.
const PASSED_ON: [&str; 2] = ["{message}", "{hint}"];

/// What the sources say.
#[derive(Default)]
struct Said {
    /// The names of fields, and where each is used.
    fields: BTreeMap<String, BTreeSet<PathBuf>>,
    messages: BTreeSet<String>,
}

impl Said {
    fn in_all_sources() -> Self {
        let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let mut said = Self::default();
        for entry in fs::read_dir(crates).unwrap() {
            said.look(&entry.unwrap().path().join("src"));
        }
        said
    }

    fn look(&mut self, path: &Path) {
        if path.is_dir() {
            for entry in fs::read_dir(path).unwrap() {
                self.look(&entry.unwrap().path());
            }
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            let tokens = fs::read_to_string(path).unwrap().parse();
            self.walk(&tokens.unwrap(), path);
        }
    }

    fn walk(&mut self, tokens: &TokenStream, path: &Path) {
        let tokens: Vec<_> = tokens.clone().into_iter().collect();
        for (at, token) in tokens.iter().enumerate() {
            let TokenTree::Group(group) = token else {
                continue;
            };
            let before = |back: usize| {
                let token = at.checked_sub(back).map(|index| &tokens[index]);
                token.map(ToString::to_string).unwrap_or_default()
            };
            if before(2) == "mod" && before(1) == "tests" {
                continue;
            }
            let levels = ["trace", "debug", "info", "warn", "error"];
            let is_message = before(1) == "!" && levels.contains(&&*before(2));
            if is_message && group.delimiter() == Delimiter::Parenthesis {
                self.message(group.stream(), path);
            } else {
                self.walk(&group.stream(), path);
            }
        }
    }

    /// The arguments of one macro, up to its text.
    fn message(&mut self, arguments: TokenStream, path: &Path) {
        let arguments: Vec<_> = arguments.into_iter().collect();
        let is_comma = |token: &TokenTree| token.to_string() == ",";
        for argument in arguments.split(is_comma) {
            let words: Vec<_> = argument.iter().map(ToString::to_string).collect();
            let words = match &*words {
                [] => continue,
                [target, colon, ..] if target == "target" && colon == ":" => continue,
                [text, ..] if text.starts_with('"') => {
                    self.messages.insert(text.trim_matches('"').to_owned());
                    return;
                }
                [sigil, rest @ ..] if sigil == "%" || sigil == "?" => rest,
                words => words,
            };
            let name = words.split(|word| word == "=").next().unwrap();
            let places = self.fields.entry(name.concat()).or_default();
            places.insert(path.to_owned());
        }
    }
}

/// The first cells of the table between two marks of the chapter.
fn first_cells(name: &str) -> BTreeSet<String> {
    let (_, rest) = CHAPTER.split_once(&format!("<!-- {name} -->")).unwrap();
    let (table, _) = rest.split_once(&format!("<!-- end of {name} -->")).unwrap();
    let rows = table.trim().lines().skip(2);
    let cells = rows.map(|row| row.split('|').nth(1).unwrap().trim());
    cells
        .map(|cell| cell.trim_matches('`').to_owned())
        .collect()
}

#[test]
fn each_field_is_in_the_book_and_the_book_lists_no_other() {
    let said = Said::in_all_sources();
    let listed = first_cells("fields");
    for (field, places) in &said.fields {
        assert!(
            listed.contains(field),
            "no field {field:?} is in docs/book/logs.md, and it is used in {places:?}: use one that is, or add it"
        );
    }
    for field in &listed {
        let is_used = said.fields.contains_key(field) || ALWAYS.contains(&&**field);
        assert!(
            is_used,
            "nothing has the field {field:?} of docs/book/logs.md"
        );
    }
}

#[test]
fn names_are_in_fields_and_not_in_texts() {
    for text in Said::in_all_sources().messages {
        let is_plain = !text.contains('{') || PASSED_ON.contains(&&*text);
        assert!(
            is_plain,
            "{text:?} has something in it that belongs into a field"
        );
    }
}

#[test]
fn the_book_explains_messages_that_there_are() {
    let said = Said::in_all_sources().messages;
    for text in first_cells("messages") {
        assert!(said.contains(&text), "nothing says {text:?}");
    }
}
