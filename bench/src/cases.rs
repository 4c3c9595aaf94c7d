//! What can be measured: each case is a kind of work on a log, with events of some shape.

mod list;
mod shape;

use faustus::Guarantee;

pub(crate) use list::CASES;
pub(crate) use shape::Shape;

/// One line of the results.
#[derive(Debug)]
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) place: Place,
    pub(crate) work: Work,
    pub(crate) guarantee: Guarantee,
    /// Whether tables are kept on disk beside their changelogs.
    pub(crate) persistent: bool,
    pub(crate) listener: Listener,
    pub(crate) shape: Shape,
    /// The raw loops that it is compared with.
    pub(crate) beside: &'static [&'static str],
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
    /// Events into the log, and no program.
    Append,
    /// Requests to an agent, each of which waits for its reply.
    Ask,
    /// An agent that cannot keep up.
    Slow,
    /// A start with a long changelog, until the tasks run.
    Recover,
    /// From the start of the process to the first event.
    Start,
    /// Doing nothing.
    Idle,
    /// From a send to the arrival of the output, at a steady pace.
    Latency,
    /// The same work as another case's, without Faustus.
    Raw(Raw),
}

/// Who listens to the worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Listener {
    /// Nobody.
    Nobody,
    /// Somebody who reads its figures each second.
    Reader,
    /// A sensor that hears of batches and epochs.
    Sensor,
    /// A sensor that hears of each event, too.
    EventSensor,
}

/// What is done with each event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Program {
    /// Decode it.
    Decode,
    /// Decode it, and reply it with a field more to a sink.
    Pass,
    /// Add its amount to its account's total in a table.
    Total,
    /// The same with events that have no key and are grouped by account.
    Rekey,
    /// As `Total`, and reply the total to a sink.
    Reply,
    /// As `Rekey`, and reply the total to a sink.
    Bank,
    /// As `Rekey`, by a closure that could wait.
    RekeyAsync,
    /// As `Pass`, by a function for each event.
    Each,
    /// As `Decode`, many events at a time.
    Take,
    /// As `Decode`, each event acknowledged by the program.
    Manual,
}

impl Program {
    /// Whether it groups events that have no key.
    pub(crate) fn regroups(self) -> bool {
        matches!(self, Self::Rekey | Self::RekeyAsync | Self::Bank)
    }

    /// Whether it does no more than decode.
    pub(crate) fn only_decodes(self) -> bool {
        matches!(self, Self::Decode | Self::Take | Self::Manual)
    }

    /// Whether it passes events on.
    pub(crate) fn passes(self) -> bool {
        matches!(self, Self::Pass | Self::Each)
    }

    /// Whether it totals in a table.
    pub(crate) fn totals(self) -> bool {
        matches!(
            self,
            Self::Total | Self::Rekey | Self::RekeyAsync | Self::Reply | Self::Bank
        )
    }
}

/// A bare loop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Raw {
    /// Decode what lies in memory.
    Json,
    /// Decode what lies in memory, and total in a hash map.
    Decode,
    /// Append batches to a keyspace of fjall.
    Append,
    /// Append batches to a file.
    File,
    /// One step of what a worker does with an event, alone.
    Step(Step),
    /// Consume with rdkafka, decode, encode with a field more, produce.
    KafkaPass,
    /// Consume with rdkafka, decode, and total in a hash map.
    KafkaTotal,
    /// Consume a changelog with rdkafka.
    KafkaFetch,
    /// As `KafkaTotal` at a steady pace, and produce each total.
    KafkaRelay,
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
            Work::Throughput(Program::Pass) => {
                "an agent that decodes JSON and replies it to a sink"
            }
            Work::Throughput(Program::Each) => {
                "a function that is called for each event and gives the reply"
            }
            Work::Throughput(Program::Take) => "an agent that decodes JSON, 100 events at a time",
            Work::Throughput(Program::Manual) => {
                "an agent that decodes JSON and acknowledges each event itself"
            }
            Work::Throughput(Program::RekeyAsync) => {
                "group_by account by an async closure, then totals in a table"
            }
            Work::Throughput(Program::Total) => "totals by account in a table with its changelog",
            Work::Throughput(Program::Rekey) => "group_by account, then totals in a table",
            Work::Throughput(Program::Reply) => "totals by account in a table, each sent to a sink",
            Work::Throughput(Program::Bank) => {
                "group_by account, then totals in a table, each sent to a sink"
            }
            Work::Append => "events appended in batches of 500 a partition",
            Work::Ask => "an agent is asked, a thousand requests at once",
            Work::Slow => "an agent a thousand times slower than its source",
            Work::Recover => "a start with a changelog of as many records, until all tasks run",
            Work::Start => "from the start of the process to the first event",
            Work::Idle => "a worker without events",
            Work::Latency => "1,000 events a second, from send to the output's arrival",
            Work::Raw(raw) => return format!("{}{}", raw.about(), self.shape.about()),
        };
        let place = match self.place {
            Place::Memory => ", in memory",
            Place::Directory => ", in a directory",
            Place::Kafka => ", on Kafka",
        };
        let store = if self.persistent {
            ", the table on disk"
        } else {
            ""
        };
        let guarantee = match self.guarantee {
            Guarantee::AtLeastOnce => "",
            Guarantee::ExactlyOnce => ", exactly once",
        };
        let listener = match self.listener {
            Listener::Nobody => "",
            Listener::Reader => ", its figures read each second",
            Listener::Sensor => ", a sensor told of batches",
            Listener::EventSensor => ", a sensor told of each event",
        };
        let about = self.shape.about();
        format!("{work}{about}{place}{store}{guarantee}{listener}")
    }

    /// Whether writing the events is a part of what is measured.
    pub(crate) fn loads_while_measured(&self) -> bool {
        let replies = matches!(self.work, Work::Throughput(Program::Reply));
        self.place == Place::Directory && replies
    }

    /// Whether the log is filled in a process of its own.
    pub(crate) fn is_prepared_elsewhere(&self) -> bool {
        let writes = matches!(self.work, Work::Append | Work::Slow | Work::Raw(_));
        match self.place {
            Place::Memory => false,
            Place::Directory => !writes && !self.loads_while_measured(),
            Place::Kafka => true,
        }
    }

    /// How many tasks its application has.
    pub(crate) fn tasks(&self) -> usize {
        (self.shape.topics * self.shape.partitions * self.hops()) as usize
    }

    /// Through how many tasks each event goes.
    pub(crate) fn hops(&self) -> u32 {
        match self.work {
            Work::Throughput(program) if program.regroups() => 2,
            _ => 1,
        }
    }

    /// How many events it has if nothing else is said.
    pub(crate) fn default_events(&self) -> u64 {
        match (self.work, self.place) {
            (Work::Throughput(_) | Work::Raw(_), Place::Memory) => self.shape.usual_events(),
            (Work::Start, _) => 1,
            (Work::Ask, _) => 500_000,
            (Work::Idle | Work::Latency | Work::Slow | Work::Raw(Raw::KafkaRelay), _) => 0,
            _ => 1_000_000,
        }
    }
}

/// What a worker does with an event, and what is the least that does it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Read batches from a keyspace of fjall.
    Fetch,
    /// Decode what lies in memory.
    Decode,
    /// Go over the records of batches in memory.
    Dispatch,
    /// Add up the amounts of decoded events.
    Agent,
    /// Total decoded events in a hash map.
    Table,
    /// Keep an old value for each event, and drop it again.
    Undo,
    /// Count what is done, number by number.
    Retire,
    /// Encode each changed entry of a table once.
    Encode,
    /// Write an epoch's changelog to a keyspace of fjall, a batch for each partition.
    Append,
    /// Write an epoch's offsets to a keyspace of fjall.
    Commit,
    /// Consume with rdkafka, and nothing else.
    KafkaFetch,
    /// Produce an epoch's changelog with rdkafka.
    KafkaAppend,
    /// Commit an epoch's offsets with rdkafka.
    KafkaCommit,
}

impl Raw {
    fn about(self) -> &'static str {
        match self {
            Self::Json => "a bare loop that decodes JSON from batches in memory",
            Self::Decode => "a bare loop that decodes JSON from memory and totals in a hash map",
            Self::Append => "a bare loop that appends the same batches to a keyspace of fjall",
            Self::File => "a bare loop that appends the same batches to a file",
            Self::KafkaPass => "an rdkafka loop: consume, decode, encode, produce",
            Self::KafkaTotal => "an rdkafka loop: consume, decode, total in a hash map",
            Self::KafkaFetch => "an rdkafka loop: consume a changelog",
            Self::KafkaRelay => {
                "an rdkafka loop at 1,000 events a second: consume, decode, total, produce"
            }
            Self::Step(step) => step.about(),
        }
    }
}

impl Step {
    fn about(self) -> &'static str {
        match self {
            Self::Fetch => "a bare loop that reads batches from a keyspace of fjall",
            Self::Decode => "a bare loop that decodes JSON into events",
            Self::Dispatch => "a bare loop over the records of batches in memory",
            Self::Agent => "a bare loop that adds up decoded events",
            Self::Table => "a bare loop that totals decoded events in a hash map",
            Self::Undo => "a bare loop that keeps an old value for each event",
            Self::Retire => "a bare loop that counts",
            Self::Encode => "a bare loop that encodes each changed total once",
            Self::Append => "one write of all changed totals to a keyspace of fjall",
            Self::Commit => "one write of all offsets to a keyspace of fjall",
            Self::KafkaFetch => "an rdkafka loop: consume",
            Self::KafkaAppend => "rdkafka: produce all changed totals",
            Self::KafkaCommit => "rdkafka: commit all offsets once",
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
