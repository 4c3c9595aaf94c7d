//! Bars that lie one below the other, beginning at zero.

use anyhow::Result;
use plotters::{prelude::*, style::text_anchor::HPos};

use super::{COLOURS, GRID, HEAD, MARGIN, SMALL, TEXT, drawing, text, text_at};
use crate::numbers::short;

/// The height of a bar and of the gap between groups, in pixels.
const BAR: f64 = 26.0;
const GAP: f64 = 14.0;

/// The height of the axis and what it says.
const FOOT: u32 = 46;

/// What is drawn of one program.
#[derive(Debug)]
pub(crate) struct Group<'a> {
    pub(crate) name: &'a str,
    pub(crate) bars: Vec<Bar>,
}

/// A bar and what stands at its end.
#[derive(Debug)]
pub(crate) struct Bar {
    pub(crate) length: f64,
    pub(crate) label: String,
}

/// A drawing of groups of bars; the first bars of all groups are what `names` calls first.
pub(crate) fn bars(title: &str, x: &str, names: &[&str], groups: &[Group<'_>]) -> Result<String> {
    let all = || groups.iter().flat_map(|group| &group.bars);
    let longest = all().map(|bar| bar.length).fold(0.0, f64::max);
    let height = BAR * all().count() as f64 + GAP * (groups.len() + 1) as f64;
    drawing(title, names, HEAD + height as u32 + FOOT + MARGIN, |area| {
        let mut chart = ChartBuilder::on(area)
            .margin_right(24)
            .margin_bottom(MARGIN)
            .x_label_area_size(FOOT)
            .y_label_area_size(170)
            // Downward, in pixels; to the right there is room for the longest bar's label.
            .build_cartesian_2d(0.0..(longest * 1.25).max(f64::MIN_POSITIVE), height..0.0)?;
        chart
            .configure_mesh()
            .disable_y_mesh()
            .axis_style(TEXT)
            .bold_line_style(GRID)
            .light_line_style(TRANSPARENT)
            .x_desc(x)
            .x_labels(6)
            .axis_desc_style(text(SMALL))
            .label_style(text(SMALL))
            .x_label_formatter(&|length| short(*length))
            .y_labels(0)
            .draw()?;
        let mut top = GAP;
        for group in groups {
            let middle = top + BAR * group.bars.len() as f64 / 2.0;
            let name = Text::new(group.name.to_owned(), (-8, 0), text_at(HPos::Right));
            chart.draw_series([EmptyElement::at((0.0, middle)) + name])?;
            for (bar, colour) in group.bars.iter().zip(COLOURS) {
                let end = (bar.length, top + BAR - 2.0);
                chart.draw_series([Rectangle::new([(0.0, top), end], colour.filled())])?;
                let label = Text::new(bar.label.clone(), (6, 0), text_at(HPos::Left));
                let at = (bar.length, top + BAR / 2.0);
                chart.draw_series([EmptyElement::at(at) + label])?;
                top += BAR;
            }
            top += GAP;
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_bar_has_its_label_and_each_group_its_name() {
        let bar = |length, label: &str| Bar {
            length,
            label: label.to_owned(),
        };
        let groups = [
            Group {
                name: "ours",
                bars: vec![bar(1.5, "1.50"), bar(4.0, "4.00")],
            },
            Group {
                name: "theirs",
                bars: vec![bar(3.0, "3.00"), bar(0.0, "none")],
            },
        ];
        let svg = bars("Latency", "ms", &["p50", "p99"], &groups).unwrap();
        for text in [
            "Latency", "ms", "p50", "p99", "ours", "theirs", "1.50", "4.00", "3.00", "none",
        ] {
            assert!(
                svg.contains(&format!("\n{text}\n")),
                "{text} is missing: {svg}"
            );
        }
    }
}
