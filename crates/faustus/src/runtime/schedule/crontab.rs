//! A crontab: five fields of a civil calendar, in a time zone.
//!
//! The fields are matched against civil time, which knows no daylight saving; what a civil time is in
//! the zone is decided here, by the rule of Vixie's cron. Where both hour and minute are *named*
//! (`30 2 * * *`), each civil time counts once: one that the zone skips fires when the skipped hour
//! would have begun, one that the zone has twice fires the first time. Where one of them is a wildcard
//! (`*/15 * * * *`), it is an interval in real time: it fires whenever the zone's clock shows a
//! match, so not in the hour that is skipped, and twice in the hour that comes twice.

use std::sync::Arc;

use croner::{
    Cron,
    parser::{CronParser, Seconds, Year},
};
use faustus_core::Timestamp;
use jiff::{
    civil::DateTime,
    tz::{AmbiguousOffset, TimeZone},
};

use crate::near::nearest;

/// When something is to happen by the wall clock of a place.
#[derive(Clone, Debug)]
pub(crate) struct Crontab {
    fields: Cron,
    zone: TimeZone,
    /// The text names the zone.
    is_zone_named: bool,
    /// Hour or minute is a wildcard.
    is_interval: bool,
}

impl Crontab {
    /// Reads five fields (or a nickname as `@daily`) and perhaps the name of a time zone, else UTC
    /// until [`in_zone`](Self::in_zone) says otherwise.
    ///
    /// # Errors
    ///
    /// What is wrong with it, and what to write.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut fields: Vec<&str> = text.split_whitespace().collect();
        let expected = match fields.first() {
            Some(nickname) if nickname.starts_with('@') => 1,
            _ => 5,
        };
        let mut named = None;
        match fields.len() {
            n if n == expected => {}
            n if n == expected + 1 => {
                let name = fields.pop().unwrap_or_default();
                let is_name = name.starts_with(char::is_alphabetic);
                named = Some(zone(name).map_err(|error| match is_name {
                    true => error,
                    false => format!("{error} (for seconds use a timer)"),
                })?);
            }
            n => {
                return Err(format!(
                    "it has {n} fields; write minute, hour, day of month, month and day of week, and \
                     perhaps a time zone, as in \"30 8 * * MON-FRI Europe/Berlin\""
                ));
            }
        }
        let is_wildcard = |field: &&str| field.starts_with(['*', '?']) || *field == "@hourly";
        let crontab = Self {
            fields: read(&fields)?,
            is_zone_named: named.is_some(),
            zone: named.unwrap_or(TimeZone::UTC),
            is_interval: fields.iter().take(2).any(is_wildcard),
        };
        // A year after which all leap days and weekdays have come in every order.
        match crontab.matching(DateTime::constant(2000, 1, 1, 0, 0, 0, 0), true) {
            Some(_) => Ok(crontab),
            None => Err("it never fires: no such day comes in any year".into()),
        }
    }

    /// The same in `zone`, unless its text names another one.
    pub(crate) fn in_zone(self: &Arc<Self>, zone: &TimeZone) -> Arc<Self> {
        if self.is_zone_named {
            return Arc::clone(self);
        }
        Arc::new(Self {
            zone: zone.clone(),
            ..Self::clone(self)
        })
    }

    /// The first time after `after`.
    pub(crate) fn next(&self, after: Timestamp) -> Option<Timestamp> {
        let after = jiff::Timestamp::from_millisecond(after.0).ok()?;
        let next = if self.is_interval {
            self.next_in_real_time(after)?
        } else {
            self.next_of_civil_times(after)?
        };
        Some(Timestamp(next.as_millisecond()))
    }

    /// Stretch by stretch of the same offset from UTC.
    fn next_in_real_time(&self, after: jiff::Timestamp) -> Option<jiff::Timestamp> {
        let (mut from, mut inclusive) = (after, false);
        loop {
            let offset = self.zone.to_offset(from);
            let found = self.matching(offset.to_datetime(from), inclusive)?;
            let found = offset.to_timestamp(found).ok()?;
            let change = self.zone.following(from).next();
            match change.map(|change| change.timestamp()) {
                Some(change) if change <= found => (from, inclusive) = (change, true),
                _ => return Some(found),
            }
        }
    }

    fn next_of_civil_times(&self, after: jiff::Timestamp) -> Option<jiff::Timestamp> {
        let mut civil = self.zone.to_datetime(after);
        loop {
            civil = self.matching(civil, false)?;
            // Civil times that come again now have had their time; so has a skipped one whose hour
            // is over.
            let instant = self.instant(civil)?;
            if instant > after {
                return Some(instant);
            }
        }
    }

    /// When a civil time is: the first time if it comes twice, the end of the gap if it never does.
    fn instant(&self, civil: DateTime) -> Option<jiff::Timestamp> {
        match self.zone.to_ambiguous_timestamp(civil).offset() {
            AmbiguousOffset::Unambiguous { offset } => offset.to_timestamp(civil).ok(),
            AmbiguousOffset::Fold { before, .. } => before.to_timestamp(civil).ok(),
            AmbiguousOffset::Gap { after, .. } => {
                // By the offset that is not in force yet, it lies before the change.
                let before_change = after.to_timestamp(civil).ok()?;
                let change = self.zone.following(before_change).next()?;
                Some(change.timestamp())
            }
        }
    }

    /// The first match after a civil time, or at it.
    pub(super) fn matching(&self, civil: DateTime, inclusive: bool) -> Option<DateTime> {
        self.fields.find_next_occurrence(&civil, inclusive).ok()
    }
}

/// What the five fields are called.
const FIELDS: [&str; 5] = ["minute", "hour", "day of month", "month", "day of week"];

fn read(fields: &[&str]) -> Result<Cron, String> {
    parse(&fields.join(" ")).map_err(|error| match at_fault(fields) {
        Some((name, field, error)) => format!("{name} {field:?} will not do: {error}"),
        None => error,
    })
}

/// The first field that is wrong whatever the others are.
fn at_fault<'a>(fields: &[&'a str]) -> Option<(&'static str, &'a str, String)> {
    let named = FIELDS.into_iter().zip(fields).enumerate();
    named
        .filter(|_| fields.len() == FIELDS.len())
        .find_map(|(place, (name, field))| {
            let mut alone = ["*"; FIELDS.len()];
            alone[place] = field;
            let error = parse(&alone.join(" ")).err()?;
            Some((name, *field, error))
        })
}

fn parse(fields: &str) -> Result<Cron, String> {
    let parser = CronParser::builder()
        .seconds(Seconds::Disallowed)
        .year(Year::Disallowed);
    parser.build().parse(fields).map_err(|error| {
        let text = error.to_string();
        text.trim_end_matches('.').to_owned()
    })
}

/// The time zone of this name.
///
/// # Errors
///
/// When there is none, with what to write.
pub(crate) fn zone(name: &str) -> Result<TimeZone, String> {
    TimeZone::get(name).map_err(|_| {
        let zones: Vec<_> = jiff::tz::db().available().collect();
        match nearest(name, zones.iter().map(|zone| zone.as_str())) {
            Some(near) => format!("there is no time zone {name:?}: did you mean {near:?}?"),
            None => format!(
                "there is no time zone {name:?}; write a name as Europe/Berlin, or none for UTC"
            ),
        }
    })
}
