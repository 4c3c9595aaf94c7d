//! What is to be sent at once is not waited for, and so never sent.

#![deny(unused_must_use)]

use faustus::prelude::*;

async fn tick(State(ticks): State<Topic<String>>) -> faustus::Result {
    ticks.send(&(), &"tick".to_owned());
    Ok(())
}

fn main() {
    let _ = tick;
}
