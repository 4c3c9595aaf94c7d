//! `faustus log`: what it shows of a log that a worker wrote, and of what is none; and what `faustus app`
//! shows of bytes there that are of no type.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::{
    fs,
    io::{BufRead, BufReader, Read},
    path::Path,
    process::Stdio,
    sync::{Arc, LazyLock},
    time::Instant,
};

use common::{command, run};
use faustus_core::{
    BatchBuilder, GroupIdentity, NewTopic, Offset, OffsetCommit, Outgoing, Timestamp, TopicConfig,
    TopicPartition, Transport,
};
use faustus_log::{DirectoryLog, DirectoryOptions};
use tempfile::TempDir;

fn open(path: &Path) -> DirectoryLog {
    let clock = Arc::new(faustus::TokioClock::real());
    DirectoryLog::open(path, clock, DirectoryOptions::default().reserve(0)).unwrap()
}

fn topic(name: &str, partitions: u32) -> NewTopic {
    NewTopic {
        name: name.into(),
        partitions,
        replicas: None,
        config: TopicConfig::default(),
    }
}

/// A key and a value.
type Pair<'a> = (&'a [u8], Option<&'a [u8]>);

async fn publish(log: &DirectoryLog, topic: &str, partition: u32, records: &[Pair<'_>]) {
    let mut builder = BatchBuilder::new();
    for (key, value) in records {
        builder.push(Timestamp(1_700_000_000_000), Some(key), *value);
    }
    let outgoing = Outgoing {
        partition: TopicPartition::new(topic, partition),
        batch: builder.build(),
    };
    let mut producer = log.producer().await.unwrap();
    producer.publish(vec![outgoing]).await.unwrap();
}

async fn commit(log: &DirectoryLog, partition: u32, offset: i64) {
    let commit = OffsetCommit {
        partition: TopicPartition::new("orders", partition),
        offset: Offset(offset),
        metadata: String::new(),
    };
    let nobody = GroupIdentity::none("bank");
    let coordinator = log.coordinator("bank");
    coordinator
        .commit_offsets(nobody, vec![commit])
        .await
        .unwrap();
}

async fn fill(log: &DirectoryLog) {
    let topics = [topic("orders", 2), topic("bank-totals-changelog", 1)];
    log.admin().create_topics(&topics).await.unwrap();
    let order: &[u8] = br#"{"account":"ann","amount":10}"#;
    let orders: [Pair<'_>; 3] = [
        (b"ann", Some(order)),
        (b"bo\x1b[1m", Some(b"two\nlines")),
        (b"\xff\x00", None),
    ];
    publish(log, "orders", 0, &orders).await;
    publish(
        log,
        "orders",
        1,
        &[(b"cy", Some(b"12345678901234567890123"))],
    )
    .await;
    let totals: [Pair<'_>; 6] = [
        (b"\"bo\"", Some(b"1")),
        (b"\"ann\"", Some(b"1")),
        (b"\"ann\"", Some(b"{\"sum\": 12345678901234567890123.10}")),
        (b"\"bo\"", None),
        (b"7", Some(b"two\nlines")),
        (b"\xff\x00", Some(b"\x00")),
    ];
    publish(log, "bank-totals-changelog", 0, &totals).await;
    commit(log, 0, 1).await;
    commit(log, 1, 1).await;
}

/// A directory with the log `log`, which nobody changes.
static LOG: LazyLock<TempDir> = LazyLock::new(|| {
    let directory = tempfile::tempdir().unwrap();
    let log = open(&directory.path().join("log"));
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(fill(&log));
    drop(log);
    // Its journal is cut to what is in it, which makes copies small.
    let path = directory.path();
    assert_eq!(run(path, &["log", "log", "topics"]).code, Some(0));
    directory
});

/// A copy of it, as only one process can look at one.
fn log() -> TempDir {
    let copy = tempfile::tempdir().unwrap();
    copy_all(&LOG.path().join("log"), &copy.path().join("log"));
    copy
}

fn copy_all(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => copy_all(&entry.path(), &to),
            false => drop(fs::copy(entry.path(), to).unwrap()),
        }
    }
}

fn look(args: &[&str]) -> String {
    let directory = log();
    let args = [&["log", "log"], args].concat();
    run(directory.path(), &args).shown()
}

#[test]
fn topics_and_offsets_are_tables() {
    insta::assert_snapshot!("topics", look(&["topics"]));
    insta::assert_snapshot!("offsets", look(&["offsets", "orders"]));
}

#[test]
fn records_are_shown_as_text_or_hexadecimal_without_orders_for_the_terminal() {
    insta::assert_snapshot!("records", look(&["records", "orders"]));
    insta::assert_snapshot!(
        "records_from",
        look(&["records", "orders", "-p0", "--from=1", "-n1"])
    );
}

#[test]
fn records_as_json_are_whole() {
    insta::assert_snapshot!("records_json", look(&["records", "orders", "--json"]));
}

#[test]
fn groups_tell_how_far_they_are_behind() {
    insta::assert_snapshot!("groups", look(&["groups"]));
}

/// What is shown of a table whose program is not at hand.
fn table(args: &[&str]) -> String {
    let directory = log();
    let table = ["app", "bank", "table", "totals", "--log", "log"];
    run(directory.path(), &[&table, args].concat()).shown()
}

#[test]
fn a_table_has_the_last_value_of_each_key_whatever_its_bytes_are() {
    insta::assert_snapshot!("app_table", table(&[]));
    insta::assert_snapshot!("app_table_json", table(&["--json"]));
}

#[test]
fn a_key_is_a_text_or_as_it_is_stored() {
    insta::assert_snapshot!("app_table_key_text", table(&["--key", "ann"]));
    insta::assert_snapshot!("app_table_key_number", table(&["--key", "7"]));
    insta::assert_snapshot!("app_table_key_deleted", table(&["--key", "bo"]));
}

#[test]
fn a_sound_log_is_verified() {
    insta::assert_snapshot!("verify", look(&["verify"]));
}

#[test]
fn a_commit_beyond_the_end_is_found_and_is_exit_code_1() {
    let directory = log();
    let log = open(&directory.path().join("log"));
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(commit(&log, 1, 9));
    drop(log);
    let verified = run(directory.path(), &["log", "log", "verify"]);
    insta::assert_snapshot!("verify_wrong", verified.shown());
}

#[test]
fn a_damaged_batch_is_found_and_the_ones_after_it_are_read() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log");
    let log = open(&path);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let topics = [topic("orders", 1)];
        log.admin().create_topics(&topics).await.unwrap();
        for value in [b"1", b"2", b"3"] {
            publish(&log, "orders", 0, &[(b"key", Some(value))]).await;
        }
    });
    drop(log);
    let database = fjall::Database::builder(path.join("data")).open().unwrap();
    let entries = database.keyspace("log", fjall::KeyspaceCreateOptions::default);
    let entries = entries.unwrap();
    // The second of the batches, whose keys begin with this letter.
    let second = entries.prefix("c").nth(1).unwrap();
    let (key, value) = second.into_inner().unwrap();
    let mut value = value.to_vec();
    *value.last_mut().unwrap() ^= 1;
    entries.insert(key, value).unwrap();
    drop((entries, database));
    let verified = run(directory.path(), &["log", "log", "verify"]);
    assert_eq!(verified.code, Some(1));
    let said = verified.out;
    assert!(
        said.contains("orders/0  the records from offset 1 on"),
        "{said}"
    );
    let read = verified.err;
    assert!(
        read.starts_with("2 records in 1 partition of 1 topic read: 1 wrong"),
        "{read}"
    );
    let refused = run(directory.path(), &["log", "log", "records", "orders"]);
    assert_eq!((refused.code, &*refused.out), (Some(1), ""));
    assert!(refused.err.contains("are damaged"), "{}", refused.err);
}

#[test]
fn what_does_not_exist_is_told_with_what_may_have_been_meant() {
    insta::assert_snapshot!("no_topic", look(&["records", "order"]));
    insta::assert_snapshot!("no_partition", look(&["records", "orders", "-p7"]));
    insta::assert_snapshot!("no_offset", look(&["records", "orders", "-p0", "--from=9"]));
    insta::assert_snapshot!("no_command", look(&["topcs"]));
}

#[test]
fn a_directory_without_a_log_is_left_as_it_is() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    fs::create_dir(path.join("other")).unwrap();
    insta::assert_snapshot!("no_log", run(path, &["log", "other", "topics"]).shown());
    insta::assert_snapshot!(
        "no_directory",
        run(path, &["log", "none", "topics"]).shown()
    );
    assert_eq!(fs::read_dir(path).unwrap().count(), 1);
    assert_eq!(fs::read_dir(path.join("other")).unwrap().count(), 0);
}

#[test]
fn a_log_of_a_newer_version_is_refused() {
    let directory = log();
    let head = directory.path().join("log/HEAD");
    let mut bytes = fs::read(&head).unwrap();
    bytes[8] = 9;
    fs::write(&head, bytes).unwrap();
    let refused = run(directory.path(), &["log", "log", "topics"]);
    insta::assert_snapshot!("newer", refused.shown());
}

#[test]
fn a_directory_that_a_worker_holds_is_told_with_its_process() {
    let directory = log();
    let _held = open(&directory.path().join("log"));
    let refused = run(directory.path(), &["log", "log", "topics"]);
    let us = format!("process {} has the log in log open", std::process::id());
    assert_eq!((refused.code, &*refused.out), (Some(1), ""));
    assert!(refused.err.contains(&us), "{}", refused.err);
    assert_eq!(refused.err.lines().count(), 1);
}

#[test]
fn a_closed_pipe_ends_quietly() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log");
    let log = open(&path);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        log.admin()
            .create_topics(&[topic("many", 1)])
            .await
            .unwrap();
        let records = vec![(&b"key"[..], Some(&[b'v'; 100][..])); 5000];
        publish(&log, "many", 0, &records).await;
    });
    drop(log);
    let mut command = command(
        directory.path(),
        &["log", "log", "records", "many", "-n5000"],
    );
    let command = command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut first = String::new();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    out.read_line(&mut first).unwrap();
    drop(out);
    let mut said = String::new();
    child
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut said)
        .unwrap();
    assert_eq!((child.wait().unwrap().code(), &*said), (Some(0), ""));
}

#[test]
fn help_is_quick() {
    let directory = tempfile::tempdir().unwrap();
    // The quickest of some, as other tests run beside it.
    let times = (0..10).map(|_| {
        let start = Instant::now();
        assert_eq!(run(directory.path(), &["log", "--help"]).code, Some(0));
        start.elapsed()
    });
    let quickest = times.min().unwrap();
    assert!(quickest.as_millis() < 50, "{quickest:?}");
}
