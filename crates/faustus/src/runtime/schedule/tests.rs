//! Schedules are checked against plain searches: minute by minute, tick by tick.

use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::time::{every, millis, secs};

/// Where the clocks are put forward and back in the usual way, by half an hour, at midnight, and never.
const ZONES: [&str; 6] = [
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",
    "America/Asuncion",
    "Asia/Kathmandu",
    "UTC",
];

fn at(text: &str) -> Timestamp {
    let time: jiff::Timestamp = text.parse().unwrap();
    Timestamp(time.as_millisecond())
}

fn text(time: Timestamp) -> String {
    jiff::Timestamp::from_millisecond(time.0)
        .unwrap()
        .to_string()
}

/// The first `n` times after `after`.
fn times(crontab: &str, after: &str, n: usize) -> Vec<String> {
    let crontab = Crontab::parse(crontab).unwrap();
    let first = crontab.next(at(after));
    std::iter::successors(first, |time| crontab.next(*time))
        .take(n)
        .map(text)
        .collect()
}

fn refused(crontab: &str) -> String {
    Crontab::parse(crontab).unwrap_err()
}

#[test]
fn a_crontab_without_a_zone_is_in_utc() {
    let expected = ["2026-03-29T00:00:00Z", "2026-03-30T00:00:00Z"];
    assert_eq!(times("0 0 * * *", "2026-03-28T00:00:00Z", 2), expected);
    assert_eq!(times("@daily", "2026-03-28T00:00:00Z", 2), expected);
}

#[test]
fn a_crontab_goes_by_the_clock_of_its_zone_in_summer_and_winter() {
    assert_eq!(
        times("30 8 * * MON-FRI Europe/Berlin", "2026-03-27T00:00:00Z", 2),
        ["2026-03-27T07:30:00Z", "2026-03-30T06:30:00Z"]
    );
}

#[test]
fn a_time_that_is_skipped_fires_when_the_skipped_hour_would_have_begun() {
    // At 02:00 it is 03:00.
    assert_eq!(
        times("30 2 * * * Europe/Berlin", "2026-03-28T00:00:00Z", 3),
        [
            "2026-03-28T01:30:00Z",
            "2026-03-29T01:00:00Z",
            "2026-03-30T00:30:00Z"
        ]
    );
}

#[test]
fn several_times_that_are_skipped_fire_once() {
    assert_eq!(
        times(
            "10,20,30 2,3 * * * Europe/Berlin",
            "2026-03-29T00:00:00Z",
            4
        ),
        [
            "2026-03-29T01:00:00Z",
            "2026-03-29T01:10:00Z",
            "2026-03-29T01:20:00Z",
            "2026-03-29T01:30:00Z"
        ]
    );
}

#[test]
fn a_midnight_that_is_skipped_fires_at_the_beginning_of_the_day() {
    // Paraguay began its summers at midnight.
    assert_eq!(
        times("0 0 * * * America/Asuncion", "2023-09-30T12:00:00Z", 2),
        ["2023-10-01T04:00:00Z", "2023-10-02T03:00:00Z"]
    );
}

#[test]
fn a_day_that_is_skipped_fires_when_the_next_one_begins() {
    // Samoa went from the 29th to the 31st of December 2011.
    assert_eq!(
        times("0 12 30 12 * Pacific/Apia", "2011-12-01T00:00:00Z", 2),
        ["2011-12-30T10:00:00Z", "2012-12-29T22:00:00Z"]
    );
}

#[test]
fn a_time_that_comes_twice_fires_the_first_time() {
    assert_eq!(
        times("30 2 * * * Europe/Berlin", "2026-10-24T12:00:00Z", 2),
        ["2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"]
    );
}

#[test]
fn an_interval_goes_on_in_real_time_when_clocks_are_put_forward_and_back() {
    assert_eq!(
        times("*/30 * * * * Europe/Berlin", "2026-03-29T00:00:00Z", 4),
        [
            "2026-03-29T00:30:00Z",
            "2026-03-29T01:00:00Z",
            "2026-03-29T01:30:00Z",
            "2026-03-29T02:00:00Z"
        ]
    );
    assert_eq!(
        times("0 * * * * Europe/Berlin", "2026-10-24T23:00:00Z", 4),
        [
            "2026-10-25T00:00:00Z",
            "2026-10-25T01:00:00Z",
            "2026-10-25T02:00:00Z",
            "2026-10-25T03:00:00Z"
        ]
    );
}

#[test]
fn days_of_month_and_of_week_are_joined_as_cron_joins_them() {
    // Any 13th and any Friday; the last day of each month; the second Tuesday.
    assert_eq!(
        times("0 0 13 * FRI", "2026-11-01T00:00:00Z", 3),
        [
            "2026-11-06T00:00:00Z",
            "2026-11-13T00:00:00Z",
            "2026-11-20T00:00:00Z"
        ]
    );
    assert_eq!(
        times("0 0 L * *", "2026-11-01T00:00:00Z", 3),
        [
            "2026-11-30T00:00:00Z",
            "2026-12-31T00:00:00Z",
            "2027-01-31T00:00:00Z"
        ]
    );
    assert_eq!(
        times("0 0 * * TUE#2", "2026-11-01T00:00:00Z", 2),
        ["2026-11-10T00:00:00Z", "2026-12-08T00:00:00Z"]
    );
}

#[test]
fn a_leap_day_is_found_over_the_year_2100() {
    assert_eq!(
        times("0 0 29 2 *", "2096-03-01T00:00:00Z", 1),
        ["2104-02-29T00:00:00Z"]
    );
}

#[test]
fn a_crontab_that_never_fires_is_refused() {
    for crontab in ["0 0 30 2 *", "0 0 31 4,6,9,11 * Europe/Berlin"] {
        assert!(refused(crontab).contains("never fires"), "{crontab}");
    }
}

#[test]
fn a_crontab_that_cannot_be_read_is_refused_with_what_to_write() {
    assert!(refused("").contains("0 fields"));
    assert!(refused("0 0 * *").contains("4 fields"));
    assert!(refused("0 0 * * * * *").contains("7 fields"));
    assert!(refused("*/5 * * * * *").contains("for seconds use a timer"));
    assert!(refused("0 0 * * * Mars/Olympus").contains("\"Mars/Olympus\""));
    assert!(refused("0 0 * * * europe/berln").contains("did you mean \"Europe/Berlin\"?"));
    for (crontab, told) in [
        ("60 0 * * *", "minute \"60\" will not do"),
        ("0 24 * * *", "hour \"24\""),
        ("0 0 0 * *", "day of month \"0\""),
        ("0 0 * JANUARY *", "month \"JANUARY\""),
        ("0 0 * * MON-FRY", "day of week \"MON-FRY\""),
        ("@never", ""),
    ] {
        let refused = refused(crontab);
        assert!(
            refused.contains(told) && !refused.is_empty(),
            "{crontab}: {refused}"
        );
    }
}

#[test]
fn a_clock_that_is_put_back_a_little_does_not_make_a_crontab_fire_twice() {
    let crontab = Arc::new(Crontab::parse("0 * * * *").unwrap());
    let mut times = Times::new(crontab, at("2026-01-01T11:30:00Z"));
    assert_eq!(times.wait(at("2026-01-01T12:00:00Z")), None);
    times.done(at("2026-01-01T12:00:00Z"));
    assert!(times.wait(at("2026-01-01T11:59:58Z")).is_some());
    assert!(times.wait(at("2026-01-01T12:00:01Z")).is_some());
    assert_eq!(times.wait(at("2026-01-01T13:00:00Z")), None);
}

#[test]
fn a_clock_that_was_far_ahead_is_forgotten_when_it_is_set_right() {
    let crontab = Arc::new(Crontab::parse("0 * * * *").unwrap());
    let mut times = Times::new(crontab, at("2036-01-01T11:30:00Z"));
    assert!(times.wait(at("2026-01-01T12:30:00Z")).is_some());
    assert_eq!(times.wait(at("2026-01-01T13:00:00Z")), None);
}

#[test]
fn times_that_pass_during_a_run_are_left_out_and_counted() {
    let crontab = Arc::new(Crontab::parse("*/10 * * * *").unwrap());
    let mut times = Times::new(crontab, at("2026-01-01T11:55:00Z"));
    assert_eq!(times.wait(at("2026-01-01T12:00:00Z")), None);
    assert_eq!(times.done(at("2026-01-01T12:25:00Z")), 2);
    assert!(times.wait(at("2026-01-01T12:29:00Z")).is_some());
    assert_eq!(times.wait(at("2026-01-01T12:30:00Z")), None);
}

#[test]
fn a_tick_that_comes_late_moves_no_other() {
    let mut ticks = Ticks::new(every(secs(10)), secs(100), 0);
    assert_eq!(ticks.wait(secs(100)), Some(secs(10)));
    assert_eq!(ticks.wait(secs(113)), None);
    assert_eq!(ticks.done(secs(114)), 0);
    assert_eq!(ticks.wait(secs(114)), Some(secs(6)));
}

#[test]
fn a_tick_that_is_due_when_the_one_before_ends_is_not_missed() {
    let mut ticks = Ticks::new(every(secs(10)), secs(0), 0);
    assert_eq!(ticks.done(secs(20)), 0);
    assert_eq!(ticks.wait(secs(20)), None);
}

/// Minute by minute, as the rule of the module says it.
fn by_minutes(crontab: &str, zone: &str, from: Timestamp, minutes: i64) -> Vec<Timestamp> {
    let civil = Crontab::parse(crontab).unwrap();
    let zone = jiff::tz::TimeZone::get(zone).unwrap();
    let matches = |time: jiff::civil::DateTime| civil.matching(time, true) == Some(time);
    let interval = crontab.split(' ').take(2).any(|f| f.starts_with('*'));
    let mut found = Vec::new();
    let mut last = zone.to_datetime(jiff::Timestamp::from_millisecond(from.0).unwrap());
    let minute = jiff::SignedDuration::from_mins(1);
    for n in 1..=minutes {
        let time = jiff::Timestamp::from_millisecond(from.0 + n * 60_000).unwrap();
        let shown = zone.to_datetime(time);
        let fires = if interval {
            matches(shown)
        } else {
            // All that the clock passes over, if it goes forward; nothing that it has shown before.
            let mut passed = last;
            let mut fires = false;
            while passed < shown {
                passed = passed.checked_add(minute).unwrap();
                fires |= matches(passed);
            }
            fires
        };
        last = last.max(shown);
        if fires {
            found.push(Timestamp(time.as_millisecond()));
        }
    }
    found
}

fn field(values: std::ops::Range<u32>) -> impl Strategy<Value = String> {
    let step = values.end / 4;
    prop_oneof![
        values.clone().prop_map(|value| value.to_string()),
        (values.clone(), values).prop_map(|(a, b)| format!("{},{}", a.min(b), a.max(b))),
        (1..=step.max(1)).prop_map(|step| format!("*/{step}")),
        Just("*".to_owned()),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn a_crontab_fires_as_a_clock_on_the_wall_would_have_it(
        minute in field(0..60),
        hour in field(0..5),
        zone in 0..ZONES.len(),
        // Around all the changes of a year in these zones, and in between.
        day in prop_oneof![67..72_i64, 81..93_i64, 100..200_i64, 269..276_i64, 298..310_i64],
    ) {
        let zone = ZONES[zone];
        let from = Timestamp(at("2023-01-01T00:00:00Z").0 + day * 86_400_000);
        let crontab = format!("{minute} {hour} * * *");
        let expected = by_minutes(&crontab, zone, from, 3 * 1440);
        let crontab = Crontab::parse(&format!("{crontab} {zone}")).unwrap();
        let found: Vec<_> = std::iter::successors(crontab.next(from), |time| crontab.next(*time))
            .take(expected.len())
            .collect();
        prop_assert_eq!(found, expected);
    }

    #[test]
    fn any_text_is_read_or_refused(text in "[-0-9*/,#LW? a-zA-Z@]{0,24}") {
        if let Ok(crontab) = Crontab::parse(&text) {
            let now = at("2026-01-01T00:00:00Z");
            prop_assert!(crontab.next(now).is_none_or(|next| next > now));
        }
    }

    #[test]
    fn ticks_lie_on_the_grid_whatever_the_bodies_take(
        interval in 1..50_u64,
        jitter in 0..50_u64,
        bodies in prop::collection::vec((0..120_u64, 0..30_u64), 1..60),
    ) {
        let (start, jitter) = (7, jitter % interval);
        let every = every(millis(interval)).jitter(millis(jitter));
        let mut ticks = Ticks::new(every, millis(start), 3);
        let (mut now, mut expected) = (millis(start), 1);
        for (body, late) in bodies {
            prop_assert_eq!(ticks.point, millis(start + expected * interval));
            prop_assert!(ticks.due() - ticks.point < millis(jitter.max(1)));
            let due = now + ticks.wait(now).unwrap_or_default();
            prop_assert_eq!(due, ticks.due());
            now = due + millis(late + body);
            let missed = ticks.done(now);
            prop_assert!(ticks.due() >= now, "what passed is left out");
            prop_assert!(missed == 0 || ticks.due() < now + millis(interval), "and no more");
            expected += 1 + missed;
        }
    }
}
