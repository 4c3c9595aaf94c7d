//! Orders are grouped by a field of refunds.

use faustus::prelude::*;

#[derive(Record, Serialize, Deserialize)]
struct Order {
    account: String,
}

#[derive(Record, Serialize, Deserialize)]
struct Refund {
    account: String,
}

fn main() {
    let app = App::new("app");
    let orders: Topic<Order> = app.topic("orders");
    let _ = orders.group_by(Refund::ACCOUNT);
}
