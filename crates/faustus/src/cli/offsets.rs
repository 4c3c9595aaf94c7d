//! `offsets` and `lag`: how far the application has come in what it reads.

use clap::Args;
use faustus_core::{Clock, Offset, OffsetSpec, Transport};
use futures_util::{StreamExt, TryStreamExt, stream};
use serde::Serialize;

use super::{
    described::unknown,
    output::{Kind, Row, maybe, say, span},
    reading::{Go, bounds, read},
    session::{Missing, Session, Where, partitions},
};
use crate::{Error, Result, TokioClock};

#[derive(Args, Debug)]
#[command(after_help = "\
What lags is what is not committed: a record counts until its event and all before it are complete and stored. The time is that since \
the oldest of them was written.")]
pub(super) struct OffsetsArgs {
    #[command(flatten)]
    pub(super) at: Where,
    /// Only this topic, or the topics that this agent reads
    #[arg(value_name = "TOPIC or @AGENT")]
    of: Option<String>,
}

/// Where the application is in a partition.
#[derive(Clone, Debug, Serialize)]
struct Position {
    topic: String,
    partition: u32,
    earliest: i64,
    /// The next record to be read; `None`: nothing is committed yet.
    committed: Option<i64>,
    end: i64,
    /// How many offsets there are from there to the end.
    lag: i64,
    /// How long ago the oldest record was written that is not committed; 0 if there is none.
    lag_seconds: f64,
}

impl Row for Position {
    const COLUMNS: &'static [(&'static str, Kind)] = &[
        ("TOPIC", Kind::Text),
        ("PARTITION", Kind::Number),
        ("EARLIEST", Kind::Number),
        ("COMMITTED", Kind::Number),
        ("END", Kind::Number),
        ("LAG", Kind::Number),
    ];

    fn cells(&self) -> Vec<String> {
        vec![
            self.topic.clone(),
            self.partition.to_string(),
            self.earliest.to_string(),
            maybe(self.committed),
            self.end.to_string(),
            self.lag.to_string(),
        ]
    }
}

/// The same, as far as it waits.
#[derive(Serialize)]
#[serde(transparent)]
struct Lagging(Position);

impl Row for Lagging {
    const COLUMNS: &'static [(&'static str, Kind)] = &[
        ("TOPIC", Kind::Text),
        ("PARTITION", Kind::Number),
        ("RECORDS", Kind::Number),
        ("BEHIND", Kind::Number),
    ];

    fn cells(&self) -> Vec<String> {
        let position = &self.0;
        vec![
            position.topic.clone(),
            position.partition.to_string(),
            position.lag.to_string(),
            match position.lag {
                0 => "-".to_owned(),
                _ => span(position.lag_seconds),
            },
        ]
    }
}

pub(super) async fn offsets(session: &Session, args: &OffsetsArgs) -> Result {
    let positions = positions(session, args).await?;
    args.at.output().rows(&positions, NOTHING)
}

pub(super) async fn lag(session: &Session, args: &OffsetsArgs) -> Result {
    let positions = positions(session, args).await?;
    let output = args.at.output();
    let rows: Vec<Lagging> = positions.iter().cloned().map(Lagging).collect();
    output.rows(&rows, NOTHING)?;
    if !output.is_json() && !rows.is_empty() {
        let all: i64 = positions.iter().map(|position| position.lag).sum();
        let oldest = positions.iter().map(|position| position.lag_seconds);
        let oldest = oldest.fold(0.0, f64::max);
        say(&match all {
            0 => "nothing waits".to_owned(),
            1 => format!("1 record waits, written {} ago", span(oldest)),
            all => format!(
                "{all} records wait, the oldest written {} ago",
                span(oldest)
            ),
        });
    }
    Ok(())
}

/// How many partitions are looked at at once.
const AT_ONCE: usize = 16;

const NOTHING: &str = "the application reads no topic that exists";

async fn positions(session: &Session, args: &OffsetsArgs) -> Result<Vec<Position>> {
    let log = session.log(Missing::Refuse).await?;
    let sources = session.known(&*log).await?.sources;
    let wanted = match args.of.as_deref() {
        None => sources,
        Some(agent) if agent.starts_with('@') => {
            let def = session.program()?;
            let agent = def.agent_named(agent)?;
            let topics = agent.sources.iter();
            let topics = topics.filter(|topic| def.topics[**topic as usize].is_in_log());
            topics.map(|&topic| def.topic_name(topic).clone()).collect()
        }
        Some(name) => {
            if !sources.iter().any(|source| source.as_str() == name) {
                let known = sources.iter().map(|source| source.as_str());
                let unknown = unknown("source topic", name, known, session.app());
                return Err(Error::config(unknown));
            }
            vec![name.into()]
        }
    };
    let found = session.describe(&*log, &wanted).await?;
    let partitions: Vec<_> = found.iter().flatten().flat_map(partitions).collect();
    let admin = log.admin();
    let earliest = admin.offsets(&partitions, OffsetSpec::Earliest).await?;
    let ends = admin
        .offsets(&partitions, OffsetSpec::HighWatermark)
        .await?;
    let group = log.coordinator(session.app());
    let committed = group.fetch_offsets(&partitions, false).await?;
    let each = partitions.iter().enumerate().map(|(index, partition)| {
        let (earliest, end, log) = (earliest[index], ends[index], &*log);
        let committed = committed[index].as_ref().map(|committed| committed.offset);
        let next = committed.unwrap_or(earliest).max(earliest);
        let lag = (end.0 - next.0).max(0);
        async move {
            let lag_seconds = match lag {
                0 => 0.0,
                _ => age(log, partition, next).await?,
            };
            Ok(Position {
                topic: partition.topic.to_string(),
                partition: partition.partition,
                earliest: earliest.0,
                committed: committed.map(|offset| offset.0),
                end: end.0,
                lag,
                lag_seconds,
            })
        }
    });
    stream::iter(each).buffered(AT_ONCE).try_collect().await
}

/// How many seconds ago the first record from `from` on was written; 0 if there is none.
async fn age(
    log: &dyn Transport,
    partition: &faustus_core::TopicPartition,
    from: Offset,
) -> Result<f64> {
    let end = bounds(log, std::slice::from_ref(partition)).await?[0].1;
    let mut written = None;
    read(log, partition, from, end, |record| {
        written = Some(record.timestamp().0);
        Ok(Go::Stop)
    })
    .await?;
    let now = TokioClock::real().now().0;
    #[expect(clippy::cast_precision_loss, reason = "for people")]
    let seconds = |written: i64| (now - written).max(0) as f64 / 1000.0;
    Ok(written.map_or(0.0, seconds))
}
