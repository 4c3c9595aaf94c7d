//! Loops of rdkafka: at least once, as a program of its own would be written.
//!
//! Consumer and producer have the settings that Faustus's have, where they matter to the cost.
//! Offsets are committed once a second, after what was produced is delivered.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rdkafka::{
    ClientConfig, Message, Offset, TopicPartitionList,
    consumer::{BaseConsumer, CommitMode, Consumer},
    error::KafkaError,
    message::BorrowedMessage,
    producer::{BaseProducer, BaseRecord, Producer},
    types::RDKafkaErrorCode,
};

use super::decode::{Totals, decode};
use crate::{
    cases::Shape,
    check,
    figures::{Figures, Taken},
    input::Deposit,
    measure::Meter,
    program::{Passed, Total},
    run::Run,
};

/// Nothing takes that long.
const PATIENCE: Duration = Duration::from_secs(60);

/// How often offsets are committed.
const COMMIT: Duration = Duration::from_secs(1);

/// The clock is looked at, and the producer's answers are taken, each so many records.
const BREATH: u64 = 512;

/// Consume, decode, encode, produce.
pub(super) async fn pass(run: &Run, shape: Shape) -> Result<Figures> {
    let output = run.topic("out");
    let meter = Meter::start()?;
    let producer = producer(run, "1")?;
    let mut value = Vec::new();
    let pass = |message: &BorrowedMessage<'_>, deposit: Deposit| {
        value.clear();
        serde_json::to_writer(&mut value, &Passed::from(deposit))?;
        let mut record = BaseRecord::to(&output)
            .partition(message.partition())
            .key(message.key().unwrap_or_default())
            .payload(&*value);
        while let Err((error, refused)) = producer.send(record) {
            let full = KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull);
            anyhow::ensure!(error == full, error);
            producer.poll(Duration::from_millis(100));
            record = refused;
        }
        Ok(())
    };
    let breathe = || producer.poll(Duration::ZERO);
    let deliver = || Ok(producer.flush(PATIENCE)?);
    consume(run, shape, run.events, BREATH, pass, breathe, deliver)?;
    drop(producer);
    let taken = Taken::since(&meter)?;
    check::deposits(&*run.log().await?, &output, shape, run.events).await?;
    Ok(taken.rates(run.events))
}

/// Consume, decode, total in a map.
pub(super) async fn totals(run: &Run, shape: Shape) -> Result<Figures> {
    let mut totals = Totals::default();
    let meter = Meter::start()?;
    let add = |_: &BorrowedMessage<'_>, deposit| {
        totals.add(deposit);
        Ok(())
    };
    consume(run, shape, run.events, BREATH, add, || (), || Ok(()))?;
    let taken = Taken::since(&meter)?;
    totals.ensure_right(shape, run.events)?;
    Ok(taken.rates(run.events))
}

/// Consume, decode, total in a map, encode, produce: each record by itself, as it comes.
pub(crate) fn relay(run: &Run, shape: Shape, events: u64) -> Result<()> {
    let output = run.topic("out");
    let producer = producer(run, "0")?;
    let mut totals = Totals::default();
    let answer = |message: &BorrowedMessage<'_>, deposit: Deposit| {
        let (account_id, ts) = (deposit.account_id.clone(), deposit.ts);
        let total = totals.add(deposit);
        let value = serde_json::to_vec(&Total {
            account_id,
            total,
            ts,
        })?;
        let record = BaseRecord::to(&output)
            .partition(message.partition())
            .key(message.key().unwrap_or_default())
            .payload(&*value);
        producer.send(record).map_err(|(error, _)| error)?;
        Ok(())
    };
    let breathe = || {
        producer.poll(Duration::ZERO);
    };
    let deliver = || Ok(producer.flush(PATIENCE)?);
    consume(run, shape, events, 1, answer, breathe, deliver)
}

/// Gives each of `events` events to `handle`, every `breath` of them calls `breathe`,
/// and `deliver` before each commit.
fn consume(
    run: &Run,
    shape: Shape,
    events: u64,
    breath: u64,
    mut handle: impl FnMut(&BorrowedMessage<'_>, Deposit) -> Result<()>,
    breathe: impl Fn(),
    deliver: impl Fn() -> Result<()>,
) -> Result<()> {
    let topic = run.topic("in");
    let consumer: BaseConsumer = config(run)?
        .set("group.id", &run.name)
        .set("enable.auto.commit", "false")
        .set("isolation.level", "read_committed")
        // All partitions share one queue here: 1 MiB for each.
        .set(
            "queued.max.messages.kbytes",
            (1024 * shape.partitions).to_string(),
        )
        .set("fetch.queue.backoff.ms", "5")
        .set("fetch.wait.max.ms", "100")
        .set("check.crcs", "true")
        .create()?;
    let mut partitions = TopicPartitionList::new();
    for partition in 0..shape.partitions {
        partitions.add_partition_offset(&topic, i32::try_from(partition)?, Offset::Beginning)?;
    }
    consumer.assign(&partitions)?;
    let mut committed = Instant::now();
    for count in 1..=events {
        let message = consumer.poll(PATIENCE);
        let message = message.context("nothing came for a minute")??;
        handle(&message, decode(message.payload())?)?;
        if count % breath == 0 {
            breathe();
            if committed.elapsed() >= COMMIT {
                deliver()?;
                consumer.commit_consumer_state(CommitMode::Async)?;
                committed = Instant::now();
            }
        }
    }
    deliver()?;
    Ok(consumer.commit_consumer_state(CommitMode::Sync)?)
}

fn producer(run: &Run, linger_ms: &str) -> Result<BaseProducer> {
    let producer = config(run)?
        .set("enable.idempotence", "true")
        .set("acks", "all")
        .set("linger.ms", linger_ms)
        .set("batch.size", "1000000")
        .set("batch.num.messages", "100000")
        .set("queue.buffering.max.messages", "1000000")
        .set("queue.buffering.max.kbytes", "262144")
        .create()?;
    Ok(producer)
}

fn config(run: &Run) -> Result<ClientConfig> {
    let servers = run.address.strip_prefix("kafka://");
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", servers.context("not on Kafka")?);
    Ok(config)
}
