//! What can be measured: each case is a kind of work on a log.

use faustus::Guarantee;

/// One line of the results.
#[derive(Debug)]
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) place: Place,
    pub(crate) work: Work,
    pub(crate) guarantee: Guarantee,
}

/// The log that a case runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Memory,
    Directory,
    Kafka,
}

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Work {
    /// Events through a program, as fast as they go.
    Throughput(Program),
    /// A start with a long changelog, until the tasks run.
    Recover,
    /// From the start of the process to the first event.
    Start,
    /// Doing nothing.
    Idle,
    /// From a send to the arrival of the output, at a steady pace.
    Latency,
}

/// What is done with each event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Program {
    /// Decode it.
    Decode,
    /// Add its amount to its account's total in a table.
    Total,
    /// The same, and reply the total to a sink.
    Reply,
}

const ALO: Guarantee = Guarantee::AtLeastOnce;
const EOS: Guarantee = Guarantee::ExactlyOnce;
const DECODE: Work = Work::Throughput(Program::Decode);
const TOTAL: Work = Work::Throughput(Program::Total);
const REPLY: Work = Work::Throughput(Program::Reply);

/// All cases, in the order they are listed.
pub(crate) const CASES: &[Case] = &[
    case("agent-json", Place::Memory, DECODE, ALO),
    case("total", Place::Memory, TOTAL, ALO),
    case("total-eos", Place::Memory, TOTAL, EOS),
    case("reply", Place::Memory, REPLY, ALO),
    case("reply-eos", Place::Memory, REPLY, EOS),
    case("directory", Place::Directory, REPLY, ALO),
    case("directory-eos", Place::Directory, REPLY, EOS),
    case("kafka", Place::Kafka, TOTAL, ALO),
    case("kafka-eos", Place::Kafka, TOTAL, EOS),
    case("recover-memory", Place::Memory, Work::Recover, ALO),
    case("recover-directory", Place::Directory, Work::Recover, ALO),
    case("recover-kafka", Place::Kafka, Work::Recover, ALO),
    case("start-memory", Place::Memory, Work::Start, ALO),
    case("start-directory", Place::Directory, Work::Start, ALO),
    case("start-kafka", Place::Kafka, Work::Start, ALO),
    case("idle-memory", Place::Memory, Work::Idle, ALO),
    case("idle-directory", Place::Directory, Work::Idle, ALO),
    case("idle-kafka", Place::Kafka, Work::Idle, ALO),
    case("latency-memory", Place::Memory, Work::Latency, ALO),
    case("latency-memory-eos", Place::Memory, Work::Latency, EOS),
    case("latency-directory", Place::Directory, Work::Latency, ALO),
    case(
        "latency-directory-eos",
        Place::Directory,
        Work::Latency,
        EOS,
    ),
    case("latency-kafka", Place::Kafka, Work::Latency, ALO),
    case("latency-kafka-eos", Place::Kafka, Work::Latency, EOS),
];

const fn case(name: &'static str, place: Place, work: Work, guarantee: Guarantee) -> Case {
    Case {
        name,
        place,
        work,
        guarantee,
    }
}

/// The case of this name, or else all whose names begin with it and a hyphen.
pub(crate) fn find(name: &str) -> Vec<&'static Case> {
    if let Some(case) = CASES.iter().find(|case| case.name == name) {
        return vec![case];
    }
    let belongs = |case: &&Case| {
        let rest = case.name.strip_prefix(name);
        rest.is_some_and(|rest| rest.starts_with('-'))
    };
    CASES.iter().filter(belongs).collect()
}

impl Case {
    /// What it does, for people.
    pub(crate) fn about(&self) -> String {
        let work = match self.work {
            Work::Throughput(_) if self.loads_while_measured() => {
                "events appended, then totals by account in a table, each sent to a sink"
            }
            Work::Throughput(Program::Decode) => "an agent that decodes JSON",
            Work::Throughput(Program::Total) => "totals by account in a table with its changelog",
            Work::Throughput(Program::Reply) => "totals by account in a table, each sent to a sink",
            Work::Recover => "a start with a changelog of as many records, until all tasks run",
            Work::Start => "from the start of the process to the first event",
            Work::Idle => "a worker without events",
            Work::Latency => "1,000 events a second, from send to the output's arrival",
        };
        let place = match self.place {
            Place::Memory => "in memory",
            Place::Directory => "in a directory",
            Place::Kafka => "on Kafka",
        };
        let guarantee = match self.guarantee {
            Guarantee::AtLeastOnce => "",
            Guarantee::ExactlyOnce => ", exactly once",
        };
        format!("{work}, {place}{guarantee}")
    }

    /// Whether writing the events is a part of what is measured.
    pub(crate) fn loads_while_measured(&self) -> bool {
        self.place == Place::Directory && matches!(self.work, Work::Throughput(_))
    }

    /// Whether the log is filled in a process of its own.
    pub(crate) fn is_prepared_elsewhere(&self) -> bool {
        self.place != Place::Memory && !self.loads_while_measured()
    }

    /// How many events it has if nothing else is said.
    pub(crate) fn default_events(&self) -> u64 {
        match (self.work, self.place) {
            (Work::Throughput(_), Place::Memory) => 3_000_000,
            (Work::Start, _) => 1,
            (Work::Idle, _) => 0,
            _ => 1_000_000,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(name: &str) -> Vec<&str> {
        find(name).iter().map(|case| case.name).collect()
    }

    #[test]
    fn a_name_stands_for_its_case_or_else_for_all_that_begin_with_it() {
        assert_eq!(names("total"), ["total"]);
        assert_eq!(names("idle-memory"), ["idle-memory"]);
        assert!(names("latency").contains(&"latency-memory-eos"));
        assert_eq!(names("tot"), Vec::<&str>::new());
    }
}
