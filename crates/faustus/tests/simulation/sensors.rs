//! What workers count, and what sensors are told.

#[cfg(any(feature = "prometheus", feature = "opentelemetry"))]
mod exported;
mod monitor;
mod told;

use std::{sync::Arc, time::Duration};

use faustus::{
    CommitCompleted, CommitInitiated, Error, ErrorKind, EventIn, EventOut, FailurePolicy,
    Guarantee, MessagesIn, MessagesOut, SendCompleted, SendFailed, SendInitiated, Sensor, Settings,
    TableUse, TopicPartition, membership::TaskId, prelude::*,
};
use parking_lot::Mutex;

/// A sensor that writes down what it hears.
#[derive(Clone, Default)]
struct Notes {
    heard: Arc<Mutex<Vec<String>>>,
    events: bool,
    /// Panics when it hears something that begins so.
    panics_at: Option<&'static str>,
}

impl Notes {
    fn of_events() -> Self {
        Self {
            events: true,
            ..Self::default()
        }
    }

    fn note(&self, heard: String) {
        let panics = self.panics_at.is_some_and(|at| heard.starts_with(at));
        self.heard.lock().push(heard);
        assert!(!panics, "a sensor with a mistake");
    }

    /// What it heard that begins with one of these words.
    fn heard(&self, words: &[&str]) -> Vec<String> {
        let heard = self.heard.lock();
        let heard = heard
            .iter()
            .filter(|heard| words.contains(&heard.split(' ').next().unwrap_or_default()));
        heard.cloned().collect()
    }
}

fn positions(positions: &[(TopicPartition, faustus::Offset)]) -> String {
    let positions = positions
        .iter()
        .map(|(partition, offset)| format!("{partition}@{offset}"));
    positions.collect::<Vec<_>>().join(",")
}

impl Sensor for Notes {
    fn wants_events(&self) -> bool {
        self.events
    }

    fn on_messages_in(&self, m: &MessagesIn<'_>) {
        self.note(format!(
            "in {} {}..={} {}",
            m.partition, m.first, m.last, m.records
        ));
    }

    fn on_event_in(&self, e: &EventIn<'_>) {
        self.note(format!("event-in {} {}@{}", e.agent, e.partition, e.offset));
    }

    fn on_event_out(&self, e: &EventOut<'_>) {
        let millis = e.took.as_millis();
        self.note(format!(
            "event-out {} {}@{} {:?} {millis}ms",
            e.agent, e.partition, e.offset, e.end
        ));
    }

    fn on_messages_out(&self, m: &MessagesOut<'_>) {
        self.note(format!("out {} {}..{}", m.partition, m.from, m.to));
    }

    fn on_topic_buffer_full(&self, partition: &TopicPartition) {
        self.note(format!("full {partition}"));
    }

    fn on_table_use(&self, u: &TableUse<'_>) {
        self.note(format!(
            "table {} read {} set {} deleted {}",
            u.table, u.keys_read, u.keys_set, u.keys_deleted
        ));
    }

    fn on_commit_initiated(&self, c: &CommitInitiated<'_>) {
        self.note(format!("commit {}", positions(c.positions)));
    }

    fn on_commit_completed(&self, c: &CommitCompleted<'_>) {
        let ok = c.error.unwrap_or("ok");
        self.note(format!("committed {} {ok}", positions(c.positions)));
    }

    fn on_send_initiated(&self, s: &SendInitiated<'_>) {
        self.note(format!("send {} {}", s.partition, s.records));
    }

    fn on_send_completed(&self, s: &SendCompleted<'_>) {
        self.note(format!("sent {} {}", s.send.partition, s.send.records));
    }

    fn on_send_error(&self, s: &SendFailed<'_>) {
        self.note(format!("unsent {} {}", s.send.partition, s.error));
    }

    fn on_assignment_start(&self, task: &TaskId) {
        self.note(format!("assignment {task}"));
    }

    fn on_assignment_completed(&self, task: &TaskId, _: Duration) {
        self.note(format!("assigned {task}"));
    }

    fn on_assignment_error(&self, task: &TaskId, reason: &str) {
        self.note(format!("unassigned {task} {reason}"));
    }

    fn on_rebalance_start(&self) {
        self.note("rebalance-start".to_owned());
    }

    fn on_rebalance_return(&self, generation: i32, _: Duration) {
        self.note(format!("rebalance-return {generation}"));
    }

    fn on_rebalance_end(&self, _: Duration) {
        self.note("rebalance-end".to_owned());
    }
}

/// What the agent [`count`] works with.
#[derive(Clone)]
struct Parts {
    counts: Table<String, u64>,
    /// How long it has each event.
    takes: Duration,
}

/// Counts by word; `drop` deletes the count of `a`, `fail` fails.
async fn count(
    State(Parts { counts, takes }): State<Parts>,
    mut words: Stream<String, u64>,
) -> faustus::Result {
    let counts = words.bind(&counts);
    while let Some(word) = words.next().await? {
        tokio::time::sleep(takes).await;
        match &**word {
            "fail" => return Err(Error::new(ErrorKind::Application, "asked to fail")),
            "drop" => {
                counts.remove("a")?;
            }
            _ => {
                let before = counts.get(&*word)?.unwrap_or_default();
                counts.set(&*word, before + 1)?;
                word.reply(before + 1);
            }
        }
    }
    Ok(())
}

/// Words in two partitions are counted in a table and replied to a topic.
fn counter(policy: FailurePolicy, takes: Duration, sensor: Option<Notes>) -> App<Parts> {
    let app = App::new("counter");
    let words = app.topic::<String>("words").partitions(2);
    let said = app.topic::<u64>("said").partitions(1);
    let counts = app.table("counts");
    let parts = Parts {
        counts: counts.clone(),
        takes,
    };
    let app = match sensor {
        Some(sensor) => app.sensor(sensor),
        None => app,
    };
    app.with_state(parts).agent("count", &words, |a| {
        a.table(&counts).sink(&said).on_failure(policy).run(count)
    })
}

fn settings(guarantee: Guarantee) -> Settings {
    Settings {
        guarantee,
        threads: 1,
        ..Settings::default()
    }
}
