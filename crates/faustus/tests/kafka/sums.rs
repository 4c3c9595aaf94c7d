//! Sums that are exact while workers come and go.

use std::sync::Arc;

use faustus::{Ended, ErrorKind, TokioClock, open_log};

use crate::{
    broker::{connect, settings},
    common::{
        Outside, Running,
        bank::{self, Sent},
        both,
    },
};

#[tokio::test(flavor = "multi_thread")]
async fn sums_are_exact_and_a_second_worker_goes_on_where_the_first_one_was() {
    both("sums", async |name, guarantee| {
        let log = connect().await;
        let outside = Outside::new(&connect().await);
        let mut sent = Sent::new(name);
        for _ in 0..2 {
            let worker = Running::start(bank::app(name), &log, settings(guarantee)).await;
            sent.more(&outside, 200).await;
            outside.settle(&[&worker]).await;
            sent.check_exact(&outside).await;
            assert_eq!(worker.shutdown().await, Ended::Drained);
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_graceful_restart_in_the_middle_of_work_doubles_nothing() {
    both("graceful", async |name, guarantee| {
        let log = connect().await;
        let outside = Outside::new(&connect().await);
        let mut sent = Sent::new(name);
        for _ in 0..3 {
            let worker = Running::start(bank::app(name), &log, settings(guarantee)).await;
            sent.more(&outside, 100).await;
            assert_eq!(worker.shutdown().await, Ended::Drained);
        }
        let worker = Running::start(bank::app(name), &log, settings(guarantee)).await;
        outside.settle(&[&worker]).await;
        sent.check_exact(&outside).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tasks_move_between_workers_that_come_and_go() {
    both("movers", async |name, guarantee| {
        let outside = Outside::new(&connect().await);
        let mut sent = Sent::new(name);
        let start = async || {
            let log = connect().await;
            Running::start(bank::app(name), &log, settings(guarantee)).await
        };
        let first = start().await;
        sent.more(&outside, 100).await;
        let second = start().await;
        sent.more(&outside, 100).await;
        outside.settle(&[&first, &second]).await;
        sent.check_exact(&outside).await;
        sent.more(&outside, 100).await;
        assert_eq!(first.shutdown().await, Ended::Drained);
        sent.more(&outside, 100).await;
        second.crash().await;
        let third = start().await;
        sent.more(&outside, 100).await;
        outside.settle(&[&third]).await;
        sent.check(&outside, guarantee).await;
    })
    .await;
}

#[tokio::test]
async fn a_broker_that_is_not_there_is_named() {
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let address = format!("kafka://127.0.0.1:{port}");
    let opened = open_log(&address, Arc::new(TokioClock::real())).await;
    let error = opened.map(drop).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    let named = error.to_string().contains(&format!("127.0.0.1:{port}"));
    assert!(named, "{error}");
}
