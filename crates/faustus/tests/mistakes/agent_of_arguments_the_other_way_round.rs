//! The stream comes before the state.

use faustus::prelude::*;

async fn print(_: Stream<String>, State(_): State<u32>) -> faustus::Result {
    Ok(())
}

fn main() {
    let app = App::new("app").with_state(7_u32);
    let names = app.topic("names");
    let _ = app.agent("print", &names, |a| a.run(print));
}
