//! A reference to a value is kept after the closure that may look at it.

use faustus::prelude::*;

async fn best(State(scores): State<Table<String, String>>, mut names: Stream<String>) -> faustus::Result {
    let scores = names.bind(&scores);
    while let Some(name) = names.next().await? {
        let score = scores.with(&*name, |score| score)?;
        println!("{score:?}");
    }
    Ok(())
}

fn main() {
    let app = App::new("app");
    let (names, scores) = (app.topic("names"), app.table("scores"));
    let app = app.with_state(scores.clone());
    let _ = app.agent("best", &names, |a| a.table(&scores).run(best));
}
