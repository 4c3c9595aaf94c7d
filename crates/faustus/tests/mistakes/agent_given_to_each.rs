//! `each` is given an agent, which wants the stream.

use faustus::prelude::*;

async fn print(mut names: Stream<String>) -> faustus::Result {
    while names.next().await?.is_some() {}
    Ok(())
}

fn main() {
    let app = App::new("app");
    let names: Topic<String> = app.topic("names");
    let _ = app.agent("print", &names, |a| a.each(print));
}
