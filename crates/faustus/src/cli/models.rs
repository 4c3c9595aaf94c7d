//! `models` and `model`: the records that topics and tables hold. They need no log.

use std::collections::BTreeMap;

use clap::Args;
use serde::Serialize;

use super::{
    described::unknown,
    output::{Kind, Output, Row},
    session::join,
};
use crate::{
    Error, Result,
    form::{Model, ModelField},
    runtime::AppDef,
};

#[derive(Args, Debug)]
pub(super) struct ModelsArgs {
    /// Print data as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Args, Debug)]
pub(super) struct ModelArgs {
    /// The record's name
    #[arg(value_name = "NAME")]
    name: String,
    /// Print data as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct ModelRow {
    model: String,
    fields: usize,
    used_by: Vec<String>,
}

impl Row for ModelRow {
    const COLUMNS: &'static [(&'static str, Kind)] = &[
        ("MODEL", Kind::Text),
        ("FIELDS", Kind::Number),
        ("USED BY", Kind::Prose),
    ];

    fn cells(&self) -> Vec<String> {
        vec![
            self.model.clone(),
            self.fields.to_string(),
            join(&self.used_by),
        ]
    }
}

impl Row for ModelField {
    const COLUMNS: &'static [(&'static str, Kind)] = &[("FIELD", Kind::Text), ("TYPE", Kind::Text)];

    fn cells(&self) -> Vec<String> {
        vec![self.name.clone(), self.kind.clone()]
    }
}

/// All records by name, with the topics and tables that hold them.
fn known(def: &AppDef) -> BTreeMap<String, (Model, Vec<String>)> {
    let mut known: BTreeMap<String, (Model, Vec<String>)> = BTreeMap::new();
    let mut add = |models: Vec<Model>, by: String| {
        for model in models {
            let name = model.name.clone();
            let (_, used_by) = known.entry(name).or_insert_with(|| (model, Vec::new()));
            if !used_by.contains(&by) {
                used_by.push(by.clone());
            }
        }
    };
    for topic in def.log_topics() {
        let form = topic.form.lock().clone();
        let models = form.map(|form| form.models()).unwrap_or_default();
        add(models, format!("topic {}", topic.name));
    }
    for table in &def.tables {
        for form in (table.forms)() {
            add(form.models(), format!("table {}", table.name));
        }
    }
    known
}

pub(super) fn models(def: &AppDef, args: &ModelsArgs) -> Result {
    let known = known(def).into_values();
    let rows: Vec<_> = known
        .map(|(model, used_by)| ModelRow {
            fields: model.fields.len(),
            model: model.name,
            used_by,
        })
        .collect();
    let none = "the values of topics and tables have no named fields";
    Output::new(args.json).rows(&rows, none)
}

pub(super) fn model(def: &AppDef, args: &ModelArgs) -> Result {
    let known = known(def);
    let Some((model, _)) = known.get(&args.name) else {
        let names = known.keys().map(String::as_str);
        return Err(Error::config(unknown(
            "model", &args.name, names, &def.name,
        )));
    };
    Output::new(args.json).rows(&model.fields, "it has no fields")
}
