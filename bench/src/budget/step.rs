//! The steps of an event's way through a worker, and which source code is whose. All that decides what
//! is counted where is the table here.

/// A step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Fetch,
    KafkaFetch,
    Decode,
    Dispatch,
    Agent,
    Table,
    Undo,
    Retire,
    Encode,
    Append,
    KafkaAppend,
    Commit,
    /// What fjall's own threads do.
    Database,
    /// What librdkafka's own threads do, as far as it is not known to be one of the above.
    Client,
    /// Threads, timers, the group.
    Runtime,
    /// What this program does itself, and what asks the worker how far it is.
    Measuring,
}

/// How many there are.
pub(crate) const COUNT: usize = STEPS.len();

/// All of them, in the order of an event's way.
pub(crate) const STEPS: [Step; 16] = [
    Step::Fetch,
    Step::KafkaFetch,
    Step::Decode,
    Step::Dispatch,
    Step::Agent,
    Step::Table,
    Step::Undo,
    Step::Retire,
    Step::Encode,
    Step::Append,
    Step::KafkaAppend,
    Step::Commit,
    Step::Database,
    Step::Client,
    Step::Runtime,
    Step::Measuring,
];

impl Step {
    /// Its name in the tables.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Fetch => "fetch",
            Self::KafkaFetch => "fetch, in librdkafka's threads",
            Self::Decode => "decode",
            Self::Dispatch => "dispatch",
            Self::Agent => "agent",
            Self::Table => "table",
            Self::Undo => "undo",
            Self::Retire => "retire",
            Self::Encode => "encode",
            Self::Append => "append",
            Self::KafkaAppend => "append, in librdkafka's threads",
            Self::Commit => "commit",
            Self::Database => "fjall's threads",
            Self::Client => "librdkafka's threads, the rest",
            Self::Runtime => "runtime and group",
            Self::Measuring => "measuring",
        }
    }
}

/// Whose code is: that of `functions` (of all, if there are none) in files whose paths have `file` in
/// them. A function is named by a part of its path, or with `*` by the beginning of one.
struct Rule {
    file: &'static str,
    functions: &'static [&'static str],
    step: Step,
}

/// The first that fits holds.
const RULES: &[Rule] = &[
    // An event is given up where the agent asks for the next one: the memory of its value is a cost of
    // decoding it.
    rule("", &["drop_in_place<bench*"], Step::Decode),
    rule(
        "",
        &["drop_in_place<faustus::runtime::lane*"],
        Step::Dispatch,
    ),
    rule("bench/src/program.rs", &[], Step::Agent),
    rule("bench/src/", &["deserialize", "visit_*"], Step::Decode),
    rule("bench/src/raw/", &[], Step::Measuring),
    rule("bench/src/run/", &[], Step::Measuring),
    rule("bench/src/run.rs", &[], Step::Measuring),
    rule("bench/src/check.rs", &[], Step::Measuring),
    rule("bench/src/figures.rs", &[], Step::Measuring),
    rule("bench/src/measure.rs", &[], Step::Measuring),
    // The worker.
    rule("faustus/src/codec.rs", &["decode"], Step::Decode),
    rule("faustus/src/codec.rs", &["encode"], Step::Encode),
    rule("faustus/src/stream.rs", &[], Step::Dispatch),
    rule("faustus/src/shard.rs", &[], Step::Table),
    rule("faustus/src/runtime/shard.rs", &["cut"], Step::Encode),
    rule(
        "faustus/src/runtime/shard.rs",
        &["retire_below"],
        Step::Retire,
    ),
    rule("faustus/src/runtime/shard.rs", &["commit"], Step::Commit),
    rule("faustus/src/runtime/shard.rs", &[], Step::Table),
    rule(
        "faustus/src/runtime/slots.rs",
        &["write", "write_alone", "roll_back_*"],
        Step::Undo,
    ),
    rule(
        "faustus/src/runtime/slots.rs",
        &["retire_below", "retire"],
        Step::Retire,
    ),
    rule("faustus/src/runtime/slots.rs", &["cut"], Step::Encode),
    rule("faustus/src/runtime/slots.rs", &["commit"], Step::Commit),
    rule("faustus/src/runtime/slots.rs", &[], Step::Table),
    rule("faustus/src/runtime/stored.rs", &[], Step::Table),
    rule("faustus/src/runtime/recovery.rs", &[], Step::Runtime),
    rule("faustus/src/membership", &[], Step::Runtime),
    rule("faustus/src/runtime/retirement.rs", &[], Step::Retire),
    rule(
        "faustus/src/runtime/task.rs",
        &["complete", "progress"],
        Step::Retire,
    ),
    rule(
        "faustus/src/runtime/task.rs",
        &["cut", "committed"],
        Step::Commit,
    ),
    rule(
        "faustus/src/runtime/task.rs",
        &["is_settled", "is_uncommitted"],
        Step::Measuring,
    ),
    rule("faustus/src/runtime/task.rs", &[], Step::Dispatch),
    rule("faustus/src/runtime/lane.rs", &["complete"], Step::Retire),
    rule("faustus/src/runtime/lane.rs", &[], Step::Dispatch),
    rule("faustus/src/runtime/outputs.rs", &[], Step::Append),
    rule(
        "faustus/src/runtime/thread/epochs.rs",
        &["cut", "add_tasks", "add_task"],
        Step::Encode,
    ),
    rule(
        "faustus/src/runtime/thread/epochs.rs",
        &["committed", "take_outcomes"],
        Step::Commit,
    ),
    rule(
        "faustus/src/runtime/thread.rs",
        &["status"],
        Step::Measuring,
    ),
    rule("faustus/src/runtime/thread", &[], Step::Dispatch),
    rule(
        "faustus/src/runtime/committer.rs",
        &["publish", "records_then_offsets"],
        Step::Append,
    ),
    rule("faustus/src/runtime/committer.rs", &[], Step::Commit),
    rule("faustus/src/runtime/epoch.rs", &[], Step::Commit),
    // A log is opened before it is measured, which samples do not know.
    rule(
        "faustus-log/src/directory/disk.rs",
        &["open"],
        Step::Measuring,
    ),
    rule("faustus-log/src/directory/recover.rs", &[], Step::Measuring),
    // The log in a directory: one thread writes for all, records and offsets.
    rule("faustus-log/src/shell/reader.rs", &[], Step::Fetch),
    rule("faustus-log/src/broker/gather.rs", &[], Step::Fetch),
    rule(
        "faustus-log/src/directory/chunk.rs",
        &["decode*", "open", "distance"],
        Step::Fetch,
    ),
    rule("faustus-log/src/directory/chunk.rs", &[], Step::Append),
    rule(
        "faustus-log/src/directory/disk.rs",
        &["chunks", "decoded", "scan", "pieces"],
        Step::Fetch,
    ),
    rule(
        "faustus-log/src/directory/disk.rs",
        &["write", "encode", "check_room"],
        Step::Append,
    ),
    rule("faustus-log/src/directory/writer.rs", &[], Step::Append),
    rule("faustus-log/src/shell/producer.rs", &[], Step::Append),
    rule("faustus-log/src/broker/publish.rs", &[], Step::Append),
    rule("faustus-log/src/broker/queue.rs", &[], Step::Append),
    rule("faustus-log/src/broker/offsets.rs", &[], Step::Commit),
    rule(
        "faustus-log/src/shell/coordinator.rs",
        &["commit_offsets", "fetch_offsets"],
        Step::Commit,
    ),
    // Kafka.
    rule("faustus-kafka/src/read", &[], Step::Fetch),
    rule("faustus-kafka/src/native/consume.rs", &[], Step::Fetch),
    rule("faustus-kafka/src/write", &[], Step::Append),
    rule("faustus-kafka/src/native/produce.rs", &[], Step::Append),
    rule(
        "faustus-kafka/src/coordinator/offsets.rs",
        &[],
        Step::Commit,
    ),
    rule("rdkafka_msgset_reader.c", &[], Step::KafkaFetch),
    rule("rdkafka_fetcher.c", &[], Step::KafkaFetch),
    rule("rdkafka_msgset_writer.c", &[], Step::KafkaAppend),
    rule(
        "",
        &["rd_kafka_broker_producer*", "rd_kafka_handle_Produce*"],
        Step::KafkaAppend,
    ),
    rule(
        "",
        &["rd_kafka_ProduceRequest", "rd_kafka_dr_*"],
        Step::KafkaAppend,
    ),
];

/// What holds where nothing of the above does, among its callers neither.
const ELSE: &[Rule] = &[
    rule("rdkafka", &[], Step::Client),
    rule("", &["rd_kafka_*"], Step::Client),
    rule("/fjall-", &[], Step::Database),
    rule("/lsm-tree-", &[], Step::Database),
    rule("faustus-log/src/directory", &[], Step::Append),
    rule("/crates/", &[], Step::Runtime),
    rule("/tokio-", &[], Step::Runtime),
    rule("bench/src/", &[], Step::Measuring),
];

const fn rule(file: &'static str, functions: &'static [&'static str], step: Step) -> Rule {
    Rule {
        file,
        functions,
        step,
    }
}

/// A place in source code.
#[derive(Debug)]
pub(crate) struct Place {
    file: String,
    function: String,
}

impl Place {
    pub(crate) fn new(file: &str, function: &str) -> Self {
        Self {
            file: file.to_owned(),
            function: function.to_owned(),
        }
    }

    /// The step that it is surely a part of.
    pub(crate) fn step(&self) -> Option<Step> {
        self.by(RULES)
    }

    /// The step that it is a part of unless it works for another one.
    pub(crate) fn step_else(&self) -> Option<Step> {
        self.by(ELSE)
    }

    fn by(&self, rules: &[Rule]) -> Option<Step> {
        let fits = |rule: &&Rule| {
            let mut functions = rule.functions.iter();
            self.file.contains(rule.file)
                && (rule.functions.is_empty() || functions.any(|name| self.is_in(name)))
        };
        rules.iter().find(fits).map(|rule| rule.step)
    }

    fn is_in(&self, name: &str) -> bool {
        match name.strip_suffix('*') {
            Some(start) => self
                .function
                .match_indices(start)
                .any(|(at, _)| at == 0 || self.function[..at].ends_with("::")),
            None => {
                let mut parts = self.function.split("::");
                parts.any(|part| part.split('<').next() == Some(name))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(file: &str, function: &str) -> Option<Step> {
        Place::new(file, function).step()
    }

    #[test]
    fn a_function_decides_where_a_file_has_several_steps() {
        let slots = "/home/me/faustus/crates/faustus/src/runtime/slots.rs";
        let slot = |function| {
            step(
                slots,
                &format!("faustus::runtime::slots::Slots<K,V>::{function}"),
            )
        };
        assert_eq!(slot("write"), Some(Step::Undo));
        assert_eq!(
            step(slots, "cut<alloc::string::String, i64>"),
            Some(Step::Encode)
        );
        assert_eq!(slot("roll_back_event"), Some(Step::Undo));
        assert_eq!(slot("retire_below::{{closure}}"), Some(Step::Retire));
        assert_eq!(slot("find"), Some(Step::Table));
    }

    #[test]
    fn libraries_are_no_step_by_themselves() {
        assert_eq!(
            step("/rustc/1/library/core/src/ptr/mod.rs", "core::ptr::read"),
            None
        );
        assert_eq!(
            step("/home/me/serde_json-1/src/de.rs", "serde_json::de::parse"),
            None
        );
        assert_eq!(step("./malloc/malloc.c", "malloc"), None);
        let fjall = Place::new("/home/me/fjall-3/src/worker.rs", "fjall::worker::run");
        assert_eq!(
            (fjall.step(), fjall.step_else()),
            (None, Some(Step::Database))
        );
    }

    #[test]
    fn each_step_is_once_in_the_list_at_its_place() {
        for (place, step) in STEPS.iter().enumerate() {
            assert_eq!(*step as usize, place);
        }
    }
}
