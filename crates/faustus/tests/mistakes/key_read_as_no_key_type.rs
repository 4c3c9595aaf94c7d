//! The key of a record is read as a float.

use faustus::prelude::*;

fn main() {
    let app = App::new("app");
    let names: Topic<String> = app.topic("names");
    let _ = names.keyed::<f64>();
}
