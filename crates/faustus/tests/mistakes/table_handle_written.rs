//! A table is written by its handle, which reads.

use faustus::prelude::*;

async fn reset(totals: Table<String, u64>) -> faustus::Result {
    totals.set("ann", 0).await?;
    Ok(())
}

fn main() {
    let _ = reset;
}
