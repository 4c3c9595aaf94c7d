//! The agent is a plain function.

use faustus::prelude::*;

fn print(_: Stream<String>) -> faustus::Result {
    Ok(())
}

fn main() {
    let app = App::new("app");
    let names = app.topic("names");
    let _ = app.agent("print", &names, |a| a.run(print));
}
