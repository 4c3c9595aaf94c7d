//! The agent wants a state, and the application has none.

use faustus::prelude::*;

async fn greet(State(_): State<String>, mut names: Stream<String>) -> faustus::Result {
    while names.next().await?.is_some() {}
    Ok(())
}

fn main() {
    let app = App::new("app");
    let names = app.topic("names");
    let _ = app.agent("greet", &names, |a| a.run(greet));
}
