//! An attribute of the record is misspelt.

use faustus::prelude::*;

#[derive(Record, Serialize, Deserialize)]
#[record(namespce = "shop.Order")]
struct Order {
    account: String,
}

fn main() {}
