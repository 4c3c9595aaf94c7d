//! A task keeps a value of one thread while it waits.

use std::rc::Rc;

use faustus::prelude::*;

async fn wait() -> faustus::Result {
    let name = Rc::new("ann".to_owned());
    std::future::ready(()).await;
    println!("{name}");
    Ok(())
}

fn main() {
    let _ = App::new("app").task("wait", wait);
}
