//! The interval of a timer is a mere number.

use faustus::prelude::*;

async fn tick() -> faustus::Result {
    Ok(())
}

fn main() {
    let _ = App::new("app").timer("tick", 5, tick);
}
