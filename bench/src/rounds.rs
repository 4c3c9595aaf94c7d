//! Rounds of cases, each in a process of its own, and the medians of what they tell.

use std::{
    io::Write,
    process::{Command, Stdio},
};

use anyhow::{Context, Result, bail};
use serde_json::{Map, Value, json};

use crate::{
    Arguments,
    cases::Case,
    measure::shared_clock,
    place::Grounds,
    run::{Part, Run},
};

/// What a case told in one round.
pub(crate) type Figures = Map<String, Value>;

/// Runs all rounds of `cases` and prints a line for each case.
pub(crate) fn measure(cases: &[&'static Case], arguments: &Arguments) -> Result<()> {
    let mut grounds = Grounds::default();
    let mut told: Vec<Vec<Figures>> = vec![Vec::new(); cases.len()];
    let mut failed = Vec::new();
    for round in 0..arguments.rounds {
        for (case, told) in cases.iter().zip(&mut told) {
            let figures = one(case, round, &mut grounds, arguments)
                .with_context(|| format!("{}, round {}", case.name, round + 1));
            grounds.tidy();
            match figures {
                Ok(figures) => told.push(figures),
                Err(error) => failed.push(format!("{error:#}")),
            }
        }
    }
    for (case, told) in cases.iter().zip(&told).filter(|(_, told)| !told.is_empty()) {
        let mut line = Map::new();
        line.insert("case".to_owned(), case.name.into());
        line.extend(medians(told));
        line.insert("threads".to_owned(), arguments.threads.into());
        line.insert("rounds".to_owned(), told.len().into());
        println!("{}", Value::Object(line));
        std::io::stdout().flush()?;
    }
    if failed.is_empty() {
        return Ok(());
    }
    bail!("{}", failed.join("\n"))
}

fn one(
    case: &'static Case,
    round: usize,
    grounds: &mut Grounds,
    arguments: &Arguments,
) -> Result<Figures> {
    let run = Run {
        case: case.name.to_owned(),
        part: Part::Measure,
        address: grounds.address(case.place)?,
        name: format!("{}-{round}", case.name),
        events: arguments.events.unwrap_or_else(|| case.default_events()),
        threads: arguments.threads,
        seconds: arguments.seconds,
        spawned: shared_clock()?,
    };
    if case.is_prepared_elsewhere() {
        in_process(&Run {
            part: Part::Prepare,
            ..run.clone()
        })?;
    }
    in_process(&run)
}

/// Performs a part in a new process and gives what it tells.
fn in_process(run: &Run) -> Result<Figures> {
    let run = Run {
        spawned: shared_clock()?,
        ..run.clone()
    };
    let output = Command::new(std::env::current_exe()?)
        .arg("--part")
        .arg(run.to_json()?)
        .stderr(Stdio::inherit())
        .output()?;
    if !output.status.success() {
        bail!("the process ended with {}", output.status);
    }
    serde_json::from_slice(&output.stdout).context("the process told no figures")
}

/// The median of each number.
fn medians(told: &[Figures]) -> Figures {
    let Some(first) = told.first() else {
        return Figures::new();
    };
    let median = |name: &String, value: &Value| {
        let mut numbers: Vec<f64> = told
            .iter()
            .filter_map(|figures| figures.get(name)?.as_f64())
            .collect();
        if numbers.is_empty() {
            return value.clone();
        }
        numbers.sort_by(f64::total_cmp);
        let (low, high) = (numbers[(numbers.len() - 1) / 2], numbers[numbers.len() / 2]);
        rounded(f64::midpoint(low, high))
    };
    let each = first.iter();
    each.map(|(name, value)| (name.clone(), median(name, value)))
        .collect()
}

/// A number as people read it: whole above a thousand, else with three digits after the point.
fn rounded(number: f64) -> Value {
    if number.fract() == 0.0 || number >= 1000.0 {
        #[expect(
            clippy::cast_possible_truncation,
            reason = "figures are far below 2^63"
        )]
        return json!(number.round() as i64);
    }
    json!((number * 1000.0).round() / 1000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_number_has_a_median_of_its_own() {
        let told = |a: f64, b: i64| match json!({"a": a, "b": b, "place": "memory"}) {
            Value::Object(figures) => figures,
            _ => Figures::new(),
        };
        let medians = medians(&[told(0.5, 1), told(0.25, 9), told(4.0, 7)]);
        assert_eq!(
            Value::Object(medians),
            json!({"a": 0.5, "b": 7, "place": "memory"})
        );
    }
}
