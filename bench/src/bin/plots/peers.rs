//! A file of the driver that runs programs for several systems in turn: one workload, and what each
//! program told of each round.

use anyhow::Result;
use bench::median::median;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::{
    numbers::rounded,
    pieces::Plot,
    svg::{self, Bar, Group},
    table,
};

/// One call of the driver. The first program is the one that the others are compared with.
#[derive(Debug, Deserialize)]
pub(crate) struct Run {
    workload: String,
    facts: Map<String, Value>,
}

/// What a program told of a round, and what the driver saw of it.
type Fact = Map<String, Value>;

/// A column of the table: heading and figure.
type Column = (&'static str, fn(&Fact) -> Option<f64>);

/// The columns of what is done as fast as it goes.
const THROUGHPUT: &[Column] = &[
    ("events/s", |fact| events_per(fact, "seconds")),
    ("events/CPU s", |fact| events_per(fact, "cpu_s")),
    ("events/CPU s, start included", |fact| {
        events_per(fact, "process_cpu_s")
    }),
    ("first event s", |fact| figure(fact, "first_s")),
    ("peak MB", |fact| figure(fact, "rss_mb")),
];

const RECOVER: &[Column] = &[
    ("restore s", |fact| figure(fact, "restore_s")),
    ("keys/CPU s", |fact| events_per(fact, "restore_cpu_s")),
    ("first event s", |fact| figure(fact, "first_s")),
    ("peak MB", |fact| figure(fact, "rss_mb")),
];

const LATENCY: &[Column] = &[
    ("p50 ms", |fact| figure(fact, "p50_ms")),
    ("p99 ms", |fact| figure(fact, "p99_ms")),
    ("p99.9 ms", |fact| figure(fact, "p999_ms")),
    ("CPU s, start included", |fact| {
        figure(fact, "process_cpu_s")
    }),
    ("peak MB", |fact| figure(fact, "rss_mb")),
];

impl Run {
    /// A row for each program: medians, and their ratios to the first program's.
    pub(crate) fn table(&self) -> String {
        let columns = self.columns();
        let mut headings = vec!["program"];
        headings.extend(columns.iter().map(|(heading, _)| heading));
        headings.push("results");
        let base: Vec<_> = columns.iter().map(|column| self.base(column)).collect();
        let rows = self.facts().map(|(name, facts)| {
            let mut row = vec![name.to_owned()];
            for (column, base) in columns.iter().zip(&base) {
                let figure = median_of(&facts, column);
                row.push(table::shown(figure) + &ratio(figure, *base));
            }
            row.push(results(&facts));
            row
        });
        table::markdown(&headings, &(1..1 + columns.len()), rows)
    }

    /// Bars of what the workload is about; none if no program came to an end.
    pub(crate) fn plot(&self, name: &str) -> Result<Option<Plot>> {
        let (about, shown): (_, &[usize]) = match self.workload.as_str() {
            "pass" => ("Decode, add a field, encode, send on", &[1]),
            "total" => ("Totals by key in a table with its changelog", &[1]),
            "rekey" => ("Group by a new key, then totals in a table", &[1]),
            "shuffle" => ("Match against 1,000 rules, send to each rule's state", &[1]),
            "recover" => ("Start, and restore the table from its changelog", &[1]),
            "latency" => ("From an event to the arrival of its result", &[0, 1]),
            other => (other, &[1]),
        };
        let columns: Vec<_> = shown.iter().map(|at| self.columns()[*at]).collect();
        let groups = self.facts().map(|(name, facts)| {
            let bars = columns.iter().filter_map(|column| {
                let length = median_of(&facts, column)?;
                let label = rounded(length) + &ratio(Some(length), self.base(column));
                Some(Bar { length, label })
            });
            let bars = bars.collect();
            Group { name, bars }
        });
        let groups: Vec<_> = groups.filter(|group| !group.bars.is_empty()).collect();
        if groups.is_empty() {
            return Ok(None);
        }
        let guarantee = if name.ends_with("-eos") {
            ", exactly once"
        } else {
            ""
        };
        let keys = if name.contains("-1m") {
            ", a million keys"
        } else {
            ""
        };
        let title = format!("{about}{keys}{guarantee}");
        let (x, names): (_, Vec<_>) = match self.workload.as_str() {
            "latency" => ("ms", vec!["p50", "p99"]),
            "recover" => ("keys restored per CPU second, start included", vec![]),
            _ => ("events per CPU second, start-up left out", vec![]),
        };
        let first = self.facts.keys().next().map_or("", String::as_str);
        let x = format!("{x}; in brackets: ratio to {first}");
        let svg = svg::bars(&title, &x, &names, &groups)?;
        Ok(Some(Plot { title, svg }))
    }

    fn columns(&self) -> &'static [Column] {
        match self.workload.as_str() {
            "recover" => RECOVER,
            "latency" => LATENCY,
            _ => THROUGHPUT,
        }
    }

    /// The programs and their rounds.
    fn facts(&self) -> impl Iterator<Item = (&str, Vec<&Fact>)> {
        self.facts.iter().map(|(name, facts)| {
            let facts = facts.as_array().into_iter().flatten();
            (name.as_str(), facts.filter_map(Value::as_object).collect())
        })
    }

    /// The first program's median.
    fn base(&self, column: &Column) -> Option<f64> {
        let (_, facts) = self.facts().next()?;
        median_of(&facts, column)
    }
}

/// The median of the rounds that did not fail.
fn median_of(facts: &[&Fact], (_, of): &Column) -> Option<f64> {
    let facts = facts.iter().filter(|fact| !failed(fact));
    median(facts.filter_map(|fact| of(fact)).collect())
}

/// What the driver found when it checked the results, each finding once.
fn results(facts: &[&Fact]) -> String {
    let mut found: Vec<&str> = Vec::new();
    for fact in facts {
        let check = fact.get("check").and_then(Value::as_str);
        let one = if failed(fact) {
            "failed"
        } else {
            check.unwrap_or("not checked")
        };
        if !found.contains(&one) {
            found.push(one);
        }
    }
    found.join("; ")
}

fn failed(fact: &Fact) -> bool {
    fact.get("failed").and_then(Value::as_bool) == Some(true)
}

fn figure(fact: &Fact, name: &str) -> Option<f64> {
    fact.get(name)?.as_f64()
}

fn events_per(fact: &Fact, seconds: &str) -> Option<f64> {
    let seconds = figure(fact, seconds).filter(|seconds| *seconds > 0.0)?;
    Some(figure(fact, "n")? / seconds)
}

/// How many times a figure is the first program's, in brackets.
fn ratio(figure: Option<f64>, base: Option<f64>) -> String {
    let (Some(figure), Some(base)) = (figure, base) else {
        return String::new();
    };
    if base > 0.0 {
        format!(" ({:.2}×)", figure / base)
    } else {
        String::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn total() -> Run {
        serde_json::from_str(
            r#"{"workload": "total", "args": {"events": "600"}, "facts": {
                "streams": [
                    {"events": 600, "seconds": 2.0, "cpu_s": 3.0, "rss_mb": 500, "check": "ok", "n": 600},
                    {"events": 600, "seconds": 2.0, "cpu_s": 2.0, "rss_mb": 400, "check": "ok", "n": 600},
                    {"failed": true, "cpu_s": 9.0, "n": 600}],
                "ours": [{"events": 600, "seconds": 1.0, "cpu_s": 1.0, "rss_mb": 90, "check": "ok", "n": 600}],
                "broken": [{"failed": true, "n": 600}]}}"#,
        )
        .unwrap()
    }

    #[test]
    fn a_program_has_the_medians_of_its_good_rounds_and_ratios_to_the_first() {
        assert_eq!(
            total().table(),
            "| program | events/s | events/CPU s | events/CPU s, start included | first event s | peak MB | results |
|---|--:|--:|--:|--:|--:|---|
| streams | 300 (1.00×) | 250 (1.00×) | – | – | 450 (1.00×) | ok; failed |
| ours | 600 (2.00×) | 600 (2.40×) | – | – | 90.0 (0.20×) | ok |
| broken | – | – | – | – | – | failed |
"
        );
    }

    #[test]
    fn a_program_that_never_came_to_an_end_has_no_bar() {
        let plot = total().plot("peers-total-eos").unwrap().unwrap();
        assert!(plot.title.ends_with(", exactly once"), "{}", plot.title);
        assert!(plot.svg.contains("600 (2.40×)"), "{}", plot.svg);
        assert!(plot.svg.contains("ratio to streams"), "{}", plot.svg);
        assert!(!plot.svg.contains("broken"), "{}", plot.svg);
    }

    #[test]
    fn latency_has_two_bars_for_each_program() {
        let run: Run = serde_json::from_str(
            r#"{"workload": "latency", "facts": {"ours": [{"p50_ms": 1.5, "p99_ms": 4.0, "n": 9}]}}"#,
        )
        .unwrap();
        let plot = run.plot("peers-latency").unwrap().unwrap();
        assert!(plot.svg.contains("1.50 (1.00×)") && plot.svg.contains("4.00 (1.00×)"));
        assert!(plot.svg.contains("p99"));
    }
}
