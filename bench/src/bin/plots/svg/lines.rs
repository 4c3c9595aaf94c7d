//! Lines over something that grows by factors.

use anyhow::Result;
use plotters::prelude::*;

use super::{COLOURS, GRID, MARGIN, SMALL, TEXT, drawing, text};
use crate::numbers::short;

const HEIGHT: u32 = 400;

/// A line, from left to right.
#[derive(Debug)]
pub(crate) struct Series {
    pub(crate) name: &'static str,
    pub(crate) points: Vec<(f64, f64)>,
}

/// A drawing of lines; upward it begins at zero, to the right each factor is as far. Series without
/// points are left out.
pub(crate) fn lines(title: &str, x: &str, y: &str, series: &[Series]) -> Result<String> {
    let drawn = series.iter().filter(|series| !series.points.is_empty());
    let names: Vec<_> = drawn.clone().map(|series| series.name).collect();
    let points = drawn.clone().flat_map(|series| &series.points);
    let mut amounts: Vec<f64> = points.clone().map(|(amount, _)| *amount).collect();
    amounts.sort_by(f64::total_cmp);
    amounts.dedup();
    let (Some(least), Some(most)) = (amounts.first(), amounts.last()) else {
        anyhow::bail!("{title}: nothing to draw");
    };
    let across = (least / 1.3..most * 1.3).log_scale();
    let highest = points.map(|(_, height)| *height).fold(0.0, f64::max);
    drawing(title, &names, HEIGHT, |area| {
        let mut chart = ChartBuilder::on(area)
            .margin_right(24)
            .margin_bottom(MARGIN)
            .margin_left(16)
            .x_label_area_size(46)
            .y_label_area_size(84)
            .build_cartesian_2d(
                across.with_key_points(amounts.clone()),
                0.0..(highest * 1.1).max(f64::MIN_POSITIVE),
            )?;
        chart
            .configure_mesh()
            .axis_style(TEXT)
            .bold_line_style(GRID)
            .light_line_style(TRANSPARENT)
            .x_desc(x)
            .y_desc(y)
            .axis_desc_style(text(SMALL))
            .label_style(text(SMALL))
            .x_label_formatter(&|amount| short(*amount))
            .y_label_formatter(&|height| short(*height))
            .y_labels(6)
            .draw()?;
        for (series, colour) in drawn.zip(COLOURS) {
            let points = || series.points.iter().copied();
            chart.draw_series(LineSeries::new(points(), colour.stroke_width(2)))?;
            chart.draw_series(points().map(|point| Circle::new(point, 4, colour.filled())))?;
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_grows_is_labelled_where_it_was_measured() {
        let series = |name, points| Series { name, points };
        let svg = lines(
            "By size",
            "bytes of a value",
            "events per CPU second",
            &[
                series("Faustus", vec![(50.0, 2.5e6), (1e5, 1e4)]),
                series("raw loop", vec![]),
            ],
        );
        let svg = svg.unwrap();
        for text in [
            "By size",
            "bytes of a value",
            "events per CPU second",
            "Faustus",
            "\n50\n",
            "\n100 k\n",
            "\n0\n",
            "\n2 M\n",
        ] {
            assert!(svg.contains(text), "{text:?} is missing: {svg}");
        }
        assert!(!svg.contains("raw loop"));
    }

    #[test]
    fn without_points_there_is_no_drawing() {
        assert!(lines("By size", "x", "y", &[]).is_err());
    }
}
