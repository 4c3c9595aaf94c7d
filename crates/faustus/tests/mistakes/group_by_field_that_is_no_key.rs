//! Records are grouped by an amount, which is no key.

use faustus::prelude::*;

#[derive(Record, Serialize, Deserialize)]
struct Order {
    amount: f64,
}

fn main() {
    let app = App::new("app");
    let orders: Topic<Order> = app.topic("orders");
    let _ = orders.group_by(Order::AMOUNT);
}
