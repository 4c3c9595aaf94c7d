//! Withdrawals of money: totals of each user and, grouped anew, of each country.
//!
//! ```text
//! cargo run --bin withdrawals -- worker --exactly-once
//! ```
//!
//! Records have a date and a decimal amount, so that cents stay cents. They come by user; the agent of
//! countries has them brought together by country, through a topic that is made for it.

#![expect(clippy::print_stdout, reason = "to print is what it is for")]

use std::process::ExitCode;

use faustus::prelude::*;
use jiff::Timestamp;
use rust_decimal::Decimal;

/// Money that a user takes from an account.
#[derive(Clone, Debug, Record, Serialize, Deserialize)]
struct Withdrawal {
    user: String,
    country: String,
    amount: Decimal,
    #[serde(with = "faustus::with::iso")]
    date: Timestamp,
}

/// What agents and tasks share.
#[derive(Clone)]
struct Bank {
    /// How many withdrawals each worker sends.
    count: u32,
    withdrawals: Topic<Withdrawal>,
    users: Table<String, Decimal>,
    countries: Table<String, Decimal>,
}

/// Adds up what each user takes.
async fn track_user(State(bank): State<Bank>, mut stream: Stream<Withdrawal>) -> faustus::Result {
    let users = stream.bind(&bank.users);
    while let Some(withdrawal) = stream.next().await? {
        users.update(&*withdrawal.user, |total| *total += withdrawal.amount)?;
    }
    Ok(())
}

/// Adds up what is taken in each country.
async fn track_country(
    State(bank): State<Bank>,
    mut stream: Stream<Withdrawal>,
) -> faustus::Result {
    let countries = stream.bind(&bank.countries);
    while let Some(withdrawal) = stream.next().await? {
        countries.update(&*withdrawal.country, |total| *total += withdrawal.amount)?;
    }
    Ok(())
}

/// The withdrawal of this number: of 500 users, most of whom live in one country.
fn withdrawal(number: u32) -> Withdrawal {
    let country = match number % 100 {
        0..90 => "USA",
        90..92 => "Norway",
        92..94 => "Germany",
        94..96 => "France",
        96..98 => "Japan",
        _ => "Brazil",
    };
    Withdrawal {
        user: format!("user-{}", number % 500),
        country: country.to_owned(),
        amount: Decimal::new(i64::from(number % 2000) + 1, 2),
        date: Timestamp::now(),
    }
}

/// Sends withdrawals, a hundred in a second.
async fn produce(State(bank): State<Bank>) -> faustus::Result {
    for number in 0..bank.count {
        let withdrawal = withdrawal(number);
        bank.withdrawals.send(&withdrawal.user, &withdrawal).await?;
        tokio::time::sleep(millis(10)).await;
    }
    Ok(())
}

/// Prints the totals of the countries that this worker has.
async fn show(State(bank): State<Bank>) -> faustus::Result {
    let text = bank
        .countries
        .to_text("Countries", "Country", "Total")
        .await?;
    println!("{text}");
    Ok(())
}

fn app(count: u32) -> App<Bank> {
    let app = App::new("withdrawals");
    let bank = Bank {
        count,
        withdrawals: app.topic("withdrawals"),
        users: app.table("users"),
        countries: app.table("countries"),
    };
    let Bank {
        withdrawals,
        users,
        countries,
        ..
    } = bank.clone();
    let by_country = withdrawals.group_by(Withdrawal::COUNTRY);
    app.with_state(bank)
        .agent("track-user", &withdrawals, |a| {
            a.table(&users).run(track_user)
        })
        .agent("track-country", by_country, |a| {
            a.table(&countries).run(track_country)
        })
        .task("produce", produce)
        .timer("show", secs(5), show)
}

fn main() -> ExitCode {
    app(u32::MAX).main()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use faustus::{Guarantee, Settings, prelude::*, testing::simulate};
    use rust_decimal::Decimal;

    use super::{Withdrawal, app};

    type Totals = BTreeMap<String, Decimal>;

    #[test]
    fn totals_of_users_and_countries_are_right_to_the_cent_over_a_crash() {
        for seed in 0..3 {
            simulate(seed, async |cluster| {
                let settings = || Settings {
                    guarantee: Guarantee::ExactlyOnce,
                    session_timeout: secs(5),
                    ..Settings::default()
                };
                let start = || cluster.worker(app(1000), settings());
                let (one, _two) = (start(), start());
                cluster.sleep(secs(5)).await;
                one.crash();
                start();
                cluster.sleep(secs(15)).await;
                cluster.settle().await;

                let (mut users, mut countries) = (Totals::new(), Totals::new());
                for record in cluster.records("withdrawals").await {
                    let withdrawal: Withdrawal = record.json();
                    *users.entry(withdrawal.user).or_default() += withdrawal.amount;
                    *countries.entry(withdrawal.country).or_default() += withdrawal.amount;
                }
                assert_eq!((users.len(), countries.len()), (500, 6));
                let counted: Totals = cluster.changelog("withdrawals", "users").await;
                assert_eq!(counted, users, "seed {seed}");
                let counted: Totals = cluster.changelog("withdrawals", "countries").await;
                assert_eq!(counted, countries, "seed {seed}");
            });
        }
    }

    #[test]
    fn a_record_is_as_pythons_faust_writes_it() {
        let bytes = br#"{"user":"ann","country":"Norway","amount":"1.10","date":"2020-01-02T03:04:05+00:00"}"#;
        let withdrawal: Withdrawal = serde_json::from_slice(bytes).unwrap();
        assert_eq!(withdrawal.amount, Decimal::new(110, 2));
        assert_eq!(withdrawal.date.to_string(), "2020-01-02T03:04:05Z");
    }
}
