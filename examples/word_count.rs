//! Counts the words of the project's own documents and shows the ten most frequent ones, live.
//!
//! ```text
//! cargo run --bin word_count -- worker --exactly-once
//! ```
//!
//! Lines go into the topic `lines`, each is split into `words`, and each word is counted in the table
//! `counts`. Stop it with Ctrl-C or kill it at any moment, start it again, and it goes on where it was.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
    time::Duration,
};

use faustus::prelude::*;
use parking_lot::Mutex;

/// What agents and tasks share.
#[derive(Clone)]
struct Words {
    lines: Topic<String>,
    words: Topic<String>,
    counts: Table<String, u64>,
    /// The counts as they are shown.
    shown: Arc<Mutex<BTreeMap<String, u64>>>,
}

/// Splits each line into words, which are sent as a part of the line's event.
async fn split(State(app): State<Words>, mut lines: Stream<String>) -> faustus::Result {
    while let Some(line) = lines.next().await? {
        for word in line
            .split(|c: char| !c.is_alphanumeric())
            .filter(|word| word.len() > 2)
        {
            let word = word.to_lowercase();
            line.send(&app.words, &word, &word)?;
        }
    }
    Ok(())
}

/// Counts each word. Equal words meet in one partition, because the word is the record's key.
async fn count(State(app): State<Words>, mut words: Stream<String>) -> faustus::Result {
    let counts = words.bind(&app.counts);
    // What earlier runs counted is in the table already.
    counts.for_each(|word, count| {
        app.shown.lock().insert(word.clone(), *count);
    })?;
    while let Some(word) = words.next().await? {
        let total = counts.update(&*word, |count| *count += 1)?;
        app.shown.lock().insert(word.to_string(), total);
    }
    Ok(())
}

/// Sends the lines that are not in the topic yet: their number is where it ends.
async fn feed(State(app): State<Words>) -> faustus::Result {
    let sent: i64 = app.lines.end_offsets().await?.iter().map(|end| end.0).sum();
    let sent = usize::try_from(sent)?;
    for (number, line) in documents().into_iter().enumerate().skip(sent) {
        app.lines.send(&number, &line).await?;
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    Ok(())
}

/// Shows the most frequent words whenever they have changed.
async fn show(State(app): State<Words>) -> faustus::Result {
    let mut last = String::new();
    loop {
        tokio::time::sleep(Duration::from_millis(250)).await;
        let counts = app.shown.lock().clone();
        let mut top: Vec<_> = counts.iter().collect();
        top.sort_by(|a, b| b.1.cmp(a.1).then(a.0.cmp(b.0)));
        let mut text = String::new();
        writeln!(
            text,
            "{} words, {} different",
            counts.values().sum::<u64>(),
            counts.len()
        )?;
        for (word, count) in top.into_iter().take(10) {
            writeln!(text, "{count:>7}  {word}")?;
        }
        if text != last {
            writeln!(io::stdout(), "{text}")?;
            last = text;
        }
    }
}

/// All lines of the Markdown files of this project, in a fixed order.
fn documents() -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut files = markdown(&root);
    files.extend(markdown(&root.join("docs")));
    files.sort();
    let texts = files
        .iter()
        .filter_map(|file| fs::read_to_string(file).ok());
    texts
        .flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>())
        .collect()
}

fn markdown(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|e| e == "md"))
        .collect()
}

fn app() -> App<Words> {
    let app = App::new("word-count");
    let lines = app.topic::<String>("lines").partitions(4);
    let words = app.topic::<String>("words").partitions(4);
    let counts = app.table("counts");
    let state = Words {
        lines,
        words,
        counts,
        shown: Arc::default(),
    };
    let Words {
        lines,
        words,
        counts,
        ..
    } = state.clone();
    app.with_state(state)
        .agent("split", &lines, |a| a.run(split))
        .agent("count", &words, |a| a.table(&counts).run(count))
        .task("feed", feed)
        .task("show", show)
}

fn main() -> ExitCode {
    app().main()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use faustus::{Settings, testing::simulate};

    #[test]
    fn words_are_counted_over_a_crash() {
        simulate(7, async |cluster| {
            let worker = cluster.worker(super::app(), Settings::default());
            cluster.sleep(std::time::Duration::from_secs(1)).await;
            worker.shutdown().await.unwrap();
            let worker = cluster.worker(super::app(), Settings::default());
            // Two milliseconds a line, and some for the last words.
            let lines = super::documents();
            cluster
                .sleep(std::time::Duration::from_millis(
                    4 * lines.len() as u64 + 5000,
                ))
                .await;
            let mut expected: BTreeMap<String, u64> = BTreeMap::new();
            for line in lines {
                for word in line
                    .split(|c: char| !c.is_alphanumeric())
                    .filter(|word| word.len() > 2)
                {
                    *expected.entry(word.to_lowercase()).or_default() += 1;
                }
            }
            assert_eq!(worker.table::<String, u64>("counts").await, expected);
        });
    }
}
