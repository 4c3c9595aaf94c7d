//! All cases.

use faustus::Guarantee;

use super::{
    Case, Listener, Place, Program, Raw, Shape, Step,
    Work::{self, Append, Ask, Idle, Latency, Recover, Slow, Start},
};

const DECODE: Work = Work::Throughput(Program::Decode);
const PASS: Work = Work::Throughput(Program::Pass);
const EACH: Work = Work::Throughput(Program::Each);
const TAKE: Work = Work::Throughput(Program::Take);
const MANUAL: Work = Work::Throughput(Program::Manual);
const REKEY_ASYNC: Work = Work::Throughput(Program::RekeyAsync);
const TOTAL: Work = Work::Throughput(Program::Total);
const REKEY: Work = Work::Throughput(Program::Rekey);
const REPLY: Work = Work::Throughput(Program::Reply);
const BANK: Work = Work::Throughput(Program::Bank);

/// All cases, in the order they are listed.
pub(crate) const CASES: &[Case] = &[
    memory("agent-json", DECODE).beside(&["raw-json"]),
    memory("agent-json-reader", DECODE)
        .beside(&["raw-json"])
        .heard_by(Listener::Reader),
    memory("agent-json-sensor", DECODE)
        .beside(&["raw-json"])
        .heard_by(Listener::Sensor),
    memory("agent-json-events", DECODE)
        .beside(&["raw-json"])
        .heard_by(Listener::EventSensor),
    memory("total", TOTAL).beside(&["raw-decode"]),
    memory("total-reader", TOTAL)
        .beside(&["raw-decode"])
        .heard_by(Listener::Reader),
    memory("total-sensor", TOTAL)
        .beside(&["raw-decode"])
        .heard_by(Listener::Sensor),
    memory("total-events", TOTAL)
        .beside(&["raw-decode"])
        .heard_by(Listener::EventSensor),
    memory("total-eos", TOTAL)
        .beside(&["raw-decode"])
        .exactly_once(),
    memory("persistent", TOTAL)
        .beside(&["raw-decode"])
        .persistent(),
    memory("persistent-eos", TOTAL)
        .beside(&["raw-decode"])
        .persistent()
        .exactly_once(),
    memory("persistent-1m", TOTAL)
        .beside(&["raw-keys-1m"])
        .persistent()
        .accounts(1_000_000),
    memory("rekey", REKEY).beside(&["raw-decode"]),
    memory("rekey-eos", REKEY)
        .beside(&["raw-decode"])
        .exactly_once(),
    memory("rekey-async", REKEY_ASYNC).beside(&["raw-decode"]),
    memory("take", TAKE).beside(&["raw-json"]),
    memory("manual", MANUAL).beside(&["raw-json"]),
    memory("pass", PASS).beside(&["raw-json"]),
    memory("each", EACH).beside(&["raw-json"]),
    memory("reply", REPLY).beside(&["raw-decode"]),
    memory("reply-eos", REPLY)
        .beside(&["raw-decode"])
        .exactly_once(),
    memory("ask", Ask),
    memory("ask-eos", Ask).exactly_once(),
    directory("append", Append).beside(&["raw-append", "raw-file"]),
    directory("directory-total", TOTAL).beside(&["raw-decode"]),
    directory("directory", REPLY).beside(&["raw-decode"]),
    directory("directory-eos", REPLY)
        .beside(&["raw-decode"])
        .exactly_once(),
    kafka("kafka-pass", PASS).beside(&["raw-kafka-pass"]),
    kafka("kafka-pass-eos", PASS)
        .beside(&["raw-kafka-pass"])
        .exactly_once(),
    kafka("kafka", BANK).beside(&["raw-kafka-total"]),
    kafka("kafka-eos", BANK)
        .beside(&["raw-kafka-total"])
        .exactly_once(),
    kafka("kafka-total", TOTAL).beside(&["raw-kafka-total"]),
    kafka("kafka-total-eos", TOTAL)
        .beside(&["raw-kafka-total"])
        .exactly_once(),
    // What grows.
    memory("fan-out", DECODE).beside(&["raw-json"]).readers(16),
    memory("many", DECODE)
        .beside(&["raw-json"])
        .topics(200)
        .partitions(256),
    memory("many-readers", DECODE)
        .beside(&["raw-json"])
        .readers(200)
        .partitions(256),
    memory("agents-1", DECODE).beside(&["raw-json"]),
    memory("agents-4", DECODE).beside(&["raw-json"]).topics(4),
    memory("agents-16", DECODE).beside(&["raw-json"]).topics(16),
    memory("agents-64", DECODE).beside(&["raw-json"]).topics(64),
    memory("agents-256", DECODE)
        .beside(&["raw-json"])
        .topics(256),
    memory("partitions-1", TOTAL)
        .beside(&["raw-decode"])
        .partitions(1),
    memory("partitions-4", TOTAL)
        .beside(&["raw-decode"])
        .partitions(4),
    memory("partitions-16", TOTAL)
        .beside(&["raw-decode"])
        .partitions(16),
    memory("partitions-64", TOTAL)
        .beside(&["raw-decode"])
        .partitions(64),
    memory("partitions-256", TOTAL)
        .beside(&["raw-decode"])
        .partitions(256),
    memory("partitions-1024", TOTAL)
        .beside(&["raw-decode"])
        .partitions(1024),
    memory("sizes-50", DECODE)
        .beside(&["raw-sizes-50"])
        .bytes(50),
    memory("sizes-200", DECODE)
        .beside(&["raw-sizes-200"])
        .bytes(200),
    memory("sizes-1k", DECODE)
        .beside(&["raw-sizes-1k"])
        .bytes(1_000),
    memory("sizes-10k", DECODE)
        .beside(&["raw-sizes-10k"])
        .bytes(10_000),
    memory("sizes-100k", DECODE)
        .beside(&["raw-sizes-100k"])
        .bytes(100_000),
    memory("keys-10k", TOTAL)
        .beside(&["raw-keys-10k"])
        .accounts(10_000),
    memory("keys-100k", TOTAL)
        .beside(&["raw-keys-100k"])
        .accounts(100_000),
    memory("keys-1m", TOTAL)
        .beside(&["raw-keys-1m"])
        .accounts(1_000_000),
    memory("keys-10m", TOTAL)
        .beside(&["raw-keys-10m"])
        .accounts(10_000_000),
    // What waits.
    directory("slow-agent", Slow),
    kafka("slow-agent-kafka", Slow),
    memory("recover-memory", Recover),
    directory("recover-directory", Recover),
    kafka("recover-kafka", Recover).beside(&["raw-recover-kafka"]),
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
    kafka("latency-kafka", Latency).beside(&["raw-latency-kafka"]),
    kafka("latency-kafka-eos", Latency)
        .beside(&["raw-latency-kafka"])
        .exactly_once(),
    // What others are compared with.
    memory("raw-json", Work::Raw(Raw::Json)),
    memory("raw-decode", Work::Raw(Raw::Decode)),
    directory("raw-append", Work::Raw(Raw::Append)),
    directory("raw-file", Work::Raw(Raw::File)),
    kafka("raw-kafka-pass", Work::Raw(Raw::KafkaPass)),
    kafka("raw-kafka-total", Work::Raw(Raw::KafkaTotal)),
    kafka("raw-recover-kafka", Work::Raw(Raw::KafkaFetch)),
    kafka("raw-latency-kafka", Work::Raw(Raw::KafkaRelay)),
    memory("floor-decode", Work::Raw(Raw::Step(Step::Decode))),
    memory("floor-dispatch", Work::Raw(Raw::Step(Step::Dispatch))),
    memory("floor-agent", Work::Raw(Raw::Step(Step::Agent))),
    memory("floor-table", Work::Raw(Raw::Step(Step::Table))),
    memory("floor-undo", Work::Raw(Raw::Step(Step::Undo))),
    memory("floor-retire", Work::Raw(Raw::Step(Step::Retire))),
    memory("floor-encode", Work::Raw(Raw::Step(Step::Encode))),
    directory("floor-fetch", Work::Raw(Raw::Step(Step::Fetch))),
    directory("floor-append", Work::Raw(Raw::Step(Step::Append))),
    directory("floor-commit", Work::Raw(Raw::Step(Step::Commit))),
    kafka("floor-kafka-fetch", Work::Raw(Raw::Step(Step::KafkaFetch))),
    kafka(
        "floor-kafka-append",
        Work::Raw(Raw::Step(Step::KafkaAppend)),
    ),
    kafka(
        "floor-kafka-commit",
        Work::Raw(Raw::Step(Step::KafkaCommit)),
    ),
    memory("raw-sizes-50", Work::Raw(Raw::Json)).bytes(50),
    memory("raw-sizes-200", Work::Raw(Raw::Json)).bytes(200),
    memory("raw-sizes-1k", Work::Raw(Raw::Json)).bytes(1_000),
    memory("raw-sizes-10k", Work::Raw(Raw::Json)).bytes(10_000),
    memory("raw-sizes-100k", Work::Raw(Raw::Json)).bytes(100_000),
    memory("raw-keys-10k", Work::Raw(Raw::Decode)).accounts(10_000),
    memory("raw-keys-100k", Work::Raw(Raw::Decode)).accounts(100_000),
    memory("raw-keys-1m", Work::Raw(Raw::Decode)).accounts(1_000_000),
    memory("raw-keys-10m", Work::Raw(Raw::Decode)).accounts(10_000_000),
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
        listener: Listener::Nobody,
        shape: Shape::USUAL,
        beside: &[],
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

    const fn heard_by(mut self, listener: Listener) -> Self {
        self.listener = listener;
        self
    }

    const fn beside(mut self, raw: &'static [&'static str]) -> Self {
        self.beside = raw;
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
    fn what_a_case_is_compared_with_is_a_raw_loop_over_the_same_events() {
        for case in CASES {
            for name in case.beside {
                let raw = CASES.iter().find(|raw| raw.name == *name);
                let raw = raw.unwrap_or_else(|| panic!("{name} is no case"));
                assert!(matches!(raw.work, Work::Raw(_)), "{name}");
                assert_eq!(raw.shape.accounts, case.shape.accounts, "{name}");
                assert_eq!(raw.shape.value_bytes, case.shape.value_bytes, "{name}");
            }
        }
    }

    #[test]
    fn only_agents_without_tables_are_many() {
        for case in CASES {
            let one = case.shape.topics == 1 && case.shape.readers == 1;
            assert!(one || case.work == DECODE, "{}", case.name);
        }
    }
}
