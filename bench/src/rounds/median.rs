//! Medians, and numbers as people read them.

use bench::median::median;
use serde_json::{Value, json};

use crate::figures::Figures;

/// The median of each number.
pub(super) fn medians(told: &[Figures]) -> Figures {
    let Some(first) = told.first() else {
        return Figures::new();
    };
    let each_median = |name: &String, value: &Value| {
        let numbers = told.iter();
        let numbers = numbers.filter_map(|figures| figures.get(name)?.as_f64());
        median(numbers.collect()).map_or_else(|| value.clone(), rounded)
    };
    let each = first.iter();
    each.map(|(name, value)| (name.clone(), each_median(name, value)))
        .collect()
}

/// A number as people read it: whole above a thousand, else with three digits after the point.
pub(super) fn rounded(number: f64) -> Value {
    if number.fract() == 0.0 || number >= 1000.0 {
        #[expect(
            clippy::cast_possible_truncation,
            reason = "figures are far below 2^63"
        )]
        return json!(number.round() as i64);
    }
    json!((number * 1000.0).round() / 1000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_number_has_a_median_of_its_own() {
        let told = |a: f64, b: i64| match json!({"a": a, "b": b, "place": "memory"}) {
            Value::Object(figures) => figures,
            _ => Figures::new(),
        };
        let medians = medians(&[told(0.5, 1), told(0.25, 9), told(4.0, 7)]);
        assert_eq!(
            Value::Object(medians),
            json!({"a": 0.5, "b": 7, "place": "memory"})
        );
    }
}
