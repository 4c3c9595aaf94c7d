//! The agent gives nothing back, where an error would go.

use faustus::prelude::*;

async fn print(mut names: Stream<String>) {
    while let Ok(Some(_)) = names.next().await {}
}

fn main() {
    let app = App::new("app");
    let names = app.topic("names");
    let _ = app.agent("print", &names, |a| a.run(print));
}
