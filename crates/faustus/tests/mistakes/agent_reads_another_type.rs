//! The agent reads numbers, and its topic has texts.

use faustus::prelude::*;

async fn add(mut numbers: Stream<u64>) -> faustus::Result {
    while numbers.next().await?.is_some() {}
    Ok(())
}

fn main() {
    let app = App::new("app");
    let names: Topic<String> = app.topic("names");
    let _ = app.agent("add", &names, |a| a.run(add));
}
