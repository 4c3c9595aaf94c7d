//! The tables, in Markdown.

use std::{fmt::Write, fs};

use anyhow::Result;

use crate::cases::Case;

use super::{
    attribution::Costs,
    step::{STEPS, Step},
};

/// What an event costs.
pub(super) struct Budget {
    pub(super) case: &'static str,
    pub(super) events: u64,
    /// Instructions of each step for an event.
    pub(super) instructions: Costs,
    /// Samples of each step.
    pub(super) samples: Costs,
    /// CPU time of the process for an event when it was sampled, in nanoseconds.
    pub(super) nanoseconds: f64,
    pub(super) floors: Vec<Floor>,
}

/// What a step costs at least.
pub(super) struct Floor {
    pub(super) step: Step,
    pub(super) case: &'static str,
    /// Of the loop, for an event; what the threads of a library do in it is beside what they do in the
    /// case, all else belongs to the step.
    pub(super) instructions: Costs,
    /// Of the whole loop.
    pub(super) nanoseconds: f64,
}

/// Steps that are other threads'.
const ELSEWHERE: [Step; 4] = [
    Step::KafkaFetch,
    Step::KafkaAppend,
    Step::Client,
    Step::Database,
];

impl Floor {
    /// The least that `step` takes of this loop.
    fn of(&self, step: Step) -> f64 {
        if step == self.step {
            let elsewhere: f64 = ELSEWHERE
                .iter()
                .map(|step| self.instructions.get(*step))
                .sum();
            let all: f64 = STEPS.iter().map(|step| self.instructions.get(*step)).sum();
            all + self.instructions.unknown - elsewhere
        } else if ELSEWHERE.contains(&step) && step != Step::Database {
            // What fjall does behind a loop is of the loading before it.
            self.instructions.get(step)
        } else {
            0.0
        }
    }
}

/// Fewer instructions than that are not shown.
const LITTLE: f64 = 0.05;

const HEAD: &str = "\
| step | instr./event | share | floor | times | samples | ns/event | floor, ns | the floor's loop |
|---|---:|---:|---:|---:|---:|---:|---:|---|
";

/// What a reader must know.
const EXPLANATION: &str = "\
- **instr./event**: what callgrind counts in user space, of all threads, of a run with events less one without; **share** of
  all of them. An instruction belongs to the innermost function, inlined ones included, that is a step's; that of a
  library or of the allocator to the steps that called it, in proportion. Which code is which step's stands in
  `bench/src/budget/step.rs`.
- **floor**: the same of a bare loop that does the step alone (the case named last; `bench/README.md` says what it does), and
  how many **times** that the step takes. What is done once an epoch (encode, append, commit) is divided by the epoch's
  events.
- **samples**: the step's share of the samples of `perf record -F 999 -e cpu-clock`, the kernel's being its callers';
  **ns/event** is that share of the CPU time of runs that nobody watched. The floor's ns are CPU time of its whole loop,
  user and system. Times depend on what else the machine does, instructions do not.
- **decode** has what gives an event's memory back. **undo** has the write to a table itself, **table** finding the entry.
  In a directory one thread writes records and offsets, and all of it is **append**.";

/// The table of one case.
pub(super) fn table(budget: &Budget) -> String {
    let case = budget.case;
    let (instructions, samples) = (&budget.instructions, &budget.samples);
    let all = total(instructions);
    let sampled = total(samples);
    let mut text = format!("## {case}\n\n{}.\n\n{HEAD}", about(budget));
    let mut row =
        |name: &str, own: f64, samples: f64, least: Option<f64>, floor: Option<&Floor>| {
            let part = samples / sampled;
            let cells = [
                name.to_owned(),
                number(own),
                percent(own / all),
                least.map_or_else(none, number),
                least.map_or_else(none, |least| times(own, least)),
                percent(part),
                number(part * budget.nanoseconds),
                floor.map_or_else(none, |floor| number(floor.nanoseconds)),
                floor.map_or_else(none, |floor| format!("`{}`", floor.case)),
            ];
            let _ = writeln!(text, "| {} |", cells.join(" | "));
        };
    let mut above = Vec::new();
    let mut all_least = 0.0;
    for step in STEPS.into_iter().filter(|step| *step != Step::Measuring) {
        let (own, samples) = (instructions.get(step), samples.get(step));
        let floor = budget.floors.iter().find(|floor| floor.step == step);
        let least: f64 = budget.floors.iter().map(|floor| floor.of(step)).sum();
        let least = (floor.is_some() || least >= LITTLE).then_some(least);
        if own.abs() >= LITTLE || samples > 0.0 || least.is_some() {
            row(step.name(), own, samples, least, floor);
        }
        all_least += least.unwrap_or_default();
        above.push((step, own - least.unwrap_or_default()));
    }
    let (unknown, unknown_samples) = (instructions.unknown, samples.unknown);
    row("not attributed", unknown, unknown_samples, None, None);
    row("**all**", all, sampled, Some(all_least), None);
    above.sort_by(|(_, a), (_, b)| b.total_cmp(a));
    let furthest = above.iter().take(3);
    let furthest: Vec<_> = furthest
        .map(|(step, by)| format!("{} by {}", step.name(), number(*by)))
        .collect();
    let _ = writeln!(
        text,
        "\nFurthest above their floors, in instructions: {}.\n{sampled:.0} samples. What measures, {} \
         instructions an event, is in no figure.\n",
        furthest.join(", "),
        number(instructions.get(Step::Measuring)),
    );
    text
}

/// What stands above all tables: how they came about.
pub(super) fn head(
    callgrind: &str,
    perf: &str,
    cases: &[&'static Case],
    events: Option<u64>,
) -> Result<String> {
    let cpus = fs::read_to_string("/proc/cpuinfo")?;
    let models: Vec<_> = cpus
        .lines()
        .filter_map(|line| line.strip_prefix("model name")?.split_once(": "))
        .collect();
    let model = models.first().map_or("unknown", |(_, model)| *model);
    let load = fs::read_to_string("/proc/loadavg")?;
    let load = load.split(' ').next().unwrap_or_default();
    let names: Vec<_> = cases.iter().map(|case| case.name).collect();
    Ok(format!(
        "\
# What each step costs

```sh
cargo run --release --manifest-path bench/Cargo.toml -- --budget {names}{events}
```

On {count} × {model}, {os}, {callgrind}, {perf}; load of the machine before: {load}.

{EXPLANATION}

",
        names = names.join(" "),
        events = events.map_or_else(String::new, |events| format!(" --events {events}")),
        count = models.len(),
        os = std::env::consts::OS,
    ))
}

fn about(budget: &Budget) -> String {
    format!(
        "{} events are one epoch; {:.0} ns of CPU time an event, kernel included",
        budget.events, budget.nanoseconds
    )
}

/// The costs of all but measuring.
pub(super) fn total(costs: &Costs) -> f64 {
    let steps = STEPS.into_iter().filter(|step| *step != Step::Measuring);
    steps.map(|step| costs.get(step)).sum::<f64>() + costs.unknown
}

fn none() -> String {
    "–".to_owned()
}

fn percent(part: f64) -> String {
    // Adding makes no minus of what is nearly nothing.
    format!("{:.1} %", (1000.0 * part).round() / 10.0 + 0.0)
}

fn times(own: f64, floor: f64) -> String {
    if floor < 0.005 {
        return none();
    }
    format!("{:.1}", own / floor)
}

/// With three digits at least.
fn number(number: f64) -> String {
    match number.abs() {
        large if large >= 100.0 => format!("{number:.0}"),
        large if large >= 1.0 => format!("{number:.1}"),
        _ => format!("{number:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_has_its_share_and_stands_beside_its_floor() {
        let mut instructions = Costs::default();
        instructions.charge(Some(Step::Decode), 150.0);
        instructions.charge(Some(Step::Table), 40.0);
        instructions.charge(Some(Step::Measuring), 1000.0);
        instructions.charge(None, 10.0);
        let mut least = Costs::default();
        least.charge(Some(Step::Measuring), 90.0);
        least.charge(None, 10.0);
        let mut samples = Costs::default();
        samples.charge(Some(Step::Decode), 3.0);
        samples.charge(Some(Step::Table), 1.0);
        let text = table(&Budget {
            case: "directory-total",
            events: 7,
            instructions,
            samples,
            nanoseconds: 200.0,
            floors: vec![Floor {
                step: Step::Decode,
                case: "raw-json",
                instructions: least,
                nanoseconds: 120.0,
            }],
        });
        let row = "| decode | 150 | 75.0 % | 100 | 1.5 | 75.0 % | 150 | 120 | `raw-json` |";
        assert!(text.contains(row), "{text}");
        assert!(text.contains("| not attributed | 10.0 | 5.0 % |"), "{text}");
        assert!(
            text.contains("instructions: decode by 50.0, table by 40.0"),
            "{text}"
        );
        assert!(
            text.contains("| **all** | 200 | 100.0 % | 100 | 2.0 |"),
            "{text}"
        );
    }
}
