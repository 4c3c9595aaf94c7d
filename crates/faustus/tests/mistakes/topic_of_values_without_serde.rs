//! The values of the topic have no form in JSON.

use faustus::prelude::*;

struct Order(u64);

fn main() {
    let app = App::new("app");
    let _: Topic<Order> = app.topic("orders");
}
