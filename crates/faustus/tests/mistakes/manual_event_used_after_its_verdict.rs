//! An event is used after it was acknowledged.

use faustus::prelude::*;

async fn count(names: Stream<String, usize>) -> faustus::Result {
    let mut names = names.manual();
    while let Some(mut name) = names.next().await? {
        name.ack();
        name.reply(name.len());
    }
    Ok(())
}

fn main() {
    let _ = count;
}
