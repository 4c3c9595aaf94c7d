//! Values of settings as text: read, with what is wrong and how to write it, and shown the same way.

use std::{ops::RangeInclusive, path::PathBuf, time::Duration};

use bytesize::ByteSize;
use jiff::fmt::friendly::{Spacing, SpanParser, SpanPrinter};

use crate::near::did_you_mean;

/// One hour.
pub(super) const HOUR: Duration = Duration::from_secs(3600);

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;

/// `true` or `false`.
pub(super) fn flag(text: &str) -> Result<bool, String> {
    match text {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(format!(
            "{text:?} is neither true nor false; write one of them"
        )),
    }
}

/// A whole number within limits.
pub(super) fn count<N: TryFrom<u64>>(text: &str, limits: RangeInclusive<u64>) -> Result<N, String> {
    let (least, most) = (limits.start(), limits.end());
    let number = text.parse().ok().filter(|number| limits.contains(number));
    number
        .and_then(|number| N::try_from(number).ok())
        .ok_or_else(|| format!("{text:?} will not do; write a whole number from {least} to {most}"))
}

/// Whether it is a number without a unit, and not a negative one.
fn is_number(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_digit()) && text.parse::<f64>().is_ok()
}

/// A duration with its unit, within limits.
pub(crate) fn duration(text: &str, limits: RangeInclusive<Duration>) -> Result<Duration, String> {
    let text = text.trim();
    if is_number(text) {
        return Err(format!(
            "{text:?} has no unit; write it as in \"{text} s\" or \"{text} ms\""
        ));
    }
    let read = SpanParser::new().parse_unsigned_duration(text);
    let duration = read.map_err(|_| {
        format!("{text:?} is no duration; write it as in \"10 s\", \"500 ms\" or \"1 h 30 m\"")
    })?;
    if limits.contains(&duration) {
        return Ok(duration);
    }
    Err(format!(
        "{text:?} will not do; write a duration from {} to {}",
        show_duration(*limits.start()),
        show_duration(*limits.end()),
    ))
}

/// A duration as [`duration`] reads it.
pub(super) fn show_duration(duration: Duration) -> String {
    SpanPrinter::new()
        .spacing(Spacing::BetweenUnitsAndDesignators)
        .unsigned_duration_to_string(&duration)
}

/// A size with its unit, within limits in bytes.
pub(super) fn size<N: TryFrom<u64>>(text: &str, limits: RangeInclusive<u64>) -> Result<N, String> {
    let text = text.trim();
    if is_number(text) {
        return Err(format!(
            "{text:?} has no unit; write it as in \"{text} MiB\" or \"{text} B\""
        ));
    }
    let size: ByteSize = text.parse().map_err(|_| {
        format!("{text:?} is no size; write it as in \"64 MiB\", \"512 KiB\" or \"1 GB\"")
    })?;
    let within = Some(size.as_u64()).filter(|bytes| limits.contains(bytes));
    within
        .and_then(|bytes| N::try_from(bytes).ok())
        .ok_or_else(|| {
            format!(
                "{text:?} will not do; write a size from {} to {}",
                show_size(*limits.start()),
                show_size(*limits.end()),
            )
        })
}

/// A size in bytes as [`size`] reads it, without rounding.
pub(super) fn show_size(bytes: u64) -> String {
    match bytes {
        0 => "0 B".to_owned(),
        bytes if bytes % (KIB * MIB) == 0 => format!("{} GiB", bytes / (KIB * MIB)),
        bytes if bytes % MIB == 0 => format!("{} MiB", bytes / MIB),
        bytes if bytes % KIB == 0 => format!("{} KiB", bytes / KIB),
        bytes => format!("{bytes} B"),
    }
}

/// A name that Kafka takes too.
pub(super) fn name(text: &str) -> Result<String, String> {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if (1..=200).contains(&text.len()) && text.chars().all(fits) {
        return Ok(text.to_owned());
    }
    Err(format!(
        "{text:?} is no name; write 1 to 200 letters, digits, '.', '_' and '-'"
    ))
}

/// The path of a directory or file.
pub(super) fn path(text: &str) -> Result<PathBuf, String> {
    if text.is_empty() {
        return Err("it is empty; write a path".to_owned());
    }
    Ok(PathBuf::from(text))
}

/// Which messages are written: levels, each of all parts or of one.
pub(super) fn levels(text: &str) -> Result<String, String> {
    const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];
    let write = "write one of off, error, warn, info, debug, trace, or of parts as in \"warn,faustus=debug\"";
    let is_target = |part: &str| {
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, ':' | '_' | '-' | '.');
        !part.is_empty() && part.chars().all(fits)
    };
    let mut read = Vec::new();
    for directive in text.split(',').map(str::trim) {
        let (part, level) = match directive.split_once('=') {
            Some((part, level)) => (Some(part.trim()), level.trim()),
            None => (None, directive),
        };
        let level = level.to_lowercase();
        if !LEVELS.contains(&&*level) {
            let near = did_you_mean(&level, LEVELS);
            return Err(format!("{level:?} is no level{near}; {write}"));
        }
        if let Some(part) = part.filter(|part| !is_target(part)) {
            return Err(format!("{part:?} is no part of a program; {write}"));
        }
        read.push(part.map_or_else(|| level.clone(), |part| format!("{part}={level}")));
    }
    Ok(read.join(","))
}

/// One of several words.
pub(super) fn choice<T: Copy>(text: &str, words: &[(&str, T)]) -> Result<T, String> {
    let found = words.iter().find(|(word, _)| *word == text);
    found.map(|(_, meaning)| *meaning).ok_or_else(|| {
        let words: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        format!("{text:?} is not known; write one of {}", words.join(", "))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ANY: RangeInclusive<Duration> = Duration::ZERO..=Duration::MAX;

    #[test]
    fn durations_are_read_with_their_units() {
        let read = |text: &str| duration(text, ANY).unwrap();
        assert_eq!(read("10 s"), Duration::from_secs(10));
        assert_eq!(read("10s"), Duration::from_secs(10));
        assert_eq!(read("500 ms"), Duration::from_millis(500));
        assert_eq!(read("1.5s"), Duration::from_millis(1500));
        assert_eq!(read("1 h 30 m"), Duration::from_secs(5400));
        assert_eq!(read("2 minutes"), Duration::from_secs(120));
        assert_eq!(read("0 s"), Duration::ZERO);
    }

    #[test]
    fn durations_without_a_unit_or_outside_their_limits_are_refused() {
        let wrong = |text: &str| duration(text, Duration::from_millis(1)..=HOUR).unwrap_err();
        assert!(wrong("10").contains("\"10 s\""));
        assert!(wrong("ten seconds").contains("is no duration"));
        assert!(wrong("").contains("is no duration"));
        assert!(wrong("-1 s").contains("is no duration"));
        assert!(wrong("-1").contains("is no duration"));
        assert!(wrong("inf").contains("is no duration"));
        assert!(
            wrong("2 h").contains("from 1 ms to 1 h"),
            "{}",
            wrong("2 h")
        );
        assert!(wrong("0 s").contains("from 1 ms to 1 h"));
    }

    #[test]
    fn sizes_are_read_with_their_units() {
        let read = |text: &str| size::<u64>(text, 0..=u64::MAX).unwrap();
        assert_eq!(read("64 MiB"), 64 << 20);
        assert_eq!(read("64MiB"), 64 << 20);
        assert_eq!(read("1 GB"), 1_000_000_000);
        assert_eq!(read("1.5 KiB"), 1536);
        assert_eq!(read("17 B"), 17);
    }

    #[test]
    fn sizes_without_a_unit_or_outside_their_limits_are_refused() {
        let wrong = |text: &str| size::<u64>(text, 1..=MIB).unwrap_err();
        assert!(wrong("64").contains("\"64 MiB\""));
        assert!(wrong("much").contains("is no size"));
        assert!(wrong("2 MiB").contains("from 1 B to 1 MiB"));
    }

    #[test]
    fn numbers_are_whole_and_within_their_limits() {
        assert_eq!(count::<u32>("8", 1..=9), Ok(8));
        for wrong in ["", "0", "10", "-1", "1.5", "many"] {
            let error = count::<u32>(wrong, 1..=9).unwrap_err();
            assert!(error.contains("from 1 to 9"), "{wrong}: {error}");
        }
    }

    #[test]
    fn levels_are_of_all_parts_or_of_one() {
        let read = |text: &str| levels(text).unwrap();
        assert_eq!(read("info"), "info");
        assert_eq!(read("WARN, a::b-c = debug"), "warn,a::b-c=debug");
    }

    #[test]
    fn what_is_no_level_is_refused_and_the_one_that_was_meant_is_named() {
        let wrong = |text: &str| levels(text).unwrap_err();
        assert!(wrong("inof").contains("did you mean \"info\"?"));
        assert!(wrong("shop").contains("\"shop\" is no level; write one of off"));
        assert!(wrong("warn,shop=loud").contains("\"loud\" is no level"));
        assert!(wrong("[span]=debug").contains("is no part of a program"));
        assert!(wrong("").contains("is no level"));
        assert!(wrong("info,").contains("is no level"));
    }

    proptest! {
        #[test]
        fn what_is_shown_is_read_again(micros in 0..1u64 << 50, bytes: u64) {
            let time = Duration::from_micros(micros);
            prop_assert_eq!(duration(&show_duration(time), ANY), Ok(time));
            prop_assert_eq!(size(&show_size(bytes), 0..=u64::MAX), Ok(bytes));
        }

        #[test]
        fn no_text_is_too_strange_to_be_read(text: String) {
            let _ = (flag(&text), duration(&text, ANY), size::<u64>(&text, 0..=9), name(&text), levels(&text));
        }
    }
}
