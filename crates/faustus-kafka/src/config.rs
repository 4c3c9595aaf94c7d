//! librdkafka's settings, and why each has the value it has.

use std::time::Duration;

use rdkafka::ClientConfig;

use crate::options::{Address, KafkaOptions};

/// The largest size of a batch that librdkafka makes of several records, in bytes.
pub(crate) const BATCH_BYTES: usize = 1_000_000;

/// For all clients.
fn common(bootstrap: &[Address], options: &KafkaOptions) -> ClientConfig {
    let bootstrap: Vec<String> = bootstrap.iter().map(Address::to_string).collect();
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", bootstrap.join(","))
        .set("client.id", &options.client_id)
        // A topic that was made by another client is found within a second, not half a minute.
        .set("topic.metadata.propagation.max.ms", "5000")
        // A broker that comes back is found again quickly.
        .set("reconnect.backoff.ms", "50")
        .set("reconnect.backoff.max.ms", "1000")
        .set("log.connection.close", "false")
        .set("allow.auto.create.topics", "false");
    config
}

/// For clients that fetch.
pub(crate) fn consumer(bootstrap: &[Address], options: &KafkaOptions) -> ClientConfig {
    let ahead = options.fetch_ahead_kib();
    let mut config = common(bootstrap, options);
    config
        .set("isolation.level", "read_committed")
        // Tells the position at the end of a partition, which is past markers and holes.
        .set("enable.partition.eof", "true")
        // Never anywhere else than asked.
        .set("auto.offset.reset", "error")
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        // The limit is per partition, as each has a queue.
        .set("queued.max.messages.kbytes", ahead.to_string())
        .set("max.partition.fetch.bytes", (ahead * 1024).to_string())
        .set("fetch.queue.backoff.ms", "5")
        // A partition that is added waits for the request that is under way.
        .set("fetch.wait.max.ms", "100")
        .set("check.crcs", "true");
    config
}

/// For the idempotent producer.
pub(crate) fn producer(bootstrap: &[Address], options: &KafkaOptions) -> ClientConfig {
    let mut config = common(bootstrap, options);
    config
        .set("enable.idempotence", "true")
        .set("acks", "all")
        .set("compression.type", options.compression.as_str())
        .set("linger.ms", fractional_millis(options.linger))
        .set("batch.size", BATCH_BYTES.to_string())
        .set("batch.num.messages", "100000")
        // What the broker takes is for the topic to say.
        .set("message.max.bytes", "1000000000")
        .set("queue.buffering.max.messages", "1000000")
        .set("queue.buffering.max.kbytes", "262144")
        .set("message.timeout.ms", millis(options.delivery_timeout))
        .set("retry.backoff.ms", "50");
    config
}

/// For the producer of `id`, whose transactions last at most `timeout`.
pub(crate) fn transactional(
    bootstrap: &[Address],
    options: &KafkaOptions,
    id: &str,
    timeout: Duration,
) -> ClientConfig {
    let mut config = producer(bootstrap, options);
    config
        .set("transactional.id", id)
        .set("transaction.timeout.ms", millis(timeout))
        // A group coordinator that left the cluster keeps `send_offsets_to_transaction` waiting for
        // any broker's connection to open or close (librdkafka 2.12): idle ones are closed for it.
        // Where that does not help, `write::overdue` does, later.
        .set("connections.max.idle.ms", "2000")
        // A record is worth nothing to a transaction that is over.
        .set("message.timeout.ms", millis(timeout))
        .set(
            "socket.timeout.ms",
            millis(timeout.min(Duration::from_secs(60))),
        );
    config
}

fn millis(duration: Duration) -> String {
    // librdkafka's largest number; its smallest time-out is a second.
    duration.as_millis().clamp(1000, 2_147_483_647).to_string()
}

fn fractional_millis(duration: Duration) -> String {
    format!("{:.3}", duration.as_secs_f64().min(900.0) * 1000.0)
}
