//! The broker of the tests: connections to it, with and without faults, and its settings.

use std::{
    io::{self, Read, Write},
    net::TcpStream,
    sync::Arc,
    time::Duration,
};

use faustus::{Guarantee, Settings, TokioClock, open_log};
use faustus_core::{NewTopic, TopicConfig, TopicName, Transport};
use faustus_log::{Faults, FaultyTransport};

use crate::common::{check, until};

/// A connection of its own to the broker that the tests share.
pub(crate) async fn connect() -> Arc<dyn Transport> {
    connect_to(&kafka_testbed::shared().bootstrap()).await
}

/// A connection of its own to the brokers at `bootstrap`.
pub(crate) async fn connect_to(bootstrap: &str) -> Arc<dyn Transport> {
    let clock = Arc::new(TokioClock::real());
    let log = open_log(&format!("kafka://{bootstrap}"), clock).await;
    log.unwrap()
}

/// A connection of its own to the shared broker, whose calls fail as told.
pub(crate) async fn faulty() -> (Arc<dyn Transport>, Faults) {
    let faults = Faults::new(1);
    let clock = Arc::new(TokioClock::real());
    let log = FaultyTransport::new(connect().await, clock, faults.clone());
    (Arc::new(log), faults)
}

/// Few threads and short waits.
pub(crate) fn settings(guarantee: Guarantee) -> Settings {
    Settings {
        guarantee,
        threads: 2,
        session_timeout: Duration::from_secs(6),
        drain_timeout: Duration::from_secs(3),
        ..Settings::default()
    }
}

/// Makes a topic before a worker does.
pub(crate) async fn create(log: &dyn Transport, name: &str, partitions: u32, config: TopicConfig) {
    let topic = NewTopic {
        name: name.into(),
        partitions,
        replicas: None,
        config,
    };
    let made = log.admin().create_topics(&[topic]).await.unwrap();
    assert_eq!(made, [Ok(())], "{name}");
}

/// Changes a setting of a topic that exists, as an administrator does.
pub(crate) async fn alter(log: &dyn Transport, topic: &str, key: &str, value: &str) {
    let address = kafka_testbed::shared().bootstrap();
    let code = alter_config(&address, topic, key, value).unwrap();
    assert_eq!(code, 0, "the broker's error code");
    let name = [TopicName::from(topic)];
    until(async || {
        let found = log.admin().describe_topics(&name).await.unwrap();
        let now = found[0].as_ref().unwrap().config.get(key).cloned();
        check(now.as_deref() == Some(value), now)
    })
    .await;
}

/// Asks for the change with one `IncrementalAlterConfigs` request; gives the topic's error code.
fn alter_config(address: &str, topic: &str, key: &str, value: &str) -> io::Result<i16> {
    const INCREMENTAL_ALTER_CONFIGS: i16 = 44;
    const TOPIC: u8 = 2;
    const SET: u8 = 0;
    let one = 1_i32.to_be_bytes();
    let body = [
        &one[..],
        &[TOPIC],
        &text(topic),
        &one,
        &text(key),
        &[SET],
        &text(value),
        &[0], // not only to validate
    ]
    .concat();
    let answer = ask(address, (INCREMENTAL_ALTER_CONFIGS, 0), &body)?;
    // Throttle time, the number of topics, the code of the first.
    Ok(i16::from_be_bytes([answer[8], answer[9]]))
}

/// Makes one request of this kind and version; gives the body of the answer.
pub(crate) fn ask(address: &str, kind: (i16, i16), body: &[u8]) -> io::Result<Vec<u8>> {
    let request = [
        &kind.0.to_be_bytes()[..],
        &kind.1.to_be_bytes(),
        &7_i32.to_be_bytes(), // correlation id
        &text("test"),
        body,
    ]
    .concat();
    let mut socket = TcpStream::connect(address)?;
    socket.set_read_timeout(Some(Duration::from_secs(30)))?;
    let length = u32::try_from(request.len()).unwrap().to_be_bytes();
    socket.write_all(&[&length[..], &request].concat())?;
    let mut length = [0; 4];
    socket.read_exact(&mut length)?;
    let mut answer = vec![0; u32::from_be_bytes(length) as usize];
    socket.read_exact(&mut answer)?;
    Ok(answer.split_off(4))
}

/// A text as requests hold it.
pub(crate) fn text(text: &str) -> Vec<u8> {
    let length = i16::try_from(text.len()).unwrap().to_be_bytes();
    [&length, text.as_bytes()].concat()
}
