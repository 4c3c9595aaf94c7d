//! An event is kept while the next one is asked for, which completes it.

use faustus::prelude::*;

async fn pairs(mut names: Stream<String>) -> faustus::Result {
    let mut last = None;
    while let Some(name) = names.next().await? {
        if let Some(last) = last.replace(name) {
            println!("{}", *last);
        }
    }
    Ok(())
}

fn main() {
    let app = App::new("app");
    let names = app.topic("names");
    let _ = app.agent("pairs", &names, |a| a.run(pairs));
}
