//! The book's chapter on figures lists all that exporters show.

use super::{
    Monitor,
    families::{Family, Unit, Values},
};

const CHAPTER: &str = include_str!("../../../../docs/book/sensors.md");

fn row(family: &Family) -> String {
    let unit = match family.unit {
        Unit::Named => "",
        Unit::Bytes => "_bytes",
        Unit::Seconds => "_seconds",
    };
    let name = family.name;
    let (kind, ending, observed) = match family.values {
        Values::Counters(_) => ("counter", "_total", format!("`faustus.{name}`")),
        Values::Gauges(_) => ("gauge", "", format!("`faustus.{name}`")),
        // A meter is given these one by one.
        Values::Histogram(_) => ("histogram", "", String::new()),
    };
    let text = name.replace('.', "_");
    format!(
        "| `faustus_{text}{unit}{ending}` | {observed} | {kind} | {} |\n",
        family.help
    )
}

#[test]
fn the_book_lists_all_names_of_figures() {
    let mut table = "| Prometheus | OpenTelemetry | kind | |\n|---|---|---|---|\n".to_owned();
    table.extend(Monitor::default().families().iter().map(row));
    let (_, rest) = CHAPTER.split_once("<!-- names -->").unwrap();
    let (written, _) = rest.split_once("<!-- end of names -->").unwrap();
    assert!(
        written.trim() == table.trim(),
        "between the marks in docs/book/sensors.md belongs:\n\n{table}"
    );
}
