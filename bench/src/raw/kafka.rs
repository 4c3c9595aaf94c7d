//! Loops of rdkafka: at least once, as a program of its own would be written.
//!
//! Consumer and producer have the settings that Faustus's have, where they matter to the cost.
//! Offsets are committed once a second, after what was produced is delivered.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use rdkafka::{
    ClientConfig, Message, Offset, TopicPartitionList,
    consumer::{BaseConsumer, CommitMode, Consumer},
    error::KafkaError,
    message::BorrowedMessage,
    producer::{BaseProducer, BaseRecord, Producer},
    types::RDKafkaErrorCode,
};

use super::{
    decode::{Totals, decode},
    framing,
};
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
    let pass = |message: &BorrowedMessage<'_>| {
        let deposit: Deposit = decode(message.payload())?;
        value.clear();
        serde_json::to_writer(&mut value, &Passed::from(deposit))?;
        let record = BaseRecord::to(&output)
            .partition(message.partition())
            .key(message.key().unwrap_or_default())
            .payload(&*value);
        send(&producer, record)
    };
    let breathe = || producer.poll(Duration::ZERO);
    let deliver = || Ok(producer.flush(PATIENCE)?);
    let from = (&*run.topic("in"), shape.partitions, run.events);
    consume(run, from, BREATH, pass, breathe, deliver)?;
    drop(producer);
    let taken = Taken::since(&meter)?;
    check::deposits(&*run.log().await?, &output, shape, run.events).await?;
    Ok(taken.rates(run.events))
}

/// Consume, decode, total in a map.
pub(super) async fn totals(run: &Run, shape: Shape) -> Result<Figures> {
    let mut totals = Totals::default();
    let meter = Meter::start()?;
    let add = |message: &BorrowedMessage<'_>| {
        totals.add(decode(message.payload())?);
        Ok(())
    };
    let from = (&*run.topic("in"), shape.partitions, run.events);
    consume(run, from, BREATH, add, || (), || Ok(()))?;
    let taken = Taken::since(&meter)?;
    totals.ensure_right(shape, run.events)?;
    Ok(taken.rates(run.events))
}

/// Consume, decode, total in a map, encode, produce: each record by itself, as it comes.
pub(crate) fn relay(run: &Run, shape: Shape, events: u64) -> Result<()> {
    let output = run.topic("out");
    let producer = producer(run, "0")?;
    let mut totals = Totals::default();
    let answer = |message: &BorrowedMessage<'_>| {
        let deposit: Deposit = decode(message.payload())?;
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
    let from = (&*run.topic("in"), shape.partitions, events);
    consume(run, from, 1, answer, breathe, deliver)
}

/// Consume a topic, and look at nothing.
pub(super) fn fetch(run: &Run, shape: Shape, topic: &str) -> Result<Figures> {
    let meter = Meter::start()?;
    let mut bytes = 0;
    let count = |message: &BorrowedMessage<'_>| {
        bytes += message.payload_len() + message.key_len();
        Ok(())
    };
    let from = (topic, shape.partitions, run.events);
    consume(run, from, BREATH, count, || (), || Ok(()))?;
    let taken = Taken::since(&meter)?;
    ensure!(bytes > 0 || run.events == 0, "the records are empty");
    Ok(taken.rates(run.events))
}

/// Produce the changelog of one epoch, and wait for it.
pub(super) async fn append(run: &Run, shape: Shape) -> Result<Figures> {
    let changes = framing::changes(shape, run.events);
    let (output, expected) = (run.topic("out"), check::sums(shape, run.events));
    let meter = Meter::start()?;
    let producer = producer(run, "1")?;
    for outgoing in &changes {
        for record in outgoing.batch.iter() {
            let record = BaseRecord::to(&output)
                .partition(i32::try_from(outgoing.partition.partition)?)
                .key(record.key().unwrap_or_default())
                .payload(record.value().unwrap_or_default());
            send(&producer, record)?;
        }
    }
    producer.flush(PATIENCE)?;
    let taken = Taken::since(&meter)?;
    drop(producer);
    let found = check::entries(&*run.log().await?, &output, shape).await?;
    ensure!(found == expected, "not all changes are there");
    Ok(taken.rates(run.events))
}

/// Commit an offset of each partition, and wait for it.
pub(super) fn commit(run: &Run, shape: Shape) -> Result<Figures> {
    let meter = Meter::start()?;
    let (consumer, mut partitions) = assigned(run, &run.topic("in"), shape.partitions)?;
    if run.events > 0 {
        partitions.set_all_offsets(Offset::Offset(1))?;
        consumer.commit(&partitions, CommitMode::Sync)?;
    }
    let taken = Taken::since(&meter)?;
    Ok(taken.rates(run.events))
}

/// Gives each of so many records of a topic of so many partitions to `handle`; every `breath` of them
/// calls `breathe`, and `deliver` before each commit.
fn consume(
    run: &Run,
    (topic, partitions, records): (&str, u32, u64),
    breath: u64,
    mut handle: impl FnMut(&BorrowedMessage<'_>) -> Result<()>,
    breathe: impl Fn(),
    deliver: impl Fn() -> Result<()>,
) -> Result<()> {
    let (consumer, _) = assigned(run, topic, partitions)?;
    let mut committed = Instant::now();
    for count in 1..=records {
        let message = consumer.poll(PATIENCE);
        let message = message.context("nothing came for a minute")??;
        handle(&message)?;
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
    if records == 0 {
        return Ok(());
    }
    Ok(consumer.commit_consumer_state(CommitMode::Sync)?)
}

/// A consumer of all partitions of a topic from their beginnings, and those.
fn assigned(run: &Run, topic: &str, partitions: u32) -> Result<(BaseConsumer, TopicPartitionList)> {
    let consumer: BaseConsumer = config(run)?
        .set("group.id", &run.name)
        .set("enable.auto.commit", "false")
        .set("isolation.level", "read_committed")
        // All partitions share one queue here: 1 MiB for each.
        .set(
            "queued.max.messages.kbytes",
            (1024 * partitions).to_string(),
        )
        .set("fetch.queue.backoff.ms", "5")
        .set("fetch.wait.max.ms", "100")
        .set("check.crcs", "true")
        .create()?;
    let mut list = TopicPartitionList::new();
    for partition in 0..partitions {
        list.add_partition_offset(topic, i32::try_from(partition)?, Offset::Beginning)?;
    }
    consumer.assign(&list)?;
    Ok((consumer, list))
}

/// Hands a record over, once there is room for it.
fn send(producer: &BaseProducer, mut record: BaseRecord<'_, [u8], [u8]>) -> Result<()> {
    while let Err((error, refused)) = producer.send(record) {
        let full = KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull);
        ensure!(error == full, error);
        producer.poll(Duration::from_millis(100));
        record = refused;
    }
    Ok(())
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
