//! The description of the agent has no end.

use faustus::prelude::*;

fn main() {
    let app = App::new("app");
    let names: Topic<String> = app.topic("names");
    let out: Topic<String> = app.topic("out");
    let _ = app.agent("print", &names, |a| a.sink(&out));
}
