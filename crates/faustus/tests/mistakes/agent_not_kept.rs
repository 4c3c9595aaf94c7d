//! An agent is added to an application that nobody keeps.

#![deny(unused_must_use)]

use faustus::prelude::*;

async fn print(_: Stream<String>) -> faustus::Result {
    Ok(())
}

fn main() {
    let app = App::new("app");
    let names = app.topic("names");
    app.agent("print", &names, |a| a.run(print));
}
