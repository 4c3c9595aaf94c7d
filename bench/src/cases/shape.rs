//! How much of everything a case has: topics, partitions, agents, accounts, bytes.

/// What the events of a case are spread over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    /// How many topics the events come from; each has agents of its own.
    pub(crate) topics: u32,
    /// How many partitions each topic has.
    pub(crate) partitions: u32,
    /// How many agents read each topic.
    pub(crate) readers: u32,
    /// How many accounts there are: the keys of the table.
    pub(crate) accounts: u64,
    /// How long each value is, in bytes; `None`: as long as it happens to be, some 55.
    pub(crate) value_bytes: Option<usize>,
}

impl Shape {
    /// That of all cases that do not vary it.
    pub(crate) const USUAL: Self = Self {
        topics: 1,
        partitions: 8,
        readers: 1,
        accounts: 10_000,
        value_bytes: None,
    };

    /// How many events agents get if `events` are sent.
    pub(crate) fn handled(&self, events: u64) -> u64 {
        events * u64::from(self.readers)
    }

    /// How many events are sent if nothing else is said: enough to take seconds, and so that the
    /// accounts come up twice, but not more than memory takes.
    pub(crate) fn usual_events(&self) -> u64 {
        const MOST: u64 = 3_000_000;
        const BYTES: u64 = 1_000_000_000;
        let fit = self.value_bytes.map_or(MOST, |b| BYTES / b as u64);
        let keyed = if self.accounts > Self::USUAL.accounts {
            2 * self.accounts
        } else {
            0
        };
        (MOST / u64::from(self.readers)).min(fit).max(keyed)
    }

    /// What is unusual, for people, each with a comma before it.
    pub(crate) fn about(&self) -> String {
        let usual = Self::USUAL;
        let mut about = String::new();
        let mut say = |differs: bool, what: String| {
            if differs {
                about.push_str(", ");
                about.push_str(&what);
            }
        };
        let (topics, readers) = (self.topics, self.readers);
        say(topics > 1, format!("{topics} agents with a topic each"));
        say(readers > 1, format!("{readers} agents on one topic"));
        let partitions = self.partitions;
        say(
            partitions != usual.partitions,
            format!("{partitions} partition(s) a topic"),
        );
        let accounts = self.accounts;
        say(accounts != usual.accounts, format!("{accounts} accounts"));
        let bytes = self.value_bytes.unwrap_or_default();
        say(self.value_bytes.is_some(), format!("values of {bytes} B"));
        about
    }
}
