//! Plots in SVG, all in one style: black on white, so that they can be read on a dark page too, in
//! colours that those who see fewer colours can tell apart.

mod bars;
mod lines;

use anyhow::Result;
use plotters::{
    coord::Shift,
    prelude::*,
    style::text_anchor::{HPos, Pos, VPos},
};

pub(crate) use bars::{Bar, Group, bars};
pub(crate) use lines::{Series, lines};

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

const WIDTH: u32 = 760;

/// The height of the title and the legend.
const HEAD: u32 = 62;

/// What is left free below.
const MARGIN: u32 = 10;

const COLOURS: [RGBColor; 2] = [RGBColor(0, 114, 178), RGBColor(213, 94, 0)];
const TEXT: RGBColor = RGBColor(40, 40, 40);
const GRID: RGBColor = RGBColor(221, 221, 221);

/// The size of all text but the title, in pixels.
const SMALL: u32 = 13;

/// A drawing with a title, a legend of the `names` that are drawn in colours of their own, and what
/// `draw` draws below.
fn drawing(
    title: &str,
    names: &[&str],
    height: u32,
    draw: impl FnOnce(&Area<'_>) -> Result<()>,
) -> Result<String> {
    let mut svg = String::new();
    {
        let root = SVGBackend::with_string(&mut svg, (WIDTH, height)).into_drawing_area();
        root.fill(&WHITE)?;
        let (head, body) = root.split_vertically(HEAD);
        head.draw(&Text::new(title.to_owned(), (16, 12), text(17)))?;
        let mut x = 16;
        for (name, colour) in names.iter().zip(COLOURS) {
            head.draw(&Rectangle::new([(x, 40), (x + 12, 52)], colour.filled()))?;
            head.draw(&Text::new((*name).to_owned(), (x + 18, 41), text(SMALL)))?;
            x += 100;
        }
        draw(&body)?;
        root.present()?;
    }
    Ok(svg)
}

/// Text of a size in pixels.
fn text(size: u32) -> TextStyle<'static> {
    ("sans-serif", size).into_font().color(&TEXT)
}

/// Text whose point is at its left or right end, in the middle of its height.
fn text_at(end: HPos) -> TextStyle<'static> {
    text(SMALL).pos(Pos::new(end, VPos::Center))
}
