//! `reset`: the application begins anew, as if it had read nothing.
//!
//! Offsets first: the group takes them only while it has no members, and that is the proof that nobody
//! is working. Then the changelogs and repartition topics go; a store of a table is used only with the
//! changelog that it was made from, so it is dropped at the next start. A reset that was interrupted is
//! made whole by another one.

use clap::{Args, ValueEnum};
use faustus_core::{
    GroupError, GroupIdentity, Offset, OffsetCommit, OffsetSpec, TopicName, Transport,
};
use serde::Serialize;

use super::{
    known::Known,
    output::{Kind, Row, maybe, say},
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
    const COLUMNS: &'static [(&'static str, Kind)] = &[
        ("TOPIC", Kind::Text),
        ("PARTITION", Kind::Number),
        ("FROM", Kind::Number),
        ("TO", Kind::Number),
        ("", Kind::Text),
    ];

    fn cells(&self) -> Vec<String> {
        vec![
            self.topic.clone(),
            maybe(self.partition),
            maybe(self.from),
            maybe(self.to),
            self.step.to_owned(),
        ]
    }
}

pub(super) async fn reset(session: &Session, args: &ResetArgs) -> Result {
    let (app, output) = (session.app(), args.at.output());
    if let Some(worker) = session.workers().await?.first() {
        return Err(in_use(
            session,
            &format!("process {}", worker.greeting().pid),
        ));
    }
    let log = session.log(Missing::Refuse).await?;
    let known = session.known(&*log).await?;
    if let Some((table, rival)) = known.doubtful() {
        return Err(Error::config(format!(
            "topic {} may be of application {rival} as well, so only the program of {app} can reset it",
            table.changelog
        )));
    }
    let (commits, mut steps) = begin(session, &known, &*log, args.to).await?;
    let own = own_topics(session, &known, &*log).await?;
    if commits.is_empty() && !own.is_empty() && session.is_shared() {
        // They are also what proves that nobody works; a directory has one process, which we met.
        return Err(Error::config(format!(
            "application {app} reads no topic that exists, so it cannot be told whether a worker runs"
        )));
    }
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
    let coordinator = log.coordinator(app);
    let nobody = GroupIdentity::none(app);
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
    say(&format!("application {app} begins anew"));
    Ok(())
}

fn in_use(session: &Session, who: &str) -> Error {
    let text = format!(
        "{who} runs a worker of {} on log {}: stop all workers before a reset",
        session.app(),
        session.address()
    );
    Error::new(ErrorKind::Unavailable, text)
}

/// The offsets to be committed for what the application reads and does not empty itself.
async fn begin(
    session: &Session,
    known: &Known,
    log: &dyn Transport,
    to: To,
) -> Result<(Vec<OffsetCommit>, Vec<Step>)> {
    let sources = known.sources.iter();
    let sources = sources.filter(|name| !known.repartitions.contains(name));
    let sources: Vec<_> = sources.cloned().collect();
    let found = session.describe(log, &sources).await?;
    let partitions: Vec<_> = found.iter().flatten().flat_map(partitions).collect();
    let spec = match to {
        To::Earliest => OffsetSpec::Earliest,
        To::Latest => OffsetSpec::HighWatermark,
    };
    let ends = log.admin().offsets(&partitions, spec).await?;
    let coordinator = log.coordinator(session.app());
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
async fn own_topics(
    session: &Session,
    known: &Known,
    log: &dyn Transport,
) -> Result<Vec<TopicName>> {
    let changelogs = known.tables.iter().map(|table| &table.changelog);
    let own = known.repartitions.iter().chain(changelogs);
    let mut own: Vec<TopicName> = own.cloned().collect();
    own.sort();
    let found = session.describe(log, &own).await?;
    Ok(found
        .into_iter()
        .flatten()
        .map(|topic| topic.name)
        .collect())
}
