//! Topics of two types are read as one.

use faustus::prelude::*;

fn main() {
    let app = App::new("app");
    let names: Topic<String> = app.topic("names");
    let numbers: Topic<u64> = app.topic("numbers");
    let _ = names.combine(&numbers);
}
