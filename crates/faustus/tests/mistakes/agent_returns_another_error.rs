//! The agent gives an error of its own type.

use faustus::prelude::*;

async fn print(_: Stream<String>) -> Result<(), std::fmt::Error> {
    Err(std::fmt::Error)
}

fn main() {
    let app = App::new("app");
    let names = app.topic("names");
    let _ = app.agent("print", &names, |a| a.run(print));
}
