//! The curves: what an event costs against how much there is of something.

use anyhow::Result;

use crate::{
    lines::Line,
    pieces::Plot,
    svg::{self, Series},
};

/// A kind of cases whose names end with how much of something they have.
struct Curve {
    /// Its name on the page.
    name: &'static str,
    /// The cases are called this, a hyphen and a number.
    cases: &'static str,
    title: &'static str,
    /// What grows, with its unit.
    x: &'static str,
    y: Measure,
}

/// What is drawn upward.
#[derive(Clone, Copy)]
enum Measure {
    EventsPerCpuSecond,
    /// Of cases whose numbers are the bytes of a value.
    MegabytesPerCpuSecond,
}

const CURVES: [Curve; 5] = [
    Curve {
        name: "sizes",
        cases: "sizes",
        title: "Events that an agent decodes from JSON, by the size of their values",
        x: "bytes of a value",
        y: Measure::EventsPerCpuSecond,
    },
    Curve {
        name: "sizes-mb",
        cases: "sizes",
        title: "Megabytes that an agent decodes from JSON, by the size of values",
        x: "bytes of a value",
        y: Measure::MegabytesPerCpuSecond,
    },
    Curve {
        name: "keys",
        cases: "keys",
        title: "Totals in a table with its changelog, by the number of keys",
        x: "keys",
        y: Measure::EventsPerCpuSecond,
    },
    Curve {
        name: "agents",
        cases: "agents",
        title: "The same events over more agents, each with a topic of its own",
        x: "agents",
        y: Measure::EventsPerCpuSecond,
    },
    Curve {
        name: "partitions",
        cases: "partitions",
        title: "Totals in a table with its changelog, by the number of partitions",
        x: "partitions",
        y: Measure::EventsPerCpuSecond,
    },
];

impl Measure {
    fn label(self) -> &'static str {
        match self {
            Self::EventsPerCpuSecond => "events per CPU second",
            Self::MegabytesPerCpuSecond => "MB of values per CPU second",
        }
    }

    fn of(self, line: &Line, amount: f64) -> Option<f64> {
        let events = line.figure("events_per_cpu_s")?;
        Some(match self {
            Self::EventsPerCpuSecond => events,
            Self::MegabytesPerCpuSecond => events * amount / 1e6,
        })
    }
}

impl Curve {
    /// The points of Faustus, and of the raw loops measured beside; both by what grows.
    fn series(&self, lines: &[Line]) -> [Series; 2] {
        let mut faustus = Vec::new();
        let mut raw = Vec::new();
        for line in lines {
            let Some(amount) = self.amount(&line.case) else {
                continue;
            };
            let add = |to: &mut Vec<(f64, f64)>, line| {
                to.extend(self.y.of(line, amount).map(|y| (amount, y)));
            };
            add(&mut faustus, line);
            for (name, _) in line.times_raw() {
                let beside = lines.iter().find(|line| line.case == name);
                beside.into_iter().for_each(|line| add(&mut raw, line));
            }
        }
        let series = |name, mut points: Vec<(f64, f64)>| {
            points.sort_by(|(one, _), (other, _)| one.total_cmp(other));
            Series { name, points }
        };
        [series("Faustus", faustus), series("raw loop", raw)]
    }

    /// How much of what grows a case has; none if it is another kind of case.
    fn amount(&self, case: &str) -> Option<f64> {
        let amount = case.strip_prefix(self.cases)?.strip_prefix('-')?;
        let (digits, unit) = match amount.strip_suffix(['k', 'm']) {
            Some(digits) if amount.ends_with('k') => (digits, 1e3),
            Some(digits) => (digits, 1e6),
            None => (amount, 1.0),
        };
        Some(digits.parse::<f64>().ok()? * unit)
    }
}

/// The plots of all curves that these cases have points of, each with its name.
pub(crate) fn plots(lines: &[Line]) -> Result<Vec<(&'static str, Plot)>> {
    let mut plots = Vec::new();
    for curve in &CURVES {
        let [faustus, raw] = curve.series(lines);
        if faustus.points.is_empty() {
            continue;
        }
        let y = curve.y.label();
        let title = curve.title.to_owned();
        let svg = svg::lines(&title, curve.x, y, &[faustus, raw])?;
        plots.push((curve.name, Plot { title, svg }));
    }
    Ok(plots)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINES: &str = r#"{"case":"sizes-1k","events_per_cpu_s":500,"times_raw-sizes-1k":2}
{"case":"sizes-50","events_per_cpu_s":800,"times_raw-sizes-50":1.5}
{"case":"raw-sizes-1k","events_per_cpu_s":1000}
{"case":"raw-sizes-50","events_per_cpu_s":1200}
{"case":"agents-1","events_per_cpu_s":300,"times_raw-json":2}
{"case":"agents-4","events_per_cpu_s":290,"times_raw-json":2}
{"case":"raw-json","events_per_cpu_s":600}"#;

    fn points(curve: usize) -> [Vec<(f64, f64)>; 2] {
        let lines = Line::all(LINES).unwrap();
        CURVES[curve].series(&lines).map(|series| series.points)
    }

    #[test]
    fn the_number_in_a_name_is_how_much_there_is() {
        let amount = |name: &str| CURVES[2].amount(name);
        assert_eq!(amount("keys-10k"), Some(10_000.0));
        assert_eq!(amount("keys-10m"), Some(10_000_000.0));
        assert_eq!(amount("keys-7"), Some(7.0));
        assert_eq!(amount("keys-many"), None);
        assert_eq!(amount("raw-keys-10k"), None);
        assert_eq!(amount("sizes-50"), None);
    }

    #[test]
    fn points_stand_in_the_order_of_what_grows_beside_those_of_their_raw_loop() {
        let [faustus, raw] = points(0);
        assert_eq!(faustus, [(50.0, 800.0), (1000.0, 500.0)]);
        assert_eq!(raw, [(50.0, 1200.0), (1000.0, 1000.0)]);
        let [faustus, _] = points(1);
        assert_eq!(faustus, [(50.0, 0.04), (1000.0, 0.5)]);
    }

    #[test]
    fn a_raw_loop_that_does_not_grow_stands_beside_each_point() {
        let [_, raw] = points(3);
        assert_eq!(raw, [(1.0, 600.0), (4.0, 600.0)]);
    }

    #[test]
    fn curves_without_a_point_are_not_drawn() {
        let plots = plots(&Line::all(LINES).unwrap()).unwrap();
        let names: Vec<_> = plots.iter().map(|(name, _)| *name).collect();
        assert_eq!(names, ["sizes", "sizes-mb", "agents"]);
    }
}
