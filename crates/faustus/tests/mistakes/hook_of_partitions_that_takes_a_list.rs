//! A hook of partitions wants them in another form.

use faustus::{TopicPartition, prelude::*};

async fn came(_: Vec<TopicPartition>) -> faustus::Result {
    Ok(())
}

fn main() {
    let _ = App::new("app").on_partitions_assigned(came);
}
