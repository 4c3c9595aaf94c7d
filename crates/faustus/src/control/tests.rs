//! A log through a socket: the rules of all logs, as far as a log without members and transactions has
//! them, and what becomes of calls when somebody goes away.

#![expect(
    clippy::disallowed_methods,
    reason = "sockets are of the real world, and so is their time"
)]

use std::{
    future::poll_fn,
    sync::Arc,
    time::{Duration, Instant},
};

use faustus_core::{
    BoxFuture, Clock, GroupIdentity, NewTopic, Offset, ReadOptions, TopicConfig, TopicPartition,
    Transport, TransportError, conformance, conformance::Harness,
};
use faustus_log::MemoryLog;
use tempfile::TempDir;

use super::{Attached, Call, Order, Place, RemoteLog, Server};
use crate::{App, ErrorKind, Stream, TokioClock, Worker};

/// A log in memory, served at a socket.
struct Served {
    directory: TempDir,
    log: MemoryLog,
    server: Option<Server>,
}

impl Served {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let log = MemoryLog::new(Arc::new(TokioClock::real()), 7);
        let mut served = Self {
            directory,
            log,
            server: None,
        };
        let server = Server::start(served.place(), "app", Arc::new(served.log.clone()), None);
        served.server = Some(server.unwrap());
        served
    }

    fn place(&self) -> Place {
        Place::Log(self.directory.path().to_owned())
    }

    async fn attached(&self) -> Attached {
        let (mut there, silent) = Attached::all(&self.place()).await;
        assert!(silent.is_empty(), "{silent:?}");
        there.remove(0)
    }
}

impl Harness for Served {
    fn transport(&self) -> BoxFuture<'_, Arc<dyn Transport>> {
        Box::pin(async { Arc::new(RemoteLog::new(self.attached().await)) as Arc<dyn Transport> })
    }

    fn clock(&self) -> Arc<dyn Clock> {
        Arc::new(TokioClock::real())
    }
}

macro_rules! as_any_log {
    ($($case:ident)*) => {$(
        #[tokio::test]
        async fn $case() {
            conformance::$case(&Served::new()).await;
        }
    )*};
}

as_any_log! {
    records_come_back_in_order_with_offsets
    a_batch_keeps_all_of_each_record
    headers_repeat_and_may_have_no_value
    absent_and_empty_keys_and_values_differ
    time_stamps_are_the_producers
    partitions_are_apart
    consecutive_calls_store_each_record_once
    a_reader_starts_where_it_is_told
    a_waiting_reader_wakes_up
    readers_do_not_disturb_each_other
    fetches_keep_to_their_size
    a_record_too_large_is_refused_and_others_are_stored
    a_record_without_key_is_refused_by_a_compacted_topic
    an_unknown_topic_is_named
    a_position_past_the_end_is_out_of_range
}

#[tokio::test]
async fn offsets_of_a_group_without_members_are_stored_with_their_metadata() {
    let served = Served::new();
    let log = served.transport().await;
    let topic = NewTopic {
        name: "a".into(),
        partitions: 2,
        replicas: None,
        config: TopicConfig::default(),
    };
    log.admin().create_topics(&[topic]).await.unwrap()[0]
        .as_ref()
        .unwrap();
    let partitions = [0, 1].map(|p| TopicPartition::new("a", p));
    let commit = faustus_core::OffsetCommit {
        metadata: "epoch".to_owned(),
        ..faustus_core::OffsetCommit::new(partitions[1].clone(), Offset(7))
    };
    let group = log.coordinator("g");
    let commits = group.commit_offsets(GroupIdentity::none("g"), vec![commit]);
    commits.await.unwrap();
    let found = group.fetch_offsets(&partitions, true).await.unwrap();
    assert_eq!(found[0], None);
    let found = found[1].as_ref().unwrap();
    assert_eq!((found.offset, &*found.metadata), (Offset(7), "epoch"));
}

#[tokio::test]
async fn who_reads_hears_when_the_process_goes() {
    let mut served = Served::new();
    let log = served.transport().await;
    let topic = NewTopic {
        name: "a".into(),
        partitions: 1,
        replicas: None,
        config: TopicConfig::default(),
    };
    log.admin().create_topics(&[topic]).await.unwrap()[0]
        .as_ref()
        .unwrap();
    let reader = log.log();
    let partition = TopicPartition::new("a", 0);
    let mut reader = reader
        .read(&partition, Offset(0), ReadOptions::default())
        .await
        .unwrap();
    let waits = tokio::spawn(async move { poll_fn(|cx| reader.poll_fetch(cx)).await });
    tokio::time::sleep(Duration::from_millis(50)).await;
    served.server = None;
    let error = waits.await.unwrap().unwrap_err();
    assert!(matches!(error, TransportError::Unavailable(_)), "{error}");
    let error = log.admin().list_topics().await.unwrap_err();
    assert!(matches!(error, TransportError::Unavailable(_)), "{error}");
    assert!(Attached::all(&served.place()).await.0.is_empty());
}

#[tokio::test]
async fn a_socket_of_a_dead_process_is_nobody_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("control.sock");
    drop(std::os::unix::net::UnixListener::bind(&socket).unwrap());
    assert!(socket.exists());
    let began = Instant::now();
    let place = Place::Log(directory.path().to_owned());
    let (there, silent) = Attached::all(&place).await;
    assert!(there.is_empty() && silent.is_empty());
    assert!(began.elapsed() < Duration::from_millis(50));
}

#[tokio::test]
async fn a_socket_that_nobody_answers_is_told_with_its_process() {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("control.sock");
    let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    let place = Place::Log(directory.path().to_owned());
    let (there, silent) = Attached::all(&place).await;
    assert!(there.is_empty());
    let said = silent[0].to_string();
    let expected = format!("process {} does not answer", std::process::id());
    assert!(said.starts_with(&expected), "{said}");
}

#[tokio::test]
async fn nobody_else_may_connect() {
    use std::os::unix::fs::PermissionsExt;
    let served = Served::new();
    let socket = served.directory.path().join("control.sock");
    let mode = std::fs::metadata(socket).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[tokio::test]
async fn a_process_without_a_worker_says_so() {
    let served = Served::new();
    let attached = served.attached().await;
    assert!(!attached.greeting().worker);
    let error = attached
        .ask::<Vec<super::Lane>>(Call::Lanes)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
}

#[tokio::test]
async fn a_worker_tells_of_its_agents_and_takes_orders() {
    async fn nothing(mut numbers: Stream<u32>) -> crate::Result {
        while numbers.next().await?.is_some() {}
        Ok(())
    }
    let directory = tempfile::tempdir().unwrap();
    let place = Place::Log(directory.path().to_owned());
    let log: Arc<dyn Transport> = Arc::new(MemoryLog::new(Arc::new(TokioClock::real()), 7));
    let app = App::new("app");
    let numbers = app.topic::<u32>("numbers").partitions(2);
    let app = app.agent("nothing", &numbers, |a| a.run(nothing));
    let (worker, handle) = Worker::new(app, Arc::clone(&log));
    let _server = Server::start(place.clone(), "app", log, Some(handle.clone())).unwrap();
    let running = tokio::spawn(worker.run());
    handle.started().await.unwrap();
    let (there, _) = Attached::all(&place).await;
    let worker = &there[0];
    let lanes = async || worker.ask::<Vec<super::Lane>>(Call::Lanes).await.unwrap();
    while lanes()
        .await
        .iter()
        .filter(|lane| lane.state == "waiting")
        .count()
        < 2
    {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let monitor = worker.ask::<crate::Monitor>(Call::Monitor).await.unwrap();
    assert_eq!(monitor.agents, handle.monitor_now().agents);
    assert_eq!(monitor.partitions.len(), 2, "with their ends");
    assert_eq!(monitor.partitions[0].lag_records(), Some(0));
    let order = |name: &str| Call::Agent {
        name: name.to_owned(),
        order: Order::Pause,
    };
    let error = worker.ask::<()>(order("nothin")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Configuration);
    worker.ask::<()>(order("nothing")).await.unwrap();
    while lanes().await.iter().any(|lane| lane.state != "paused") {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    worker.ask::<()>(Call::Shutdown).await.unwrap();
    running.await.unwrap().unwrap();
}

#[tokio::test]
async fn to_serve_costs_a_start_next_to_nothing() {
    let log: Arc<dyn Transport> = Arc::new(MemoryLog::new(Arc::new(TokioClock::real()), 7));
    let start = || {
        let directory = tempfile::tempdir().unwrap();
        let place = Place::Log(directory.path().to_owned());
        let began = Instant::now();
        let server = Server::start(place, "app", Arc::clone(&log), None);
        let took = began.elapsed();
        drop(server.unwrap());
        took
    };
    let fastest = (0..10).map(|_| start()).min().unwrap();
    assert!(fastest < Duration::from_millis(20), "{fastest:?}");
}
