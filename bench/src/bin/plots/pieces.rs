//! What the files of data make: tables and plots, each with a name that the page knows it by.

use std::{collections::BTreeMap, fs, path::Path};

use anyhow::{Context, Result};

use crate::{curves, lines::Line, peers::Run, table};

/// How each file came about, a line for each: `NAME: machine, date, commands`.
const MACHINE: &str = "machine.txt";

/// Tables in Markdown and plots, by their names.
#[derive(Debug, Default)]
pub(crate) struct Pieces {
    pub(crate) tables: BTreeMap<String, String>,
    pub(crate) plots: BTreeMap<String, Plot>,
}

/// A plot.
#[derive(Debug)]
pub(crate) struct Plot {
    /// What it shows, in a few words.
    pub(crate) title: String,
    pub(crate) svg: String,
}

/// The pieces of all files of a directory, of which there may be none: `NAME.jsonl` are lines of
/// `bench`, `NAME.json` is of the driver that runs other systems too.
pub(crate) fn of_files(dir: &Path) -> Result<Pieces> {
    let mut pieces = Pieces::default();
    let Ok(entries) = fs::read_dir(dir) else {
        return Ok(pieces);
    };
    let machine = fs::read_to_string(dir.join(MACHINE)).unwrap_or_default();
    let paths: std::io::Result<Vec<_>> = entries.map(|entry| Ok(entry?.path())).collect();
    let mut paths = paths?;
    paths.sort();
    for path in paths {
        let part = |part: Option<&std::ffi::OsStr>| part?.to_str().map(str::to_owned);
        let (Some(name), Some(kind)) = (part(path.file_stem()), part(path.extension())) else {
            continue;
        };
        let read = || fs::read_to_string(&path);
        let add = match kind.as_str() {
            "jsonl" => pieces.add_lines(&name, &read()?, &machine),
            "json" => pieces.add_run(&name, &read()?, &machine),
            _ => Ok(()),
        };
        add.with_context(|| path.display().to_string())?;
    }
    Ok(pieces)
}

impl Pieces {
    fn add_lines(&mut self, name: &str, text: &str, machine: &str) -> Result<()> {
        let lines = Line::all(text)?;
        self.add_table(name, &table::of_cases(&lines), machine);
        for (name, plot) in curves::plots(&lines)? {
            self.plots.insert(name.to_owned(), plot);
        }
        Ok(())
    }

    fn add_run(&mut self, name: &str, text: &str, machine: &str) -> Result<()> {
        let run: Run = serde_json::from_str(text)?;
        self.add_table(name, &run.table(), machine);
        if let Some(plot) = run.plot(name)? {
            self.plots.insert(name.to_owned(), plot);
        }
        Ok(())
    }

    /// A table under the line that says how it came about.
    fn add_table(&mut self, name: &str, table: &str, machine: &str) {
        let line = machine.lines().find_map(|line| {
            let (named, line) = line.split_once(": ")?;
            (named == name).then_some(line)
        });
        let line = line.map(|line| format!("{line}\n\n")).unwrap_or_default();
        self.tables
            .insert(name.to_owned(), format!("{line}{table}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_told_apart_by_their_ends_and_captioned_from_the_machine() {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| fs::write(dir.path().join(name), text).unwrap();
        write("machine.txt", "kernel: two cores\ncurves: four cores\n");
        write("kernel.jsonl", "{\"case\":\"total\",\"events\":5}\n");
        write(
            "peers-total.json",
            r#"{"workload":"total","args":{},"facts":{"ours":[{"n":5,"seconds":1.0,"cpu_s":2.0}]}}"#,
        );
        let pieces = of_files(dir.path()).unwrap();
        let kernel = &pieces.tables["kernel"];
        assert!(
            kernel.starts_with("two cores\n\n| case | events |"),
            "{kernel}"
        );
        assert!(pieces.tables["peers-total"].contains("| ours |"));
        assert_eq!(pieces.plots.keys().collect::<Vec<_>>(), ["peers-total"]);
    }

    #[test]
    fn where_nothing_was_measured_there_is_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let pieces = of_files(&dir.path().join("data")).unwrap();
        assert!(pieces.tables.is_empty() && pieces.plots.is_empty());
    }
}
