//! A record has no names for its fields.

use faustus::prelude::*;

#[derive(Record, Serialize, Deserialize)]
struct Order(String, u64);

fn main() {}
