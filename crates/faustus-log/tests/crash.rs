//! A process that writes to a directory is killed; what it was told is stored is there, and of every
//! transaction all or nothing.

mod support;

use std::{
    env,
    future::poll_fn,
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Command, Stdio},
    sync::Arc,
    time::Duration,
};

use faustus_core::{
    BatchBuilder, Clock, GroupIdentity, NewTopic, Offset, OffsetCommit, OffsetSpec, Outgoing,
    ReadOptions, Timestamp, TopicConfig, TopicPartition, Transport,
};
use faustus_log::{DirectoryLog, DirectoryOptions};
use support::TokioClock;

const DIRECTORY: &str = "FAUSTUS_LOG_CRASH_DIRECTORY";
const ROUNDS: usize = 8;

fn open(path: &Path) -> DirectoryLog {
    let clock = Arc::new(TokioClock::new()) as Arc<dyn Clock>;
    DirectoryLog::open(path, clock, DirectoryOptions::default().reserve(0)).expect("it opens")
}

fn at(partition: u32) -> TopicPartition {
    TopicPartition::new("topic", partition)
}

async fn committed(log: &DirectoryLog) -> i64 {
    let coordinator = log.coordinator("group");
    let offsets = coordinator
        .fetch_offsets(&[at(0)], true)
        .await
        .expect("offsets can be fetched");
    offsets[0].as_ref().map_or(0, |offset| offset.offset.0)
}

/// Commits one epoch after the other and says so, until it is killed.
#[tokio::test]
async fn child() {
    let Ok(directory) = env::var(DIRECTORY) else {
        return;
    };
    let log = open(Path::new(&directory));
    let new = NewTopic {
        name: "topic".into(),
        partitions: 2,
        replicas: None,
        config: TopicConfig::default(),
    };
    // It exists in all rounds but the first.
    drop(log.admin().create_topics(&[new]).await.unwrap());
    let mut number = committed(&log).await;
    let timeout = Duration::from_secs(60);
    let mut producer = log.transactional_producer("id", timeout).await.unwrap();
    let nobody = GroupIdentity::none("group");
    loop {
        number += 1;
        producer.begin().await.unwrap();
        for partition in 0..2 {
            let mut builder = BatchBuilder::new();
            for part in 0..3 {
                let value = format!("{number}.{part}");
                let padding = [7; 200];
                let record = builder.record(Timestamp(number)).value(value.as_bytes());
                record.header("padding", Some(&padding)).finish();
            }
            let outgoing = Outgoing {
                partition: at(partition),
                batch: builder.build(),
            };
            producer.publish(vec![outgoing]).await.unwrap();
        }
        let offset = OffsetCommit::new(at(0), Offset(number));
        producer.commit(&nobody, vec![offset]).await.unwrap();
        let line = format!("committed {number}\n");
        std::io::stdout().write_all(line.as_bytes()).unwrap();
    }
}

async fn check(log: &DirectoryLog) -> i64 {
    let count = committed(log).await;
    for partition in 0..2 {
        let partition = at(partition);
        let of = std::slice::from_ref(&partition);
        let ends = log.admin().offsets(of, OffsetSpec::LastStable).await;
        let end = ends.expect("it can be read")[0];
        let readers = log.log();
        let reader = readers.read(&partition, Offset::ZERO, ReadOptions::default());
        let mut reader = reader.await.expect("it can be read");
        let mut expected = (1..=count).flat_map(|n| (0..3).map(move |part| format!("{n}.{part}")));
        while reader.position() < end {
            let fetched = poll_fn(|cx| reader.poll_fetch(cx))
                .await
                .expect("it can be read");
            for record in fetched.batch.iter() {
                let value =
                    String::from_utf8_lossy(record.value().expect("it can be read")).into_owned();
                assert_eq!(Some(value), expected.next());
            }
        }
        assert_eq!(expected.next(), None);
    }
    count
}

#[tokio::test]
async fn a_killed_process_loses_nothing_it_was_told_is_stored_and_tears_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let mut before = 0;
    for round in 0..ROUNDS {
        let mut child = Command::new(env::current_exe().unwrap())
            .args(["--exact", "child", "--nocapture"])
            .env(DIRECTORY, directory.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut told = 0;
        let number = |line: &str| line.strip_prefix("committed ")?.parse::<i64>().ok();
        let wanted = 100 + 137 * round;
        let numbers = |line: std::io::Result<String>| number(&line.unwrap());
        let mut seen = 0;
        for n in lines.by_ref().filter_map(numbers) {
            told = n;
            seen += 1;
            if seen == wanted {
                break;
            }
        }
        child.kill().unwrap();
        child.wait().unwrap();
        for n in lines.filter_map(numbers) {
            told = n;
        }
        let log = open(directory.path());
        let count = check(&log).await;
        assert!(count >= told && count > before, "{before} {told} {count}");
        before = count;
    }
}
