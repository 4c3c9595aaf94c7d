//! A program for the tests of exit codes: it takes one event in hand, says so, and never completes it.

use std::{
    future::pending,
    io::{self, Write as _},
    process::ExitCode,
};

use faustus::prelude::*;

async fn hold(mut events: Stream<String>) -> faustus::Result {
    while let Some(event) = events.next().await? {
        writeln!(io::stdout(), "has {} in hand", *event)?;
        pending::<()>().await;
    }
    Ok(())
}

async fn send(State(events): State<Topic<String>>) -> faustus::Result {
    events.send(&(), &"an event".to_owned()).await?;
    Ok(())
}

fn main() -> ExitCode {
    let app = App::new("never-done");
    let events = app.topic("events").partitions(1);
    app.with_state(events.clone())
        .agent("hold", &events, |a| a.run(hold))
        .task("send", send)
        .main()
}
