//! A table of sets: who is at which place, from a topic of those who come and one of those who leave.
//!
//! ```text
//! cargo run --bin tableofset
//! ```
//!
//! A timer has people come and go, and another one shows who is where. The sets survive `kill -9`.

#![expect(clippy::print_stdout, reason = "to print is what it is for")]

use std::{collections::BTreeSet, process::ExitCode};

use faustus::prelude::*;

/// Somebody comes to a place, or leaves it.
#[derive(Clone, Debug, Record, Serialize, Deserialize)]
struct Visit {
    place: String,
    name: String,
}

/// Who is at each place.
type People = Table<String, BTreeSet<String>>;

#[derive(Clone)]
struct Places {
    people: People,
    joining: Topic<Visit>,
    leaving: Topic<Visit>,
}

async fn join(State(places): State<Places>, mut visits: Stream<Visit>) -> faustus::Result {
    let people = visits.bind(&places.people);
    while let Some(visit) = visits.next().await? {
        people.update(&*visit.place, |names| {
            names.insert(visit.name.clone());
        })?;
    }
    Ok(())
}

async fn leave(State(places): State<Places>, mut visits: Stream<Visit>) -> faustus::Result {
    let people = visits.bind(&places.people);
    while let Some(visit) = visits.next().await? {
        people.update(&*visit.place, |names| {
            names.remove(&visit.name);
        })?;
        if people.with(&*visit.place, |names| names.is_none_or(BTreeSet::is_empty))? {
            people.remove(&*visit.place)?;
        }
    }
    Ok(())
}

/// Ann and Ben take turns: the one comes to the place that the other one leaves.
async fn visit(State(places): State<Places>) -> faustus::Result {
    for (place, name) in [("park", "ann"), ("pool", "ben")] {
        let visit = Visit {
            place: place.into(),
            name: name.into(),
        };
        places.joining.send(place, &visit).await?;
    }
    let gone = Visit {
        place: "pool".into(),
        name: "ben".into(),
    };
    places.leaving.send("pool", &gone).await?;
    Ok(())
}

async fn show(State(places): State<Places>) -> faustus::Result {
    println!("{}", places.people.to_text("People", "Place", "Who").await?);
    Ok(())
}

fn app() -> App<Places> {
    let app = App::new("tableofset");
    let people: People = app.table("people");
    let (joining, leaving) = (app.topic("people-join"), app.topic("people-leave"));
    let places = Places {
        people: people.clone(),
        joining: joining.clone(),
        leaving: leaving.clone(),
    };
    app.with_state(places)
        .agent("join", &joining, |a| a.table(&people).run(join))
        .agent("leave", &leaving, |a| a.table(&people).run(leave))
        .timer("visit", secs(2), on_leader(visit))
        .timer("show", secs(5), show)
}

fn main() -> ExitCode {
    app().main()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use faustus::{Guarantee, Settings, testing::simulate};

    use super::*;

    #[test]
    fn sets_hold_who_came_and_did_not_leave_also_after_a_crash() {
        for seed in 0..5 {
            simulate(seed, async |cluster| {
                let settings = Settings {
                    guarantee: Guarantee::ExactlyOnce,
                    ..Settings::default()
                };
                let worker = cluster.worker(app(), settings.clone());
                worker.handle().started().await.unwrap();
                let visits = [
                    ("people-join", "zoo", "cleo"),
                    ("people-join", "zoo", "dan"),
                    ("people-join", "bay", "dan"),
                ];
                for (topic, place, name) in visits {
                    let visit = Visit {
                        place: place.into(),
                        name: name.into(),
                    };
                    cluster.send(topic, place, &visit).await;
                }
                cluster.sleep(std::time::Duration::from_secs(1)).await;
                worker.crash();
                let worker = cluster.worker(app(), settings);
                worker.handle().started().await.unwrap();
                for (place, name) in [("zoo", "cleo"), ("bay", "dan")] {
                    let visit = Visit {
                        place: place.into(),
                        name: name.into(),
                    };
                    cluster.send("people-leave", place, &visit).await;
                }
                // The session of the worker that crashed has to end first.
                cluster.sleep(std::time::Duration::from_secs(60)).await;
                let people: BTreeMap<String, BTreeSet<String>> = worker.table("people").await;
                assert_eq!(
                    people["zoo"],
                    BTreeSet::from(["dan".to_owned()]),
                    "seed {seed}"
                );
                assert_eq!(people.get("bay"), None, "seed {seed}");
            });
        }
    }
}
