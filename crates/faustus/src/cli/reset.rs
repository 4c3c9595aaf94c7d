//! `reset`: the application begins anew, as if it had read nothing.
//!
//! Offsets first: the group takes them only while it has no members, and that is the proof that nobody
//! is working. Then the changelogs and repartition topics go; a store of a table is used only with the
//! changelog that it was made from, so it is dropped at the next start. A reset that was interrupted is
//! made whole by another one.

use clap::{Args, ValueEnum};
use comfy_table::Cell;
use faustus_core::{
    GroupError, GroupIdentity, Offset, OffsetCommit, OffsetSpec, TopicName, Transport,
};
use serde::Serialize;

use super::{
    output::{Row, maybe, say},
    session::{Missing, Session, Where, partitions},
};
use crate::{Error, ErrorKind, Result};

#[derive(Args, Debug)]
pub(super) struct ResetArgs {
    /// Where reading begins anew: at the first record of each partition, or at those still to come
    #[arg(long, value_enum, default_value_t = To::Earliest)]
    to: To,
    /// Do it; without this it is only shown
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    pub(super) at: Where,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum To {
    Earliest,
    Latest,
}

/// What becomes of a topic, or of one of its partitions.
#[derive(Serialize)]
struct Step {
    topic: String,
    partition: Option<u32>,
    from: Option<i64>,
    to: Option<i64>,
    step: &'static str,
}

impl Row for Step {
    const HEADS: &'static [&'static str] = &["TOPIC", "PARTITION", "FROM", "TO", ""];

    fn cells(&self) -> Vec<Cell> {
        vec![
            Cell::new(&self.topic),
            maybe(self.partition),
            maybe(self.from),
            maybe(self.to),
            Cell::new(self.step),
        ]
    }
}

pub(super) async fn reset(session: &Session, args: &ResetArgs) -> Result {
    let (def, output) = (&session.def, args.at.output());
    if let Some(worker) = session.workers().await?.first() {
        return Err(in_use(
            session,
            &format!("process {}", worker.greeting().pid),
        ));
    }
    let log = session.log(Missing::Refuse).await?;
    let (commits, mut steps) = begin(session, &*log, args.to).await?;
    let own = own_topics(session, &*log).await?;
    steps.extend(own.iter().map(|topic| Step {
        topic: topic.to_string(),
        partition: None,
        from: None,
        to: None,
        step: "is deleted",
    }));
    output.rows(&steps, "nothing is there to begin anew")?;
    if !args.yes {
        say("nothing was done; to do it, add --yes");
        return Ok(());
    }
    let coordinator = log.coordinator(&def.name);
    let nobody = GroupIdentity::none(&*def.name);
    match coordinator.commit_offsets(nobody, commits).await {
        Ok(()) => {}
        Err(GroupError::Transport(error)) => return Err(error.into()),
        Err(_) => return Err(in_use(session, "somebody elsewhere")),
    }
    for topic in own {
        log.admin().delete_topic(&topic).await.map_err(|error| {
            let what = format!("topic {topic} was not deleted, so reset again");
            Error::from(error).context(what)
        })?;
    }
    say(&format!("application {} begins anew", def.name));
    Ok(())
}

fn in_use(session: &Session, who: &str) -> Error {
    let text = format!(
        "{who} runs a worker of {} on log {}: stop all workers before a reset",
        session.def.name,
        session.address()
    );
    Error::new(ErrorKind::Unavailable, text)
}

/// The offsets to be committed for what the application reads and does not empty itself.
async fn begin(
    session: &Session,
    log: &dyn Transport,
    to: To,
) -> Result<(Vec<OffsetCommit>, Vec<Step>)> {
    let def = &session.def;
    let own = |name: &TopicName| {
        let mut own = def.repartitions.iter();
        own.any(|&topic| def.topic_name(topic) == name)
    };
    let sources = session.sources(log).await?;
    let sources: Vec<_> = sources.into_iter().filter(|name| !own(name)).collect();
    let found = session.describe(log, &sources).await?;
    let partitions: Vec<_> = found.iter().flatten().flat_map(partitions).collect();
    let spec = match to {
        To::Earliest => OffsetSpec::Earliest,
        To::Latest => OffsetSpec::HighWatermark,
    };
    let ends = log.admin().offsets(&partitions, spec).await?;
    let coordinator = log.coordinator(&def.name);
    let committed = coordinator.fetch_offsets(&partitions, false).await?;
    let (mut commits, mut steps) = (Vec::new(), Vec::new());
    for ((partition, end), committed) in partitions.into_iter().zip(ends).zip(committed) {
        let from: Option<Offset> = committed.map(|committed| committed.offset);
        steps.push(Step {
            topic: partition.topic.to_string(),
            partition: Some(partition.partition),
            from: from.map(|offset| offset.0),
            to: Some(end.0),
            step: "is read from there",
        });
        commits.push(OffsetCommit::new(partition, end));
    }
    Ok((commits, steps))
}

/// The topics that the application makes and fills by itself, as far as they exist.
async fn own_topics(session: &Session, log: &dyn Transport) -> Result<Vec<TopicName>> {
    let def = &session.def;
    let repartitions = def.repartitions.iter();
    let mut own: Vec<TopicName> = repartitions.map(|&t| def.topic_name(t).clone()).collect();
    own.extend((0..def.tables.len()).map(|table| TopicName::from(def.changelog(table))));
    own.sort();
    let found = session.describe(log, &own).await?;
    Ok(found
        .into_iter()
        .flatten()
        .map(|topic| topic.name)
        .collect())
}
