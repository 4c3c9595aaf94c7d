//! A record is sent under a struct that is no key.

use faustus::prelude::*;

struct Account(u32);

async fn send(names: Topic<String>) -> faustus::Result {
    names.send(&Account(7), &"ann".to_owned()).await?;
    Ok(())
}

fn main() {
    let _ = send;
}
