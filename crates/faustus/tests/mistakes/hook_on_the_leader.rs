//! A hook is to run on the leader alone.

use faustus::prelude::*;

async fn greet() -> faustus::Result {
    Ok(())
}

fn main() {
    let _ = App::new("app").on_start(on_leader(greet));
}
