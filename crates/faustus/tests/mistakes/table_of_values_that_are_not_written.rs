//! The values of the table have no form in its changelog.

use faustus::prelude::*;

#[derive(Clone)]
struct Total(u64);

fn main() {
    let app = App::new("app");
    let _: Table<String, Total> = app.table("totals");
}
