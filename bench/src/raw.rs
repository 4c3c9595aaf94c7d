//! The same work as Faustus does in other cases, in bare loops without it: what it is compared with.
//!
//! The loops read the same events and do what the case's result needs, with nothing around it: no
//! retirement, no changelog, no undo. Where a figure comes near to a loop's, little is left to gain.

mod decode;
mod framing;
#[cfg(feature = "kafka")]
mod kafka;
mod keyspace;
mod step;

use anyhow::Result;

use crate::{
    cases::{Raw, Shape, Step},
    figures::Figures,
    run::Run,
};

/// Measures a loop in this process.
pub(crate) async fn measure(run: &Run, shape: Shape, raw: Raw) -> Result<Figures> {
    match raw {
        Raw::Json => decode::json(shape, run.events),
        Raw::Decode => decode::totals(shape, run.events),
        #[cfg(feature = "kafka")]
        Raw::Step(Step::KafkaFetch) => kafka::fetch(run, shape, &run.topic("in")),
        #[cfg(feature = "kafka")]
        Raw::Step(Step::KafkaAppend) => kafka::append(run, shape).await,
        #[cfg(feature = "kafka")]
        Raw::Step(Step::KafkaCommit) => kafka::commit(run, shape),
        #[cfg(not(feature = "kafka"))]
        Raw::Step(Step::KafkaFetch | Step::KafkaAppend | Step::KafkaCommit) => {
            anyhow::bail!("this was built without Kafka")
        }
        Raw::Step(Step::Fetch) => keyspace::fetch(run.address.as_ref(), shape, run.events),
        Raw::Step(Step::Append) => keyspace::changelog(run.address.as_ref(), shape, run.events),
        Raw::Step(Step::Commit) => keyspace::offsets(run.address.as_ref(), shape, run.events),
        Raw::Step(step) => step::measure(step, shape, run.events),
        Raw::Append => keyspace::append(run.address.as_ref(), shape, run.events),
        Raw::File => framing::append(run.address.as_ref(), shape, run.events),
        #[cfg(feature = "kafka")]
        Raw::KafkaPass => kafka::pass(run, shape).await,
        #[cfg(feature = "kafka")]
        Raw::KafkaTotal => kafka::totals(run, shape).await,
        #[cfg(feature = "kafka")]
        Raw::KafkaFetch => kafka::fetch(run, shape, &run.changelog()),
        Raw::KafkaRelay => anyhow::bail!("it answers at a pace"),
        #[cfg(not(feature = "kafka"))]
        Raw::KafkaPass | Raw::KafkaTotal | Raw::KafkaFetch => {
            anyhow::bail!("this was built without Kafka")
        }
    }
}

/// Answers `events` events as they come, each at once.
#[cfg(feature = "kafka")]
pub(crate) use kafka::relay;

/// It needs Kafka.
#[cfg(not(feature = "kafka"))]
pub(crate) fn relay(_: &Run, _: Shape, _: u64) -> Result<()> {
    anyhow::bail!("this was built without Kafka")
}
