//! A timer wants to be told something.

use std::time::Duration;

use faustus::prelude::*;

async fn tick(_: Duration) -> faustus::Result {
    Ok(())
}

fn main() {
    let _ = App::new("app").timer("tick", secs(1), tick);
}
