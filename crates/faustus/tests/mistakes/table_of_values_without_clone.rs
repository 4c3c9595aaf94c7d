//! The values of the table cannot be copied out of it.

use faustus::prelude::*;

#[derive(Serialize, Deserialize)]
struct Total(u64);

fn main() {
    let app = App::new("app");
    let _: Table<String, Total> = app.table("totals");
}
