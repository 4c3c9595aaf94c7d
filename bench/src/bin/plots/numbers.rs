//! Numbers as readers like them: three digits that count.

/// What follows a number that was divided by this.
const UNITS: [(f64, &str); 3] = [(1e9, " G"), (1e6, " M"), (1e3, " k")];

/// Numbers below it are written out.
const WRITTEN_OUT: f64 = 1e4;

/// Rounded to three significant digits, from ten thousand on in thousands, millions, billions:
/// `0.0123`, `1,430`, `14.3 k`, `1.43 M`.
pub(crate) fn rounded(number: f64) -> String {
    if number == 0.0 || !number.is_finite() {
        return number.to_string();
    }
    let to = 10f64.powf(number.abs().log10().floor() - 2.0);
    let number = (number / to).round() * to;
    let size = number.abs() * (1.0 + f64::EPSILON * 4.0);
    if size < WRITTEN_OUT {
        return if size < 1000.0 {
            three_digits(number)
        } else {
            whole(number)
        };
    }
    let unit = UNITS.iter().find(|(unit, _)| size >= *unit);
    let (unit, sign) = unit.copied().unwrap_or((1.0, ""));
    three_digits(number / unit) + sign
}

/// A number that is round already: without zeros after the point, and exactly if it is whole and
/// below ten thousand.
pub(crate) fn short(number: f64) -> String {
    if number.fract() == 0.0 && number.abs() < WRITTEN_OUT {
        return whole(number);
    }
    let text = rounded(number);
    let (digits, unit) = text.split_at(text.find(' ').unwrap_or(text.len()));
    if !digits.contains('.') {
        return text;
    }
    let digits = digits.trim_end_matches('0').trim_end_matches('.');
    digits.to_owned() + unit
}

/// A number below a million without what is after its point, with a comma between thousands.
fn whole(number: f64) -> String {
    let number = number.round();
    if number.abs() < 1000.0 {
        return number.to_string();
    }
    let thousands = (number / 1e3).trunc();
    format!("{thousands},{:03}", number.abs() % 1e3)
}

/// A number of which no more than three digits differ from zero.
fn three_digits(number: f64) -> String {
    let before_point = (number.abs() * (1.0 + f64::EPSILON * 4.0)).log10().floor() as i32 + 1;
    let after_point = usize::try_from(3 - before_point).unwrap_or_default();
    format!("{number:.after_point$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_digits_count() {
        for (number, text) in [
            (0.0, "0"),
            (0.001_234, "0.00123"),
            (0.2, "0.200"),
            (1.0, "1.00"),
            (9.999, "10.0"),
            (123.4, "123"),
            (999.6, "1,000"),
            (1_234.0, "1,230"),
            (9_994.0, "9,990"),
            (9_996.0, "10.0 k"),
            (50_000.0, "50.0 k"),
            (999_600.0, "1.00 M"),
            (1_434_567.0, "1.43 M"),
            (20_000_000.0, "20.0 M"),
            (1.5e10, "15.0 G"),
            (-1_434_567.0, "-1.43 M"),
        ] {
            assert_eq!(rounded(number), text);
        }
    }

    #[test]
    fn zeros_after_the_point_are_dropped_where_numbers_are_round() {
        assert_eq!(short(1e6), "1 M");
        assert_eq!(short(100.0), "100");
        assert_eq!(short(2.5), "2.5");
        assert_eq!(short(1024.0), "1,024");
        assert_eq!(short(1001.0), "1,001");
        assert_eq!(short(20_000.0), "20 k");
        assert_eq!(short(0.0), "0");
    }
}
