//! What the bank is about: its records, its topics, and the numbered inputs it is fed with.
//!
//! An input follows from its number alone, and its number goes with it into the table and into
//! every output, so that whoever reads the log can tell which inputs are missing or were counted
//! twice. Each account gets some 64 inputs and then no more, which keeps a table's values short.

use faustus::Record;
use faustus_core::partition_for_key;
use serde::{Deserialize, Serialize};

/// How many partitions every topic has.
pub(crate) const PARTITIONS: u32 = 8;

/// How many accounts are in use at the same time.
const ACCOUNTS: u64 = 48;

/// After how many inputs others are.
const GENERATION: u64 = 64 * ACCOUNTS;

/// Something to be added to an account, found by grouping.
#[derive(Record, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub(crate) struct Order {
    pub(crate) account: String,
    pub(crate) number: u64,
    pub(crate) amount: u64,
}

/// Something to be added to the account that is its key.
#[derive(Record, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refund {
    pub(crate) account: String,
    pub(crate) number: u64,
    pub(crate) amount: u64,
}

/// What the table holds of an account.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Account {
    pub(crate) total: u64,
    /// The inputs that are in the total, in the order in which they were added.
    pub(crate) numbers: Vec<u64>,
}

/// An output: an account after an input was added.
#[derive(Record, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub(crate) struct Total {
    pub(crate) account: String,
    pub(crate) number: u64,
    pub(crate) amount: u64,
    pub(crate) total: u64,
    /// The worker process that made it.
    pub(crate) by: String,
}

/// The topics of an application.
#[derive(Clone, Debug)]
pub(crate) struct Names {
    pub(crate) app: String,
    pub(crate) orders: String,
    pub(crate) refunds: String,
    pub(crate) repartition: String,
    pub(crate) changelog: String,
    pub(crate) order_totals: String,
}

impl Names {
    pub(crate) fn of(app: &str) -> Self {
        let orders = format!("{app}-orders");
        Self {
            repartition: format!("on-order-{orders}-{}.account-repartition", Order::NAMESPACE),
            orders,
            app: app.to_owned(),
            refunds: format!("{app}-refunds"),
            changelog: format!("{app}-totals-changelog"),
            order_totals: format!("{app}-order-totals"),
        }
    }

    /// What the application reads and commits offsets for.
    pub(crate) fn sources(&self) -> [&str; 3] {
        [&self.orders, &self.repartition, &self.refunds]
    }

    /// What the application writes for others.
    pub(crate) fn outputs(&self) -> [&str; 2] {
        [&self.changelog, &self.order_totals]
    }
}

/// From where an input comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// An order without a key, in a partition of its own choice.
    Order,
    /// An order under a key that is not its account.
    KeyedOrder,
    /// A refund under its account.
    Refund,
}

/// A numbered input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Input {
    pub(crate) number: u64,
    pub(crate) kind: Kind,
    pub(crate) account: String,
    pub(crate) amount: u64,
}

impl Input {
    /// The input of this number.
    pub(crate) fn of(number: u64) -> Self {
        let random = mix(number);
        let kind = match random % 3 {
            0 => Kind::Order,
            1 => Kind::KeyedOrder,
            _ => Kind::Refund,
        };
        Self {
            number,
            kind,
            account: format!(
                "a{:04}-{:02}",
                number / GENERATION,
                (random >> 8) % ACCOUNTS
            ),
            amount: 1 + (random >> 32) % 100,
        }
    }

    pub(crate) fn key(&self) -> Option<String> {
        match self.kind {
            Kind::Order => None,
            Kind::KeyedOrder => Some(format!("k{}", mix(!self.number))),
            Kind::Refund => Some(self.account.clone()),
        }
    }

    /// The partition of its topic that it is fed into.
    pub(crate) fn partition(&self) -> u32 {
        match self.key() {
            Some(key) => partition_for_key(key.as_bytes(), PARTITIONS),
            None => u32::try_from(self.number % u64::from(PARTITIONS)).unwrap_or_default(),
        }
    }

    /// The bytes of its record.
    pub(crate) fn encode(&self) -> Result<Vec<u8>, serde_json::Error> {
        let &Self { number, amount, .. } = self;
        let account = self.account.clone();
        match self.kind {
            Kind::Order | Kind::KeyedOrder => serde_json::to_vec(&Order {
                account,
                number,
                amount,
            }),
            Kind::Refund => serde_json::to_vec(&Refund {
                account,
                number,
                amount,
            }),
        }
    }
}

/// SplitMix64: a number that looks random and follows from `x`.
pub(crate) fn mix(x: u64) -> u64 {
    let mut z = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    #[test]
    fn an_account_gets_some_inputs_of_every_kind_and_then_no_more() {
        let mut accounts: HashMap<String, Vec<Kind>> = HashMap::new();
        for number in GENERATION..2 * GENERATION {
            let input = Input::of(number);
            assert!(input.account.starts_with("a0001-"));
            accounts.entry(input.account).or_default().push(input.kind);
        }
        assert_eq!(accounts.len() as u64, ACCOUNTS);
        for kinds in accounts.values() {
            for kind in [Kind::Order, Kind::KeyedOrder, Kind::Refund] {
                assert!(kinds.contains(&kind));
            }
        }
    }

    #[test]
    fn every_partition_is_fed_within_a_second() {
        let inputs = (1000..1400).map(Input::of);
        let mut fed = [[0; PARTITIONS as usize]; 2];
        for input in inputs {
            let account = partition_for_key(input.account.as_bytes(), PARTITIONS);
            fed[0][input.partition() as usize] += 1;
            fed[1][account as usize] += 1;
        }
        assert!(fed.iter().flatten().all(|&count| count > 5), "{fed:?}");
    }
}
