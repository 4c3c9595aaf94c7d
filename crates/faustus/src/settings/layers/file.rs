//! The layer of the file: `faustus.toml`.
//!
//! Keys at its top hold for every application. Those in a table of an application's name hold for that
//! one alone, for which they hold over the others.

use std::{fs, io, path::Path, sync::Arc};

use toml::{
    Spanned,
    de::{DeString, DeTable, DeValue},
};

use super::{Layers, Part, Source};
use crate::{
    near::are_confusable,
    settings::catalogue::{CATALOGUE, position},
};

/// The file that is looked for.
const NAME: &str = "faustus.toml";

/// Reads `named`, or `faustus.toml` in `directory` if there is one.
pub(super) fn read(layers: &mut Layers, named: Option<&Path>, directory: &Path) {
    let path = named.unwrap_or_else(|| Path::new(NAME));
    let bytes = match fs::read(directory.join(path)) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound && named.is_none() => return,
        Err(error) => {
            let wrong = "it cannot be read";
            let remedy = "make it readable, or name another with --config";
            return layers
                .mistakes
                .push(format!("{}: {wrong} ({error}); {remedy}", path.display()));
        }
    };
    let Ok(text) = String::from_utf8(bytes) else {
        return layers.mistakes.push(format!(
            "{}: it is not UTF-8; write it anew",
            path.display()
        ));
    };
    let file = File {
        path: path.into(),
        text: &text,
    };
    file.apply(layers);
}

struct File<'a> {
    path: Arc<Path>,
    text: &'a str,
}

impl File<'_> {
    fn apply(&self, layers: &mut Layers) {
        let (top, errors) = DeTable::parse_recoverable(self.text);
        // What comes after the first mistake often only follows from it.
        if let Some(error) = errors.first() {
            let place = self.place(error.span().map_or(0, |span| span.start));
            let what = error.message().lines().next().unwrap_or_default();
            return layers.mistakes.push(format!(
                "{place}: it is not TOML ({what}); write `setting = \"value\"`"
            ));
        }
        let top = top.into_inner();
        for (name, value) in in_order(&top) {
            if !matches!(value.get_ref(), DeValue::Table(_)) {
                self.set(layers, Part::All, name, value);
            }
        }
        for (name, value) in in_order(&top) {
            if let DeValue::Table(table) = value.get_ref() {
                self.section(layers, name, table);
            }
        }
    }

    /// A table of this application, or of another one, whose settings are that one's affair.
    fn section(&self, layers: &mut Layers, name: &Spanned<DeString<'_>>, table: &DeTable<'_>) {
        let app = layers.resolved.app.clone();
        let section: &str = name.get_ref();
        if section == app {
            for (key, value) in in_order(table) {
                self.set(layers, Part::Application, key, value);
            }
        } else if are_confusable(section, &app) || position(section).is_some() {
            let place = self.place(name.span().start);
            let wrong =
                format!("tables are for applications, and this one is {app}; write [{app}]");
            layers.mistake(&format!("[{section}]"), &place, wrong);
        }
    }

    fn set(
        &self,
        layers: &mut Layers,
        part: Part,
        key: &Spanned<DeString<'_>>,
        value: &Spanned<DeValue<'_>>,
    ) {
        let name: &str = key.get_ref();
        let place = self.place(key.span().start);
        let Some(index) = position(name) else {
            return layers.unknown(name, &place);
        };
        let text = match value.get_ref() {
            DeValue::String(text) => text.to_string(),
            DeValue::Boolean(value) => value.to_string(),
            DeValue::Integer(number) => number.to_string(),
            DeValue::Float(number) => number.to_string(),
            DeValue::Datetime(time) => time.to_string(),
            DeValue::Array(_) | DeValue::Table(_) => {
                return layers.mistake(name, &place, "it has several values; write one");
            }
        };
        let is_text = matches!(value.get_ref(), DeValue::String(_));
        if !is_text && CATALOGUE[index].kind.is_text() {
            let wrong = format!("{text} is no text; write it in quotes, as \"{text}\"");
            return layers.mistake(name, &place, wrong);
        }
        let line = self.line(key.span().start);
        layers.set(
            index,
            &text,
            Source::File(Arc::clone(&self.path), part, line),
        );
    }

    fn place(&self, at: usize) -> String {
        format!("{}, line {}", self.path.display(), self.line(at))
    }

    /// The line of a place in the text, counted from 1.
    fn line(&self, at: usize) -> usize {
        let before = self.text.as_bytes().iter().take(at);
        before.filter(|byte| **byte == b'\n').count() + 1
    }
}

type Entry<'a, 'i> = (&'a Spanned<DeString<'i>>, &'a Spanned<DeValue<'i>>);

/// The entries of a table as they stand in the file.
fn in_order<'a, 'i>(table: &'a DeTable<'i>) -> Vec<Entry<'a, 'i>> {
    let mut entries: Vec<_> = table.iter().collect();
    entries.sort_by_key(|(key, _)| key.span().start);
    entries
}
