//! The lines of JSON that `bench` tells: a case and the medians of its figures.

use anyhow::{Context, Result};
use serde::Deserialize;
use serde_json::{Map, Value};

/// One case.
#[derive(Debug, Deserialize)]
pub(crate) struct Line {
    pub(crate) case: String,
    #[serde(flatten)]
    figures: Map<String, Value>,
}

impl Line {
    /// All lines of a file. Fails if one is no case.
    pub(crate) fn all(text: &str) -> Result<Vec<Self>> {
        let lines = text.lines().enumerate();
        lines
            .map(|(at, line)| {
                serde_json::from_str(line).with_context(|| format!("line {}", at + 1))
            })
            .collect()
    }

    /// A figure, if the case has it.
    pub(crate) fn figure(&self, name: &str) -> Option<f64> {
        self.figures.get(name)?.as_f64()
    }

    /// The raw loops measured beside it, and how many times their CPU time an event takes.
    pub(crate) fn times_raw(&self) -> impl Iterator<Item = (&str, f64)> {
        self.figures.iter().filter_map(|(name, times)| {
            let raw = name.strip_prefix("times_")?;
            raw.starts_with("raw-").then_some((raw, times.as_f64()?))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_a_case_its_figures_and_ratios_to_raw_loops() {
        let text = r#"{"case":"total","events":3,"times_raw-decode":1.5,"times_slower":9,"rounds":5}
{"case":"raw-decode","events_per_cpu_s":0.5}"#;
        let lines = Line::all(text).unwrap();
        assert_eq!(lines[0].case, "total");
        assert_eq!(lines[0].figure("events"), Some(3.0));
        assert_eq!(
            lines[0].times_raw().collect::<Vec<_>>(),
            [("raw-decode", 1.5)]
        );
        assert_eq!(lines[1].figure("events"), None);
        assert_eq!(lines[1].figure("events_per_cpu_s"), Some(0.5));
    }

    #[test]
    fn a_line_that_is_no_case_is_named() {
        let error = Line::all("{\"case\":\"total\"}\n{\"events\":1}").unwrap_err();
        assert!(format!("{error:#}").starts_with("line 2: "), "{error:#}");
    }
}
