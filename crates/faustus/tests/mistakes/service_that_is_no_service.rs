//! A service is a mere function.

use faustus::prelude::*;

async fn listen() -> faustus::Result {
    Ok(())
}

fn main() {
    let _ = App::new("app").service("listener", |s| s.run(listen));
}
