//! What the tests of whole programs share: the programs as processes, what they counted as a reader
//! outside of them sees it, and what they should have.

#![expect(dead_code, reason = "each test binary uses a part of it")]

pub(crate) mod command;
pub(crate) mod outside;
pub(crate) mod program;
pub(crate) mod terminal;

use std::{collections::BTreeMap, fs, path::Path, time::Duration};

/// How long anything may take that must come; far more than it needs on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// The program that counts words.
pub(crate) const WORD_COUNT: &str = env!("CARGO_BIN_EXE_word_count");

/// A count of the words of the documents that shares nothing with the program: letter by letter.
pub(crate) fn expected() -> BTreeMap<String, u64> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut text = String::new();
    for directory in ["", "docs", "docs/book", "docs/design"] {
        for entry in fs::read_dir(root.join(directory)).unwrap() {
            let path = entry.unwrap().path();
            if path.to_str().unwrap().ends_with(".md") {
                text += &fs::read_to_string(path).unwrap();
                text.push('\n');
            }
        }
    }
    let mut counts = BTreeMap::new();
    let mut word = String::new();
    for letter in text.chars().chain(['\n']) {
        if letter.is_alphanumeric() {
            word.push(letter);
        } else {
            if word.len() > 2 {
                *counts.entry(word.to_lowercase()).or_default() += 1;
            }
            word.clear();
        }
    }
    counts
}

/// How many words a line of the program says are counted.
pub(crate) fn counted(line: &str) -> Option<u64> {
    line.split_once(" words, ")?.0.parse().ok()
}
