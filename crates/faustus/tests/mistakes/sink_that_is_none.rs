//! What an agent replies is to go somewhere, and the name of a topic is no topic.

use faustus::prelude::*;

async fn count(mut names: Stream<String, usize>) -> faustus::Result {
    while let Some(name) = names.next().await? {
        name.reply(name.len());
    }
    Ok(())
}

fn main() {
    let app = App::new("app");
    let names = app.topic("names");
    let _ = app.agent("count", &names, |a| a.sink("lengths").run(count));
}
