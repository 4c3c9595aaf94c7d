//! The agent replies numbers, and its sink has texts.

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
    let texts: Topic<String> = app.topic("texts");
    let _ = app.agent("count", &names, |a| a.sink(&texts).run(count));
}
