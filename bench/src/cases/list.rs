//! All cases.

use faustus::Guarantee;

use super::{
    Case, Place, Program, Shape,
    Work::{self, Append, Idle, Latency, Recover, Slow, Start},
};

const DECODE: Work = Work::Throughput(Program::Decode);
const PASS: Work = Work::Throughput(Program::Pass);
const TOTAL: Work = Work::Throughput(Program::Total);
const REKEY: Work = Work::Throughput(Program::Rekey);
const REPLY: Work = Work::Throughput(Program::Reply);

/// All cases, in the order they are listed.
pub(crate) const CASES: &[Case] = &[
    memory("agent-json", DECODE),
    memory("total", TOTAL),
    memory("total-eos", TOTAL).exactly_once(),
    memory("persistent", TOTAL).persistent(),
    memory("persistent-eos", TOTAL).persistent().exactly_once(),
    memory("rekey", REKEY),
    memory("rekey-eos", REKEY).exactly_once(),
    memory("reply", REPLY),
    memory("reply-eos", REPLY).exactly_once(),
    directory("append", Append),
    directory("directory", REPLY),
    directory("directory-eos", REPLY).exactly_once(),
    kafka("kafka-pass", PASS),
    kafka("kafka-pass-eos", PASS).exactly_once(),
    kafka("kafka", TOTAL),
    kafka("kafka-eos", TOTAL).exactly_once(),
    // What grows.
    memory("fan-out", DECODE).readers(16),
    memory("many", DECODE).topics(200).partitions(256),
    memory("many-readers", DECODE).readers(200).partitions(256),
    memory("agents-1", DECODE),
    memory("agents-4", DECODE).topics(4),
    memory("agents-16", DECODE).topics(16),
    memory("agents-64", DECODE).topics(64),
    memory("agents-256", DECODE).topics(256),
    memory("partitions-1", TOTAL).partitions(1),
    memory("partitions-4", TOTAL).partitions(4),
    memory("partitions-16", TOTAL).partitions(16),
    memory("partitions-64", TOTAL).partitions(64),
    memory("partitions-256", TOTAL).partitions(256),
    memory("partitions-1024", TOTAL).partitions(1024),
    memory("sizes-50", DECODE).bytes(50),
    memory("sizes-200", DECODE).bytes(200),
    memory("sizes-1k", DECODE).bytes(1_000),
    memory("sizes-10k", DECODE).bytes(10_000),
    memory("sizes-100k", DECODE).bytes(100_000),
    memory("keys-10k", TOTAL).accounts(10_000),
    memory("keys-100k", TOTAL).accounts(100_000),
    memory("keys-1m", TOTAL).accounts(1_000_000),
    memory("keys-10m", TOTAL).accounts(10_000_000),
    // What waits.
    directory("slow-agent", Slow),
    kafka("slow-agent-kafka", Slow),
    memory("recover-memory", Recover),
    directory("recover-directory", Recover),
    kafka("recover-kafka", Recover),
    memory("start-memory", Start),
    directory("start-directory", Start),
    kafka("start-kafka", Start),
    memory("idle-memory", Idle),
    directory("idle-directory", Idle),
    kafka("idle-kafka", Idle),
    memory("latency-memory", Latency),
    memory("latency-memory-eos", Latency).exactly_once(),
    directory("latency-directory", Latency),
    directory("latency-directory-eos", Latency).exactly_once(),
    kafka("latency-kafka", Latency),
    kafka("latency-kafka-eos", Latency).exactly_once(),
];

const fn memory(name: &'static str, work: Work) -> Case {
    case(name, Place::Memory, work)
}

const fn directory(name: &'static str, work: Work) -> Case {
    case(name, Place::Directory, work)
}

const fn kafka(name: &'static str, work: Work) -> Case {
    case(name, Place::Kafka, work)
}

const fn case(name: &'static str, place: Place, work: Work) -> Case {
    Case {
        name,
        place,
        work,
        guarantee: Guarantee::AtLeastOnce,
        persistent: false,
        shape: Shape::USUAL,
    }
}

impl Case {
    const fn exactly_once(mut self) -> Self {
        self.guarantee = Guarantee::ExactlyOnce;
        self
    }

    const fn persistent(mut self) -> Self {
        self.persistent = true;
        self
    }

    const fn topics(mut self, topics: u32) -> Self {
        self.shape.topics = topics;
        self
    }

    const fn readers(mut self, readers: u32) -> Self {
        self.shape.readers = readers;
        self
    }

    const fn partitions(mut self, partitions: u32) -> Self {
        self.shape.partitions = partitions;
        self
    }

    const fn accounts(mut self, accounts: u64) -> Self {
        self.shape.accounts = accounts;
        self
    }

    const fn bytes(mut self, bytes: usize) -> Self {
        self.shape.value_bytes = Some(bytes);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_agents_without_tables_are_many() {
        for case in CASES {
            let one = case.shape.topics == 1 && case.shape.readers == 1;
            assert!(one || case.work == DECODE, "{}", case.name);
        }
    }
}
