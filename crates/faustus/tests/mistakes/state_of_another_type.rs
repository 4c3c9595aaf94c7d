//! The agent wants another state than `with_state` was given.

use faustus::prelude::*;

async fn greet(State(_): State<String>, mut names: Stream<String>) -> faustus::Result {
    while names.next().await?.is_some() {}
    Ok(())
}

fn main() {
    let app = App::new("app").with_state(7_u32);
    let names = app.topic("names");
    let _ = app.agent("greet", &names, |a| a.run(greet));
}
