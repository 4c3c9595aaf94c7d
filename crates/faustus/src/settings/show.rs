//! Settings for people and for programs to read: as a table and as JSON.

use comfy_table::{ContentArrangement, presets::NOTHING};
use serde::Serialize;
use serde_json::Value;

use super::{
    Settings,
    catalogue::{CATALOGUE, Kind, Setting},
    layers::Resolved,
};

/// A setting as it is shown. Secrets in it are hidden.
#[derive(Debug, Serialize)]
struct Shown {
    name: &'static str,
    /// With its unit if it has one; null if there is none, and then `default` says what holds.
    value: Value,
    #[serde(rename = "type")]
    kind: &'static str,
    default: String,
    /// The layer that it is from.
    source: &'static str,
    /// Where in that layer.
    place: String,
    help: &'static str,
}

impl Resolved {
    fn shown(&self) -> impl Iterator<Item = Shown> {
        let mut settings = self.settings.clone();
        settings.log = Some(self.log());
        CATALOGUE
            .iter()
            .zip(&self.sources)
            .map(move |(setting, source)| Shown {
                name: setting.name,
                value: value(setting, &settings),
                kind: setting.kind.name(),
                default: setting.default().replace("<app>", &self.app),
                source: source.layer(),
                place: source.place(setting),
                help: setting.help,
            })
    }

    /// All settings as a table, of so many columns at most if that matters.
    pub(crate) fn to_table(&self, width: Option<u16>) -> String {
        let mut table = comfy_table::Table::new();
        table.load_preset(NOTHING);
        match width {
            Some(width) => table
                .set_content_arrangement(ContentArrangement::Dynamic)
                .set_width(width),
            None => table.set_content_arrangement(ContentArrangement::Disabled),
        };
        table.set_header(["SETTING", "VALUE", "TYPE", "DEFAULT", "FROM"]);
        for shown in self.shown() {
            let value = match shown.value {
                Value::Null => "-".to_owned(),
                Value::String(text) => text,
                other => other.to_string(),
            };
            table.add_row([shown.name, &value, shown.kind, &shown.default, &shown.place]);
        }
        let last = table.column_count().saturating_sub(1);
        for (index, column) in table.column_iter_mut().enumerate() {
            column.set_padding((0, if index == last { 0 } else { 2 }));
        }
        let table = table.to_string();
        let lines: Vec<_> = table.lines().map(str::trim_end).collect();
        lines.join("\n")
    }

    /// All settings as JSON, an object on a line each: `{"name": …, "value": …, …}`.
    pub(crate) fn to_json(&self) -> String {
        let lines = self.shown().map(|shown| serde_json::to_string(&shown));
        let lines: Vec<_> = lines.map(Result::unwrap_or_default).collect();
        lines.join("\n")
    }
}

fn value(setting: &Setting, settings: &Settings) -> Value {
    let Some(text) = setting.shown(settings) else {
        return Value::Null;
    };
    match setting.kind {
        Kind::Count | Kind::Flag => text.parse().unwrap_or(Value::String(text)),
        _ => Value::String(text),
    }
}
