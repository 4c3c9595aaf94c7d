//! An event is taken out of the loop and forgotten.

#![deny(unused_must_use)]

use faustus::prelude::*;

async fn skip(mut names: Stream<String>) -> faustus::Result {
    while let Some(name) = names.next().await? {
        name.detach()?;
    }
    Ok(())
}

fn main() {
    let _ = skip;
}
