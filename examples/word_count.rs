//! Counts the words of the project's own documents and shows the ten most frequent ones, live.
//!
//! ```text
//! cargo run --bin word_count -- worker --exactly-once
//! ```
//!
//! Lines go into the topic `lines`, each is split into `words`, and each word is counted in the table
//! `counts`. Stop it with Ctrl-C or kill it at any moment, start it again, and it goes on where it was.
//!
//! On Kafka it may run in several processes, and each shows the words that it counts. All of them feed
//! all lines whenever they start. That does no harm: a line has a name, and the table `first` knows
//! where each came first. So lines count once however often they were sent, while `--exactly-once`
//! sees to it that what came is counted once whatever crashes.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
    process::ExitCode,
    sync::{Arc, Weak},
    time::Duration,
};

use faustus::prelude::*;
use parking_lot::Mutex;

/// How long a line takes, so that there is something to watch and time to interrupt.
const PACE: Duration = Duration::from_millis(30);

/// A line of a document.
#[derive(Serialize, Deserialize)]
struct Line {
    /// Its name: file and number.
    at: String,
    text: String,
}

/// What agents and tasks share.
#[derive(Clone)]
struct Words {
    lines: Topic<Line>,
    words: Topic<String>,
    /// The offset at which each line came first.
    first: Table<String, i64>,
    counts: Table<String, u64>,
    shown: Shown,
}

/// Splits each line into words, which are sent as a part of the line's event.
async fn split(State(app): State<Words>, mut lines: Stream<Line>) -> faustus::Result {
    let first = lines.bind(&app.first);
    while let Some(line) = lines.next().await? {
        let offset = line.offset().0;
        // Asked with the offset, so that the first record may come again after a crash.
        if first.modify(&*line.at, |first| *first.get_or_insert(offset))? != offset {
            continue;
        }
        tokio::time::sleep(PACE).await;
        for word in line
            .text
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
    let shown = app.shown.part();
    // What earlier runs counted is in the table already.
    counts.for_each(|word, count| {
        shown.lock().insert(word.clone(), *count);
    })?;
    while let Some(word) = words.next().await? {
        let total = counts.update(&*word, |count| *count += 1)?;
        shown.lock().insert(word.to_string(), total);
    }
    Ok(())
}

/// Sends all lines, at each start: sends that leave at once may double, so `split` expects it.
async fn feed(State(app): State<Words>) -> faustus::Result {
    for line in documents()? {
        app.lines.send(&line.at, &line).await?;
    }
    Ok(())
}

/// Shows the most frequent words whenever they have changed.
async fn show(State(app): State<Words>) -> faustus::Result {
    let mut last = String::new();
    loop {
        tokio::time::sleep(Duration::from_millis(250)).await;
        let counts = app.shown.all();
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

/// The counts of one partition, as they are shown.
type Part = Mutex<BTreeMap<String, u64>>;

/// The counts as they are shown: a part for each partition that this process counts.
#[derive(Clone, Default)]
struct Shown(Arc<Mutex<Vec<Weak<Part>>>>);

impl Shown {
    /// A new part, shown for as long as it is held.
    fn part(&self) -> Arc<Part> {
        let part = Arc::default();
        let mut parts = self.0.lock();
        parts.retain(|part| part.strong_count() > 0);
        parts.push(Arc::downgrade(&part));
        part
    }

    /// All parts together.
    fn all(&self) -> BTreeMap<String, u64> {
        let parts = self.0.lock();
        let held = parts.iter().filter_map(Weak::upgrade);
        held.flat_map(|part| part.lock().clone()).collect()
    }
}

/// All lines of the project's documents, in a fixed order.
fn documents() -> io::Result<Vec<Line>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut lines = Vec::new();
    for directory in ["", "docs", "docs/book", "docs/design"] {
        for name in markdown(&root.join(directory))? {
            let file = Path::new(directory).join(name);
            let text = fs::read_to_string(root.join(&file))?;
            lines.extend((1..).zip(text.lines()).map(|(number, text)| Line {
                at: format!("{}:{number}", file.display()),
                text: text.to_owned(),
            }));
        }
    }
    Ok(lines)
}

/// The names of the Markdown files in a directory.
fn markdown(directory: &Path) -> io::Result<BTreeSet<PathBuf>> {
    let mut names = BTreeSet::new();
    for entry in fs::read_dir(directory)? {
        let name = PathBuf::from(entry?.file_name());
        if name.extension().is_some_and(|extension| extension == "md") {
            names.insert(name);
        }
    }
    Ok(names)
}

fn app() -> App<Words> {
    let app = App::new("word-count");
    let state = Words {
        lines: app.topic("lines").partitions(4),
        words: app.topic("words").partitions(4),
        first: app.table("first"),
        counts: app.table("counts"),
        shown: Shown::default(),
    };
    let Words {
        lines,
        words,
        first,
        counts,
        ..
    } = state.clone();
    app.with_state(state)
        .agent("split", &lines, |a| a.table(&first).run(split))
        .agent("count", &words, |a| a.table(&counts).run(count))
        .task("feed", feed)
        .task("show", show)
}

fn main() -> ExitCode {
    app().main()
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, time::Duration};

    use faustus::{Guarantee, Settings, testing::simulate};

    /// What must be counted.
    fn expected() -> BTreeMap<String, u64> {
        let mut counts = BTreeMap::new();
        for line in super::documents().unwrap() {
            for word in line.text.split(|c: char| !c.is_alphanumeric()) {
                if word.len() > 2 {
                    *counts.entry(word.to_lowercase()).or_default() += 1;
                }
            }
        }
        counts
    }

    /// What two workers have counted after one of them crashed in the middle of it and came again.
    fn counted_over_a_crash(seed: u64, guarantee: Guarantee) -> BTreeMap<String, u64> {
        simulate(seed, async |cluster| {
            let start = || {
                let settings = Settings {
                    guarantee,
                    session_timeout: Duration::from_secs(2),
                    ..Settings::default()
                };
                cluster.worker(super::app(), settings)
            };
            let (one, _other) = (start(), start());
            let total: u64 = expected().values().sum();
            let mut counted = 0;
            while counted < total / 3 {
                cluster.sleep(Duration::from_millis(100)).await;
                let counts = cluster.changelog::<String, u64>("word-count", "counts");
                counted = counts.await.values().sum();
            }
            assert!(counted < total, "it was in the middle (seed {seed})");
            one.crash();
            start();
            cluster.settle().await;
            cluster.changelog("word-count", "counts").await
        })
    }

    #[test]
    fn two_workers_that_feed_the_same_lines_count_each_once_over_a_crash_exactly_once() {
        for seed in 0..4 {
            let counted = counted_over_a_crash(seed, Guarantee::ExactlyOnce);
            assert_eq!(counted, expected(), "seed {seed}");
        }
    }

    #[test]
    fn two_workers_lose_no_word_over_a_crash_at_least_once() {
        for seed in 0..4 {
            let counted = counted_over_a_crash(seed, Guarantee::AtLeastOnce);
            for (word, count) in expected() {
                assert!(counted[&word] >= count, "{word} (seed {seed})");
            }
        }
    }
}
