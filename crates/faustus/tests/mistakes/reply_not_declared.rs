//! The agent replies, and its stream does not say with what.

use faustus::prelude::*;

async fn count(mut names: Stream<String>) -> faustus::Result {
    while let Some(name) = names.next().await? {
        name.reply(name.len());
    }
    Ok(())
}

fn main() {
    let app = App::new("app");
    let names = app.topic("names");
    let _ = app.agent("count", &names, |a| a.run(count));
}
