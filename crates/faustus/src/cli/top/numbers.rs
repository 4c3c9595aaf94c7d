//! Numbers as people read them.

use std::borrow::Cow;

use bytesize::ByteSize;

use super::super::output::span;

/// What is not known.
pub(super) fn unknown() -> Cow<'static, str> {
    "-".into()
}

/// A whole number, its thousands apart.
pub(super) fn whole(number: u64) -> Cow<'static, str> {
    grouped(&number.to_string()).into()
}

pub(super) fn grouped(digits: &str) -> String {
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.char_indices() {
        let left = digits.len() - index;
        if index > 0 && left.is_multiple_of(3) && !text.ends_with('-') {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

pub(super) fn rate(per_second: Option<f64>) -> Cow<'static, str> {
    match per_second {
        None => unknown(),
        Some(rate) if rate > 0.0 && rate < 9.95 => format!("{rate:.1}").into(),
        Some(rate) => grouped(&format!("{rate:.0}")).into(),
    }
}

pub(super) fn bytes_rate(per_second: Option<f64>) -> Cow<'static, str> {
    per_second.map_or_else(unknown, |rate| format!("{}/s", bytes(rate)).into())
}

#[expect(clippy::cast_possible_truncation, reason = "for people")]
pub(super) fn bytes(bytes: f64) -> String {
    ByteSize::b(bytes as u64).display().iec().to_string()
}

/// A short time.
pub(super) fn latency(seconds: f64) -> Cow<'static, str> {
    match seconds {
        ..0.001 => "<1 ms".into(),
        ..0.995 => format!("{:.0} ms", seconds * 1000.0).into(),
        _ => span(seconds).into(),
    }
}

/// How much is done, as a bar.
pub(super) fn bar(done: f64) -> String {
    const CELLS: usize = 8;
    let is_full = |cell: usize| done * CELLS as f64 >= (cell + 1) as f64;
    let cells = (0..CELLS).map(|cell| if is_full(cell) { '█' } else { '░' });
    cells.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_told_as_people_read_them() {
        assert_eq!(
            ["1", "12", "123", "1234", "-1234567", "-123"].map(grouped),
            ["1", "12", "123", "1,234", "-1,234,567", "-123"]
        );
        let rates = [None, Some(0.0), Some(0.34), Some(9.96), Some(1234.4)];
        assert_eq!(rates.map(rate), ["-", "0", "0.3", "10", "1,234"]);
        let times = [0.0004, 0.012, 0.4, 1.5].map(latency);
        assert_eq!(times, ["<1 ms", "12 ms", "400 ms", "1.5 s"]);
        assert_eq!(bytes(1536.0), "1.5 KiB");
    }

    #[test]
    fn bars_are_full_when_all_is_done() {
        assert_eq!(
            [0.0, 0.5, 0.999, 1.0].map(bar),
            ["░░░░░░░░", "████░░░░", "███████░", "████████"]
        );
    }
}
