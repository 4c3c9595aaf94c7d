//! Comparing what is counted with the baseline.

use std::fmt::Write as _;

use crate::{callgrind::Counts, paths::Path};

/// By which part the instructions per event of a path may differ from the baseline. From run to run they
/// differ by less than half of it; the rest is for other versions of what is not ours.
const INSTRUCTIONS: f64 = 0.02;

/// By how many allocations per event a path may differ from the baseline. One for each 50 events is
/// more than batches cause.
const ALLOCATIONS: f64 = 0.02;

/// What became of a path.
pub(crate) struct Comparison {
    pub(crate) path: &'static Path,
    /// The baseline; `None` if it does not have the path.
    pub(crate) before: Option<Counts>,
    pub(crate) now: Counts,
}

/// What to think of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Same,
    Better,
    Slower,
    MoreAllocations,
    /// The baseline does not have it.
    New,
}

impl Verdict {
    /// Whether a person must look at it.
    pub(crate) fn fails(self) -> bool {
        match self {
            Self::Same | Self::Better => false,
            Self::Slower | Self::MoreAllocations | Self::New => true,
        }
    }

    fn about(self) -> &'static str {
        match self {
            Self::Same => "",
            Self::Better => "better",
            Self::Slower => "SLOWER",
            Self::MoreAllocations => "MORE ALLOCATIONS",
            Self::New => "NOT IN THE BASELINE",
        }
    }
}

impl Comparison {
    pub(crate) fn verdict(&self) -> Verdict {
        let Some(before) = self.before else {
            return Verdict::New;
        };
        let instructions = growth(before, self.now);
        let allocations = self.now.allocations - before.allocations;
        if allocations > ALLOCATIONS {
            Verdict::MoreAllocations
        } else if instructions > INSTRUCTIONS {
            Verdict::Slower
        } else if allocations < -ALLOCATIONS || instructions < -INSTRUCTIONS {
            Verdict::Better
        } else {
            Verdict::Same
        }
    }
}

/// By which part the instructions grew.
fn growth(before: Counts, now: Counts) -> f64 {
    now.instructions / before.instructions - 1.0
}

/// A line for each path, for people.
pub(crate) fn table(comparisons: &[Comparison]) -> String {
    let mut text = String::new();
    let mut line = |cells: [String; 8]| {
        let [path, cells @ .., verdict] = cells;
        let _ = write!(text, "{path:<12}");
        for cell in cells {
            let _ = write!(text, "{cell:>13}");
        }
        let _ = writeln!(text, "  {verdict}");
    };
    let headings = [
        "path",
        "instr./event",
        "now",
        "change",
        "allocs/event",
        "now",
        "change",
        "",
    ];
    line(headings.map(str::to_owned));
    for comparison in comparisons {
        let Comparison { path, before, now } = comparison;
        let told = |told: Option<String>| told.unwrap_or_else(|| "-".to_owned());
        line([
            path.name.to_owned(),
            told(before.map(|before| format!("{:.1}", before.instructions))),
            format!("{:.1}", now.instructions),
            told(before.map(|before| format!("{:+.1} %", 100.0 * growth(before, *now)))),
            told(before.map(|before| format!("{:.3}", before.allocations))),
            format!("{:.3}", now.allocations),
            told(before.map(|before| format!("{:+.3}", now.allocations - before.allocations))),
            comparison.verdict().about().to_owned(),
        ]);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::paths::PATHS;

    fn comparison(before: Option<(f64, f64)>, now: (f64, f64)) -> Comparison {
        let counts = |(instructions, allocations)| Counts {
            instructions,
            allocations,
        };
        Comparison {
            path: &PATHS[0],
            before: before.map(counts),
            now: counts(now),
        }
    }

    fn verdict(before: Option<(f64, f64)>, now: (f64, f64)) -> Verdict {
        comparison(before, now).verdict()
    }

    #[test]
    fn only_what_is_beyond_the_tolerance_is_told() {
        let before = Some((1000.0, 1.0));
        assert_eq!(verdict(before, (1019.0, 1.019)), Verdict::Same);
        assert_eq!(verdict(before, (981.0, 0.981)), Verdict::Same);
        assert_eq!(verdict(before, (1021.0, 1.0)), Verdict::Slower);
        assert_eq!(verdict(before, (900.0, 1.03)), Verdict::MoreAllocations);
        assert_eq!(verdict(before, (900.0, 1.0)), Verdict::Better);
        assert_eq!(verdict(before, (1000.0, 0.9)), Verdict::Better);
        assert_eq!(verdict(None, (1.0, 1.0)), Verdict::New);
    }

    #[test]
    fn the_table_tells_both_figures_and_their_changes() {
        let table = table(&[comparison(Some((1000.0, 1.0)), (1100.0, 1.5))]);
        let cells: Vec<_> = table.lines().nth(1).unwrap().split_whitespace().collect();
        let name = PATHS[0].name;
        let told = [
            name, "1000.0", "1100.0", "+10.0", "%", "1.000", "1.500", "+0.500",
        ];
        assert_eq!(cells[..8], told);
    }
}
