//! Writing records through librdkafka, alone or in transactions.
//!
//! Each librdkafka producer has one thread of ours that hands records over, serves the reports of
//! what became of them and makes the calls that block. Reports are counted per call; a call is
//! answered when its last record was reported. All idempotent producers of a transport share one.

mod calls;
mod limits;
mod outcome;
mod overdue;
mod producer;
mod transaction;
mod transactional;
mod worker;

pub(crate) use producer::{Idempotent, KafkaProducer};
pub(crate) use transactional::{KafkaTransactionalProducer, Turns};
