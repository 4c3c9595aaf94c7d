//! An agent of numbers is asked with a text.

use faustus::prelude::*;

async fn ask(doubler: Agent<u64, u64>) -> faustus::Result<u64> {
    doubler.ask(&(), "seven").await
}

fn main() {
    let _ = ask;
}
