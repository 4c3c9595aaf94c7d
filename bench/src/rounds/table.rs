//! The table of all cases of a call, for people.

use std::fmt::Write;

use bench::columns::{COLUMNS, OTHERS};
use serde_json::Value;

use super::{Measured, times_raw};

/// One row for each case: medians, and how many times the CPU time per event of its raw loop it takes.
pub(super) fn table(measured: &[Measured]) -> String {
    let name = |each: &Measured| each.case.name.len();
    let width = measured.iter().map(name).max().unwrap_or_default().max(4);
    let mut out = format!("{:<width$}", "case");
    for (heading, _) in COLUMNS {
        let _ = write!(out, "{heading:>14}");
    }
    out.push_str("  CPU per event of a raw loop; other figures\n");
    for each in measured {
        let _ = write!(out, "{:<width$}", each.case.name);
        for (_, figure) in COLUMNS {
            match each.medians.get(figure).map(shown) {
                Some(figure) => _ = write!(out, "{figure:>14}"),
                None => _ = write!(out, "{:>14}", "-"),
            }
        }
        for (raw, times) in times_raw(each, measured) {
            let _ = write!(out, "  {times:.2} × {raw}");
        }
        for name in OTHERS {
            if let Some(figure) = each.medians.get(name) {
                let _ = write!(out, "  {name} {}", shown(figure));
            }
        }
        out.push('\n');
    }
    out
}

/// A number, with spaces between thousands.
fn shown(figure: &Value) -> String {
    let text = figure.to_string();
    let (whole, fraction) = text.split_at(text.find('.').unwrap_or(text.len()));
    let mut out = String::new();
    for (index, digit) in whole.char_indices() {
        if index > 0 && (whole.len() - index) % 3 == 0 {
            out.push(' ');
        }
        out.push(digit);
    }
    out + fraction
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        cases,
        figures::{Taken, figures},
    };

    #[test]
    fn numbers_are_shown_in_groups_of_three() {
        let shown = |number: f64| shown(&super::super::rounded(number));
        assert_eq!(shown(1_234_567.0), "1 234 567");
        assert_eq!(shown(123.0), "123");
        assert_eq!(shown(0.25), "0.25");
    }

    #[test]
    fn a_row_has_the_ratio_to_its_raw_loop_if_that_was_measured() {
        let taken = |cpu_seconds| Taken {
            seconds: 1.0,
            cpu_seconds,
            peak_rss_mb: 10.0,
        };
        let measured = |name, medians| Measured {
            case: cases::find(name)[0],
            medians,
        };
        let table = table(&[
            measured("total", taken(3.0).rates(10)),
            measured("raw-decode", taken(2.0).rates(10)),
            measured("reply", taken(1.0).rates(10)),
            measured(
                "start-memory",
                figures([("events", 1.0), ("start_ms", 2.0)]),
            ),
        ]);
        assert!(table.contains("1.50 × raw-decode"), "{table}");
        assert!(table.contains("0.50 × raw-decode"), "{table}");
        assert!(table.contains("start_ms 2"), "{table}");
        assert_eq!(table.lines().count(), 5, "{table}");
    }
}
