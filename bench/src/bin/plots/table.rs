//! Tables in Markdown.

use std::ops::Range;

use bench::columns::{COLUMNS, OTHERS};

use crate::{lines::Line, numbers::rounded};

/// What stands where there is no figure.
const NOTHING: &str = "–";

/// A row for each case: the columns of the table that `bench` prints, except those that no case has.
pub(crate) fn of_cases(lines: &[Line]) -> String {
    let has = |figure: &str| lines.iter().any(|line| line.figure(figure).is_some());
    let columns: Vec<_> = COLUMNS.into_iter().filter(|(_, name)| has(name)).collect();
    let has_raw = lines.iter().any(|line| line.times_raw().next().is_some());
    let mut headings = vec!["case"];
    headings.extend(columns.iter().map(|(heading, _)| heading));
    headings.extend(has_raw.then_some("CPU per event of a raw loop"));
    headings.push("other figures");
    let rows = lines.iter().map(|line| {
        let mut row = vec![format!("`{}`", line.case)];
        row.extend(columns.iter().map(|(_, name)| shown(line.figure(name))));
        if has_raw {
            let times = line.times_raw();
            let times = times.map(|(raw, times)| format!("{times:.2} × `{raw}`"));
            row.push(times.collect::<Vec<_>>().join(", "));
        }
        let others = OTHERS.iter();
        let others = others.filter_map(|name| Some((name, line.figure(name)?)));
        let others = others.map(|(name, figure)| format!("`{name}` {}", rounded(figure)));
        row.push(others.collect::<Vec<_>>().join(", "));
        row
    });
    markdown(&headings, &(1..1 + columns.len()), rows)
}

/// A figure for readers.
pub(crate) fn shown(figure: Option<f64>) -> String {
    figure.map_or_else(|| NOTHING.to_owned(), rounded)
}

/// A table whose `numbers` are the columns that stand right.
pub(crate) fn markdown(
    headings: &[&str],
    numbers: &Range<usize>,
    rows: impl Iterator<Item = Vec<String>>,
) -> String {
    let mut out = format!("| {} |\n|", headings.join(" | "));
    for column in 0..headings.len() {
        out.push_str(if numbers.contains(&column) {
            "--:|"
        } else {
            "---|"
        });
    }
    out.push('\n');
    for row in rows {
        out.push_str(&format!("| {} |\n", row.join(" | ")));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_case_is_a_row_with_its_ratio_and_other_figures() {
        let lines = Line::all(
            r#"{"case":"total","events":3000000,"events_per_cpu_s":1434567,"times_raw-decode":1.504,"start_cpu_s":0.0121}
{"case":"raw-decode","events":3000000,"events_per_cpu_s":2157589}"#,
        );
        assert_eq!(
            of_cases(&lines.unwrap()),
            "| case | events | events/CPU s | CPU per event of a raw loop | other figures |
|---|--:|--:|---|---|
| `total` | 3.00 M | 1.43 M | 1.50 × `raw-decode` | `start_cpu_s` 0.0121 |
| `raw-decode` | 3.00 M | 2.16 M |  |  |
"
        );
    }

    #[test]
    fn columns_that_no_case_has_are_left_out() {
        let lines = Line::all(r#"{"case":"idle-memory","rss_mb":8.05,"cpu_percent":0.002}"#);
        assert_eq!(
            of_cases(&lines.unwrap()),
            "| case | rss MB | other figures |
|---|--:|---|
| `idle-memory` | 8.05 | `cpu_percent` 0.00200 |
"
        );
    }
}
