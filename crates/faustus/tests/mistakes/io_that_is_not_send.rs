//! What is to run on other threads keeps a value of one thread.

use std::rc::Rc;

use faustus::prelude::*;

async fn print(mut names: Stream<String>) -> faustus::Result {
    while let Some(name) = names.next().await? {
        let name = Rc::new(name.clone());
        faustus::io(async move { name.len() }).await;
    }
    Ok(())
}

fn main() {
    let _ = print;
}
