//! `run` is given a function that wants values one by one.

use faustus::prelude::*;

async fn shout(name: String) -> faustus::Result<String> {
    Ok(name.to_uppercase())
}

fn main() {
    let app = App::new("app");
    let (names, shouts) = (app.topic::<String>("names"), app.topic::<String>("shouts"));
    let _ = app.agent("shout", &names, |a| a.sink(&shouts).run(shout));
}
