//! A float is no key: two that are equal may be different bytes.

use faustus::prelude::*;

fn main() {
    let app = App::new("app");
    let _: Table<f64, u64> = app.table("totals");
}
