//! The page: text by hand, with gaps between markers that are filled anew each time.
//!
//! A gap begins with a line `<!-- table: NAME -->` or `<!-- plot: NAME -->` and ends with the line
//! `<!-- end -->`. Everything else stays as it is.

use anyhow::{Context, Result};

use crate::pieces::Pieces;

const END: &str = "<!-- end -->";

/// What stands in a gap for which there is no data.
const NOTHING: &str = "*Not measured yet.*";

/// The page with its gaps filled. Fails where a gap has no end, or is of no known kind.
pub(crate) fn filled(text: &str, pieces: &Pieces) -> Result<String> {
    let mut out = String::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        out.push_str(line);
        out.push('\n');
        let Some(marker) = gap(line) else { continue };
        let piece = piece(marker, pieces).with_context(|| format!("there is no gap {line}"))?;
        out.push_str(&format!("\n{}\n\n{END}\n", piece.trim_end()));
        lines
            .find(|line| *line == END)
            .with_context(|| format!("{line} has no {END}"))?;
    }
    Ok(out)
}

/// What a line that begins a gap says.
fn gap(line: &str) -> Option<&str> {
    let says = line.strip_prefix("<!-- ")?.strip_suffix(" -->")?;
    says.contains(": ").then_some(says)
}

/// What belongs into a gap; none if the gap is of no known kind.
fn piece(marker: &str, pieces: &Pieces) -> Option<String> {
    let (kind, name) = marker.split_once(": ")?;
    let piece = match kind {
        "table" => pieces.tables.get(name).cloned(),
        "plot" => pieces.plots.get(name).map(|plot| {
            let title = &plot.title;
            format!("![{title}]({name}.svg)")
        }),
        _ => return None,
    };
    Some(piece.unwrap_or_else(|| NOTHING.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pieces::Plot;

    fn pieces() -> Pieces {
        let plot = Plot {
            title: "Events by size".to_owned(),
            svg: String::new(),
        };
        Pieces {
            tables: [("kernel".to_owned(), "| new |\n".to_owned())].into(),
            plots: [("sizes".to_owned(), plot)].into(),
        }
    }

    #[test]
    fn gaps_are_filled_anew_and_the_rest_stays() {
        let page = "# Title

<!-- table: kernel -->

| old |

<!-- end -->
text
<!-- plot: sizes -->
<!-- end -->
<!-- table: kafka -->
<!-- end -->
";
        let expected = "# Title

<!-- table: kernel -->

| new |

<!-- end -->
text
<!-- plot: sizes -->

![Events by size](sizes.svg)

<!-- end -->
<!-- table: kafka -->

*Not measured yet.*

<!-- end -->
";
        let once = filled(page, &pieces()).unwrap();
        assert_eq!(once, expected);
        assert_eq!(filled(&once, &pieces()).unwrap(), expected);
    }

    #[test]
    fn a_gap_without_an_end_or_of_an_unknown_kind_is_refused() {
        let refusal = |page| filled(page, &pieces()).unwrap_err().to_string();
        assert!(refusal("<!-- table: kernel -->\ntext").contains("has no <!-- end -->"));
        assert!(refusal("<!-- tabel: kernel -->\n<!-- end -->").contains("there is no gap"));
    }
}
