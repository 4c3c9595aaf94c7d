//! What is told of runs: a line per round, a table at the end.

use std::{
    fmt::Write as _,
    io::{self, Write as _},
    path::PathBuf,
    time::Duration,
};

use crate::plan::Plan;

/// How a run went.
#[derive(Clone, Debug)]
pub(crate) struct Report {
    pub(crate) plan: Plan,
    /// How many rounds were done.
    pub(crate) rounds: u32,
    pub(crate) inputs: usize,
    pub(crate) lost: usize,
    pub(crate) doubled: usize,
    /// From each fault until everything moved on.
    pub(crate) takeovers: Vec<Duration>,
    /// What was wrong, in words.
    pub(crate) mistakes: Vec<String>,
    /// The directory with the workers' logs, if it was kept.
    pub(crate) kept: Option<PathBuf>,
}

impl Report {
    pub(crate) fn new(plan: Plan) -> Self {
        Self {
            plan,
            rounds: 0,
            inputs: 0,
            lost: 0,
            doubled: 0,
            takeovers: Vec::new(),
            mistakes: Vec::new(),
            kept: None,
        }
    }

    pub(crate) fn is_well(&self) -> bool {
        self.mistakes.is_empty()
    }
}

/// The table of all runs in markdown.
pub(crate) fn table(reports: &[Report]) -> String {
    let mut text = String::from(
        "| log | fault | guarantee | rounds | inputs | lost | doubled | takeover median / max | verdict |\n\
         |---|---|---|--:|--:|--:|--:|--:|---|\n",
    );
    for report in reports {
        let plan = &report.plan;
        let mut takeovers = report.takeovers.clone();
        takeovers.sort();
        let shown = |takeover: Option<&Duration>| {
            let told = takeover.map(|takeover| format!("{:.1} s", takeover.as_secs_f64()));
            told.unwrap_or_else(|| "–".to_owned())
        };
        let verdict = match report.mistakes.len() {
            0 => "ok".to_owned(),
            count => format!("**{count} mistakes**"),
        };
        // A write to a String does not fail.
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {} | {} | {} | {} / {} | {verdict} |",
            plan.log,
            plan.fault,
            plan.promise,
            report.rounds,
            report.inputs,
            report.lost,
            report.doubled,
            shown(takeovers.get(takeovers.len() / 2)),
            shown(takeovers.last()),
        );
    }
    text
}

/// Says something to people on standard error.
pub(crate) fn say(text: &str) {
    // There is nowhere left to report that standard error is closed.
    let _ = writeln!(io::stderr(), "{text}");
}

/// Prints a result on standard output.
pub(crate) fn print(text: &str) -> io::Result<()> {
    let mut out = io::stdout();
    out.write_all(text.as_bytes())?;
    out.flush()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::{Fault, LogKind, Promise};

    #[test]
    fn the_table_has_a_line_for_each_run() {
        let plan = Plan::example(LogKind::Kafka, Fault::Kill, Promise::ExactlyOnce);
        let mut report = Report::new(plan);
        report.rounds = 3;
        report.takeovers = [4, 1, 3].map(Duration::from_secs).to_vec();
        report.mistakes.push("lost: input 7".to_owned());
        let table = table(&[report]);
        assert!(table.ends_with(
            "| kafka | kill | exactly-once | 3 | 0 | 0 | 0 | 3.0 s / 4.0 s | **1 mistakes** |\n"
        ));
    }
}
