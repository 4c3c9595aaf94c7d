//! `send`, `cast` and `ask`: records to topics and agents.

mod values;

use std::{io, sync::Arc, time::Duration};

use bytes::Bytes;
use clap::Args;
use faustus_core::{Clock, TopicPartition, Transport, partition_for_key};
use serde::Serialize;

use super::{
    Stopped, or_interrupted,
    output::Output,
    session::{Missing, Session, Where, join},
};
use crate::{
    Error, ErrorKind, Raw, Result, TokioClock, Topic,
    form::Form,
    near::did_you_mean,
    runtime::{Plan, Threads, visit},
    topic::TopicShared,
    worker::random,
};
use values::{CHUNK, Chunk, Values};

// How values are given.
#[derive(Args, Debug)]
struct Given {
    /// The value, as JSON where the topic's values have a JSON form; - reads one value a line from standard input
    #[arg(value_name = "VALUE", allow_hyphen_values = true)]
    value: String,
    /// The record's key, as it is [default: none]
    #[arg(short, long)]
    key: Option<String>,
}

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  send orders '{\"account\":\"ann\",\"amount\":7}' --key ann
  send @charge '{\"account\":\"ann\",\"amount\":7}' --header source=shell
  send orders - < orders.jsonl

Each record is answered by where it is stored: TOPIC/PARTITION@OFFSET. A value that is not of the topic's type is refused \
before anything is sent; topics that the application does not know take any text.")]
pub(super) struct SendArgs {
    /// A topic, or @agent for the topic that an agent reads
    #[arg(value_name = "TOPIC or @AGENT")]
    to: String,
    #[command(flatten)]
    given: Given,
    /// Send to this partition [default: that of the key; without a key they take turns]
    #[arg(short, long, value_name = "N")]
    partition: Option<u32>,
    /// A header; may be repeated
    #[arg(short = 'H', long = "header", value_name = "NAME=VALUE", value_parser = parse_header)]
    headers: Vec<(String, String)>,
    /// Send each value so many times
    #[arg(short, long, value_name = "N", default_value_t = 1)]
    repeat: u64,
    /// Wait so long after each send
    #[arg(long, value_name = "SECONDS", value_parser = parse_seconds, default_value = "0")]
    interval: Duration,
    #[command(flatten)]
    pub(super) at: Where,
}

#[derive(Args, Debug)]
pub(super) struct CastArgs {
    /// The agent, as name or @name
    #[arg(value_name = "AGENT")]
    agent: String,
    #[command(flatten)]
    given: Given,
    #[command(flatten)]
    pub(super) at: Where,
}

#[derive(Args, Debug)]
#[command(after_help = "\
Example:
  ask quote '{\"item\":\"tea\"}' --timeout 5

The reply is printed as JSON. An agent that does not reply lets the command end with an error after the timeout; what it was \
asked for may still happen.")]
pub(super) struct AskArgs {
    /// The agent, as name or @name
    #[arg(value_name = "AGENT")]
    agent: String,
    /// The value, as JSON where the topic's values have a JSON form
    #[arg(value_name = "VALUE", allow_hyphen_values = true)]
    value: String,
    /// The record's key, as it is [default: none]
    #[arg(short, long)]
    key: Option<String>,
    /// Wait so long for the reply
    #[arg(long, value_name = "SECONDS", value_parser = parse_seconds, default_value = "30")]
    timeout: Duration,
    #[command(flatten)]
    pub(super) at: Where,
}

fn parse_header(text: &str) -> Result<(String, String), String> {
    let parts = text.split_once('=').filter(|(name, _)| !name.is_empty());
    let (name, value) = parts.ok_or("write it as NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

fn parse_seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().ok();
    let time = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    time.ok_or_else(|| "give it in seconds, as 0.5".to_owned())
}

/// Where records go.
struct Target {
    name: String,
    /// The application's own description of the topic, if it has one.
    topic: Option<Arc<TopicShared>>,
}

impl From<Arc<TopicShared>> for Target {
    fn from(topic: Arc<TopicShared>) -> Self {
        Self {
            name: topic.name.to_string(),
            topic: Some(topic),
        }
    }
}

impl Target {
    /// A topic's values without their type; those of a foreign topic are taken as they are.
    fn form(&self) -> Option<Arc<dyn Form>> {
        self.topic.as_ref()?.form.lock().clone()
    }

    /// The bytes of a value that somebody wrote.
    ///
    /// # Errors
    ///
    /// When it is not of the topic's type.
    fn encode(&self, text: &str) -> Result<Option<Vec<u8>>> {
        match self.form() {
            Some(form) => {
                let encoded = form.encode(text);
                encoded.map_err(|error| error.context(format!("topic {}", self.name)))
            }
            None => Ok(Some(text.as_bytes().to_vec())),
        }
    }
}

impl Session {
    fn target(&self, to: &str) -> Result<Target> {
        if to.starts_with('@') {
            return self.agent_topic(to).map(Target::from);
        }
        let mut topics = self.own_topics();
        let topic = topics.find(|topic| topic.name.as_str() == to);
        Ok(Target {
            name: to.to_owned(),
            topic: topic.map(Arc::clone),
        })
    }

    /// The topics that the program describes.
    fn own_topics(&self) -> impl Iterator<Item = &Arc<TopicShared>> {
        let program = self.program().into_iter();
        program.flat_map(|def| def.log_topics())
    }

    /// The one topic that an agent reads.
    fn agent_topic(&self, name: &str) -> Result<Arc<TopicShared>> {
        let def = self.program()?;
        let agent = def.agent_named(name)?;
        match *agent.sources.as_slice() {
            [topic] if def.channel(topic).is_some() => Err(Error::config(format!(
                "agent {} reads a channel, which is in its worker alone and cannot be reached from outside",
                agent.name
            ))),
            [topic] if def.pattern(topic).is_some() => Err(Error::config(format!(
                "agent {} reads topics by a pattern, so name one of them",
                agent.name
            ))),
            [topic] => Ok(Arc::clone(&def.topics[topic as usize])),
            ref several => {
                let names = several.iter().map(|&topic| def.topic_name(topic));
                Err(Error::config(format!(
                    "agent {} reads several topics, so name one of them: {}",
                    agent.name,
                    join(names)
                )))
            }
        }
    }

    /// How many partitions a topic has; one of the application is made if it must be, with the others.
    async fn partitions_of(&self, target: &Target, log: &dyn Transport) -> Result<u32> {
        let found = self.describe(log, &[target.name.as_str().into()]).await?;
        if let Some(topic) = found.into_iter().flatten().next() {
            return Ok(topic.partitions);
        }
        if target.topic.is_none() {
            let own = self.own_topics().map(|topic| topic.name.as_str());
            let near = did_you_mean(&target.name, own);
            if !near.is_empty() {
                let text = format!("topic {} does not exist{near}", target.name);
                return Err(Error::config(text));
            }
            return Ok(self.topic(log, &target.name).await?.partitions);
        }
        Plan::make(self.program()?, &self.settings, &*log.admin()).await?;
        Ok(self.topic(log, &target.name).await?.partitions)
    }
}

/// Where a record was stored.
#[derive(Serialize)]
struct Sent {
    topic: String,
    partition: u32,
    offset: i64,
    timestamp: i64,
}

pub(super) async fn send(session: &Session, args: &SendArgs) -> Result {
    let target = session.target(&args.to)?;
    let sender = Sender::new(session, &target, &args.given, args).await?;
    sender.send_all(&args.given, args).await
}

pub(super) async fn cast(session: &Session, args: CastArgs) -> Result {
    let target = Target::from(session.agent_topic(&args.agent)?);
    let send = SendArgs {
        to: args.agent,
        given: args.given,
        partition: None,
        headers: Vec::new(),
        repeat: 1,
        interval: Duration::ZERO,
        at: args.at,
    };
    let sender = Sender::new(session, &target, &send.given, &send).await?;
    sender.send_all(&send.given, &send).await
}

struct Sender<'a> {
    target: &'a Target,
    /// The value, if it was given as an argument: checked before anything else is done.
    value: Option<Option<Vec<u8>>>,
    log: Arc<dyn Transport>,
    partitions: u32,
    output: Output,
}

impl<'a> Sender<'a> {
    async fn new(
        session: &Session,
        target: &'a Target,
        given: &Given,
        args: &SendArgs,
    ) -> Result<Self> {
        let value = match &*given.value {
            "-" => None,
            text => Some(target.encode(text)?),
        };
        // A topic that the application does not know makes no log.
        let missing = match target.topic {
            Some(_) => Missing::Make,
            None => Missing::Refuse,
        };
        let log = session.log(missing).await?;
        let partitions = session.partitions_of(target, &*log).await?;
        if let Some(partition) = args.partition.filter(|&chosen| chosen >= partitions) {
            return Err(Error::config(format!(
                "topic {} has no partition {partition}: it has {partitions}, counted from 0",
                target.name
            )));
        }
        Ok(Self {
            target,
            value,
            log,
            partitions,
            output: args.at.output(),
        })
    }

    /// Sends what comes, many records at once where they come faster than they are stored.
    async fn send_all(self, given: &Given, args: &SendArgs) -> Result {
        let mut producer = self.log.producer().await?;
        let clock = TokioClock::real();
        let mut turn = random();
        let mut values = Values::new(self.value.clone(), args.repeat);
        let most = if args.interval.is_zero() { CHUNK } else { 1 };
        let mut failed = None;
        while failed.is_none() {
            let mut chunk = Chunk::default();
            let Some(value) = values.next(self.target).await else {
                break;
            };
            let mut next = Some(value);
            while let Some(value) = next.take() {
                match value {
                    Ok(value) => {
                        turn = turn.wrapping_add(1);
                        let partition = self.partition(given, args, turn);
                        chunk.add(partition, clock.now(), given, &value, args);
                    }
                    // What came before it is sent.
                    Err(error) => failed = Some(error),
                }
                if failed.is_none() && chunk.records.len() < most {
                    next = values.ready(self.target);
                }
            }
            let records = std::mem::take(&mut chunk.records);
            let (partitions, outgoing) = chunk.outgoing(&self.target.name);
            if !outgoing.is_empty() {
                let lens: Vec<_> = outgoing.iter().map(|out| out.batch.len()).collect();
                let published = producer.publish(outgoing).await.map_err(|error| {
                    Error::from(error).context(format!("topic {}", self.target.name))
                })?;
                for (partition, index, timestamp) in records {
                    let at = partitions.iter().position(|known| *known == partition);
                    let at = at.unwrap_or_default();
                    let behind = i64::try_from(lens[at] - index).unwrap_or_default();
                    let to = TopicPartition::new(&*self.target.name, partition);
                    self.tell(&to, published.ends[at].0 - behind, timestamp.0)?;
                }
            }
            if !args.interval.is_zero() {
                clock.sleep(args.interval).await;
            }
        }
        failed.map_or(Ok(()), Err)
    }

    fn partition(&self, given: &Given, args: &SendArgs, turn: u64) -> u32 {
        match (args.partition, &given.key) {
            (Some(chosen), _) => chosen,
            (None, Some(key)) => partition_for_key(key.as_bytes(), self.partitions),
            (None, None) => u32::try_from(turn % u64::from(self.partitions)).unwrap_or(0),
        }
    }

    fn tell(&self, to: &TopicPartition, offset: i64, timestamp: i64) -> Result {
        if self.output.is_json() {
            return self.output.line(&Sent {
                topic: to.topic.to_string(),
                partition: to.partition,
                offset,
                timestamp,
            });
        }
        use io::Write;
        writeln!(io::stdout().lock(), "{to}@{offset}")?;
        Ok(())
    }
}

/// Asks; also when it is interrupted it leaves no topic of replies behind.
pub(super) async fn ask(session: &Session, args: &AskArgs) -> Result<(), Stopped> {
    let shared = session.agent_topic(&args.agent)?;
    let value = Target::from(Arc::clone(&shared))
        .encode(&args.value)?
        .ok_or_else(|| Error::config("an agent cannot be asked with a record without a value"))?;
    if !session.is_shared() && session.workers().await?.is_empty() {
        return Err(Error::new(
            ErrorKind::Unavailable,
            format!(
                "no worker of {} runs on log {}, so nobody would reply: start one, or send without waiting by cast",
                session.app(),
                session.address()
            ),
        )
        .into());
    }
    let log = session.log(Missing::Refuse).await?;
    let (clock, spawn) = (Arc::new(TokioClock::real()), Threads::default());
    let visit = visit(
        session.program()?,
        &session.settings,
        log,
        clock,
        &spawn,
        random(),
    )
    .await?;
    // The bytes are right already.
    let topic: Topic<Bytes> = Topic {
        shared,
        codec: Arc::new(Raw),
        json: None,
    };
    let agent = topic.agent::<serde_json::Value>().timeout(args.timeout);
    let value = Bytes::from(value);
    let reply = async {
        match &args.key {
            Some(key) => agent.ask(key.as_str(), &value).await,
            None => agent.ask(&(), &value).await,
        }
    };
    let reply = or_interrupted(reply).await;
    visit.end().await;
    Ok(args.at.output().line(&reply?)?)
}
