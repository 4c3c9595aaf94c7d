//! A service: what has a beginning and an end, and is there for agents in between.
//!
//! ```text
//! cargo run --bin service
//! ```
//!
//! The service is a connection to somewhere. It is made before the first greeting is processed and
//! ended after the last one, which Ctrl-C shows. A timer sends the greetings.

#![expect(clippy::print_stdout, reason = "to print is what it is for")]

use std::{process::ExitCode, sync::Arc};

use faustus::{Error, ErrorKind, Service, prelude::*};
use parking_lot::Mutex;

/// A connection to somewhere; here it is a list of what was said there. All clones are the same one.
#[derive(Clone, Default)]
struct Connection {
    /// `None` while there is no connection.
    said: Arc<Mutex<Option<Vec<String>>>>,
}

impl Connection {
    /// Says something at the other end.
    fn say(&self, text: &str) -> faustus::Result {
        let mut said = self.said.lock();
        let closed = || Error::new(ErrorKind::Unavailable, "there is no connection");
        said.as_mut().ok_or_else(closed)?.push(text.to_owned());
        println!("{text}");
        Ok(())
    }
}

impl Service for Connection {
    async fn start(&self) -> faustus::Result {
        *self.said.lock() = Some(Vec::new());
        println!("connected");
        Ok(())
    }

    async fn stop(&self) -> faustus::Result {
        let said = self.said.lock().take().unwrap_or_default();
        println!("hung up after {} greetings", said.len());
        Ok(())
    }
}

/// What agents and tasks share.
#[derive(Clone)]
struct Greeter {
    greetings: Topic<String>,
    connection: Connection,
}

/// Says each greeting at the other end.
async fn say(State(greeter): State<Greeter>, mut greetings: Stream<String>) -> faustus::Result {
    while let Some(greeting) = greetings.next().await? {
        greeter.connection.say(&greeting)?;
    }
    Ok(())
}

/// Sends a greeting.
async fn greet(State(greeter): State<Greeter>) -> faustus::Result {
    greeter.greetings.send(&(), &"hello".to_owned()).await?;
    Ok(())
}

fn app(connection: Connection) -> App<Greeter> {
    let app = App::new("service");
    let greetings = app.topic("service-greetings");
    let state = Greeter {
        greetings: greetings.clone(),
        connection: connection.clone(),
    };
    app.with_state(state)
        .service("connection", |s| s.run(connection))
        .agent("say", &greetings, |a| a.run(say))
        .timer("greet", secs(2), greet)
}

fn main() -> ExitCode {
    app(Connection::default()).main()
}

#[cfg(test)]
mod tests {
    use faustus::{Ended, Settings, prelude::*, testing::simulate};

    use super::{Connection, app};

    #[test]
    fn greetings_that_wait_are_said_once_the_service_has_started_and_before_it_stops() {
        simulate(1, async |cluster| {
            // From an earlier run, so that there is something to do at once.
            let earlier = cluster.worker(app(Connection::default()), Settings::default());
            cluster
                .send("service-greetings", "", &"waiting".to_owned())
                .await;
            earlier.crash();

            let connection = Connection::default();
            let worker = cluster.worker(app(connection.clone()), Settings::default());
            cluster.sleep(minutes(2)).await;
            cluster.settle().await;
            let said = connection.said.lock().clone().unwrap();
            assert!(said.contains(&"waiting".to_owned()), "{said:?}");
            assert_eq!(said.len(), cluster.records("service-greetings").await.len());

            assert_eq!(worker.shutdown().await.unwrap(), Ended::Drained);
            assert!(connection.said.lock().is_none(), "it is stopped");
            let refused = connection.say("anybody there?").unwrap_err();
            assert_eq!(refused.to_string(), "there is no connection");
        });
    }
}
