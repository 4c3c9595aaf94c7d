//! Two agents in a row: sentences become words, words are counted.

use std::collections::BTreeMap;

use faustus::{Ended, prelude::*};

use crate::{
    common::{Outside, Running, both},
    disk::{Disk, settings},
};

#[derive(Clone)]
struct Words {
    words: Topic<String>,
    counts: Table<String, u64>,
}

async fn split(State(to): State<Words>, mut sentences: Stream<String>) -> faustus::Result {
    while let Some(sentence) = sentences.next().await? {
        for word in sentence.split_whitespace() {
            sentence.send(&to.words, word, &word.to_owned())?;
        }
    }
    Ok(())
}

async fn count(State(to): State<Words>, mut words: Stream<String, u64>) -> faustus::Result {
    let counts = words.bind(&to.counts);
    while let Some(word) = words.next().await? {
        word.reply(counts.update(word.as_str(), |count| *count += 1)?);
    }
    Ok(())
}

fn app(name: &str) -> App<Words> {
    let app = App::new(name);
    let sentences = app.topic::<String>("sentences").partitions(3);
    let words = app.topic::<String>("words").partitions(4);
    let said = app.topic::<u64>("said");
    let counts = app.table("counts");
    app.with_state(Words {
        words: words.clone(),
        counts: counts.clone(),
    })
    .agent("split", &sentences, |a| a.run(split))
    .agent("count", &words, |a| {
        a.concurrency(2).table(&counts).sink(&said).run(count)
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn words_are_counted_behind_another_agent() {
    const SENTENCES: [&str; 4] = [
        "the quick brown fox jumps over the lazy dog",
        "the dog sleeps",
        "",
        "a fox is quick and a dog is not",
    ];
    const TIMES: u64 = 250;
    both("words", async |name, guarantee| {
        let disk = Disk::new();
        for round in 1..=2 {
            let log = disk.open().await;
            let outside = Outside::new(&log);
            let worker = Running::start(app(name), &log, settings(guarantee)).await;
            let sentences = (0..TIMES).flat_map(|i| {
                let each = SENTENCES.iter().enumerate();
                each.map(move |(j, text)| (format!("{i}.{j}"), format!("{text:?}")))
            });
            outside.send("sentences", sentences).await;
            outside.settle(&[&worker]).await;
            let mut expected: BTreeMap<String, u64> = BTreeMap::new();
            for word in SENTENCES.iter().flat_map(|text| text.split_whitespace()) {
                *expected.entry(word.to_owned()).or_default() += TIMES * round;
            }
            let counted = outside.changelog(name, "counts").await;
            assert_eq!(counted, expected, "{name}");
            let table: BTreeMap<String, u64> = worker.handle.table("counts").await.unwrap();
            assert_eq!(table, expected, "{name}");
            let said = outside.records("said").await.len() as u64;
            assert_eq!(said, expected.values().sum::<u64>(), "{name}");
            assert_eq!(worker.shutdown().await, Ended::Drained);
        }
    })
    .await;
}
