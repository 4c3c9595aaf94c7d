//! What an application left on the log: offsets that its group has committed, and topics that are
//! named after it.
//!
//! A changelog is `<app>-<table>-changelog`, and dashes may be in both names. Where other applications
//! that it may be of have left something else, too, it is told, and nothing is done to it.

use std::collections::{BTreeMap, BTreeSet};

use faustus_core::{TopicName, TopicPartition, Transport};
use futures_util::{StreamExt, TryStreamExt, stream};

use super::{Known, KnownTable};
use crate::{
    Error, LogAddress, Result,
    cli::{
        reading::{Go, bounds, read},
        session::partitions,
    },
    near::did_you_mean,
    pattern::is_internal,
    runtime::leader_topic,
};

const CHANGELOG: &str = "-changelog";

/// How many topics are looked into at once.
const AT_ONCE: usize = 16;

/// How many records of a topic are looked at for a letter.
const ENOUGH: usize = 100;

impl Known {
    /// What is on the log of the application `app`.
    ///
    /// # Errors
    ///
    /// Those of the log, and when nothing of the application is there.
    pub(in crate::cli) async fn from_log(
        log: &dyn Transport,
        app: &str,
        address: &LogAddress,
    ) -> Result<Self> {
        let names = log.admin().list_topics().await?;
        let all = all_partitions(log, &names).await?;
        let sources = committed(log, app, &all).await?;
        // Who may look at the application's group alone sees all but this.
        let replayed = committed(log, &letters_group(app), &all).await;
        let replayed = replayed.unwrap_or_default();
        let (repartitions, read): (Vec<_>, Vec<_>) = sources
            .iter()
            .cloned()
            .partition(|name| name.as_str().ends_with("-repartition"));
        let mut tables = Vec::new();
        for changelog in &names {
            if let Some(name) = table_of(changelog.as_str(), app) {
                tables.push(KnownTable {
                    name: name.to_owned(),
                    changelog: changelog.clone(),
                    rival: rival(log, changelog, app, (&names, &all)).await,
                    types: None,
                });
            }
        }
        tables.sort_by(|a, b| a.name.cmp(&b.name));
        let leader = names.iter().find(|name| name.as_str() == leader_topic(app));
        let has_table = tables.iter().any(|table| table.rival.is_none());
        if sources.is_empty() && !has_table && leader.is_none() {
            return Err(Error::config(nothing(app, address, &names)));
        }
        let mut topics: BTreeMap<TopicName, String> = BTreeMap::new();
        let mut is = |name: &TopicName, role: String| {
            let roles = topics.entry(name.clone()).or_default();
            let and = if roles.is_empty() { "" } else { "; " };
            roles.push_str(&format!("{and}{role}"));
        };
        read.iter().for_each(|name| is(name, "read".to_owned()));
        repartitions
            .iter()
            .for_each(|name| is(name, "repartition".to_owned()));
        replayed
            .iter()
            .for_each(|name| is(name, "dead letters".to_owned()));
        for table in &tables {
            let rival = table.rival.as_ref();
            let rival = rival.map_or_else(String::new, |rival| format!(", or of {rival}"));
            is(
                &table.changelog,
                format!("changelog of {}{rival}", table.name),
            );
        }
        leader
            .into_iter()
            .for_each(|name| is(name, "leader".to_owned()));
        Ok(Self {
            app: app.to_owned(),
            topics,
            sources,
            repartitions,
            tables,
        })
    }
}

/// The group whose offsets say which letters of an application were replayed.
pub(in crate::cli) fn letters_group(app: &str) -> String {
    format!("{app}-dead-letters")
}

async fn all_partitions(log: &dyn Transport, names: &[TopicName]) -> Result<Vec<TopicPartition>> {
    let found = log.admin().describe_topics(names).await?;
    Ok(found.iter().flatten().flat_map(partitions).collect())
}

/// The topics of which a group has committed offsets, in order.
async fn committed(
    log: &dyn Transport,
    group: &str,
    all: &[TopicPartition],
) -> Result<Vec<TopicName>> {
    let offsets = log.coordinator(group).fetch_offsets(all, false).await?;
    let with = all
        .iter()
        .zip(offsets)
        .filter(|(_, offset)| offset.is_some());
    let topics: BTreeSet<_> = with.map(|(partition, _)| partition.topic.clone()).collect();
    Ok(topics.into_iter().collect())
}

/// The table of `app` that a topic is the changelog of, as far as its name tells.
fn table_of<'a>(topic: &'a str, app: &str) -> Option<&'a str> {
    let table = topic.strip_suffix(CHANGELOG)?.strip_prefix(app)?;
    table.strip_prefix('-').filter(|table| !table.is_empty())
}

/// The applications that a topic may be a changelog of, as far as its name tells.
fn owners(topic: &str) -> impl Iterator<Item = &str> {
    let stem = topic.strip_suffix(CHANGELOG).unwrap_or_default();
    let dashes = stem.match_indices('-').map(|(at, _)| at);
    let parts = dashes.map(move |at| (&stem[..at], &stem[at + 1..]));
    let parts = parts.filter(|(app, table)| !app.is_empty() && !table.is_empty());
    parts.map(|(app, _)| app)
}

/// Another application than `app` that left more than this changelog, which may be its own.
async fn rival(
    log: &dyn Transport,
    changelog: &TopicName,
    app: &str,
    (names, all): (&[TopicName], &[TopicPartition]),
) -> Option<String> {
    for other in owners(changelog.as_str()).filter(|other| *other != app) {
        let leads = names
            .iter()
            .any(|name| name.as_str() == leader_topic(other));
        // What we may not ask of may be there.
        if leads
            || committed(log, other, all)
                .await
                .map_or(true, |read| !read.is_empty())
        {
            return Some(other.to_owned());
        }
    }
    None
}

/// That there is nothing of an application, and which one may have been meant.
fn nothing(app: &str, address: &LogAddress, names: &[TopicName]) -> String {
    let names = names.iter().map(|name| name.as_str());
    let leaders = names
        .clone()
        .filter_map(|name| name.strip_suffix(leader_topic("").as_str()));
    let certain = names.clone().filter_map(|name| {
        let mut owners = owners(name);
        owners.next().filter(|_| owners.next().is_none())
    });
    let certain: BTreeSet<&str> = leaders.clone().chain(certain).collect();
    let likely = names.flat_map(owners).chain(leaders);
    let near = did_you_mean(app, likely);
    let near = match (near.is_empty(), certain.is_empty()) {
        (true, false) => {
            let some: Vec<_> = certain.into_iter().take(10).collect();
            format!("; topics there are named after {}", some.join(", "))
        }
        _ => near,
    };
    format!(
        "nothing of application {app} is on log {address}: no committed offsets, no topic named after it{near}"
    )
}

/// The topics with dead letters of records of `sources`. Any topic may be one: a letter is known by
/// what it says of itself.
///
/// # Errors
///
/// Those of the log.
pub(in crate::cli) async fn letter_topics(
    log: &dyn Transport,
    sources: &[TopicName],
) -> Result<Vec<TopicName>> {
    let mut names = log.admin().list_topics().await?;
    names.retain(|name| !is_internal(name.as_str()) && !name.as_str().starts_with("__"));
    let all = all_partitions(log, &names).await?;
    let bounds = bounds(log, &all).await?;
    let mut filled = BTreeMap::new();
    for (partition, (from, end)) in all.into_iter().zip(bounds) {
        if from < end {
            filled
                .entry(partition.topic.clone())
                .or_insert((partition, from, end));
        }
    }
    let of_ours = |value: &[u8]| {
        sources
            .iter()
            .any(|source| source.as_str().as_bytes() == value)
    };
    let of_ours = &of_ours;
    let looks = filled
        .into_iter()
        .map(|(topic, (partition, from, end))| async move {
            let (mut seen, mut is) = (0, false);
            read(log, &partition, from, end, |record| {
                seen += 1;
                let mut says = record
                    .headers()
                    .filter(|(name, _)| *name == "faustus-topic");
                is = says.any(|(_, value)| value.is_some_and(of_ours));
                Ok(if is || seen == ENOUGH {
                    Go::Stop
                } else {
                    Go::On
                })
            })
            .await?;
            Ok::<_, Error>(is.then_some(topic))
        });
    let found: Vec<_> = stream::iter(looks).buffered(AT_ONCE).try_collect().await?;
    let mut found: Vec<_> = found.into_iter().flatten().collect();
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changelog_may_be_of_every_application_that_its_name_begins_with() {
        let of = |topic| owners(topic).collect::<Vec<_>>();
        assert_eq!(of("bank-totals-changelog"), ["bank"]);
        assert_eq!(of("bank-eu-totals-changelog"), ["bank", "bank-eu"]);
        assert_eq!(of("bank-changelog"), [""; 0]);
        assert_eq!(of("orders"), [""; 0]);
        assert_eq!(
            table_of("bank-eu-totals-changelog", "bank"),
            Some("eu-totals")
        );
        assert_eq!(table_of("bank-eu-totals-changelog", "ban"), None);
        assert_eq!(table_of("bank--changelog", "bank"), None);
    }

    #[test]
    fn an_unknown_application_is_told_with_those_that_are_there() {
        let names = [
            "shop-totals-changelog",
            "orders",
            "till-__assignor-__leader",
        ];
        let told = |app: &str| nothing(app, &"memory://".into(), &names.map(TopicName::from));
        assert!(
            told("shpo").ends_with(": did you mean \"shop\"?"),
            "{}",
            told("shpo")
        );
        assert!(
            told("warehouse").ends_with("named after shop, till"),
            "{}",
            told("warehouse")
        );
        let none = nothing("shop", &"memory://".into(), &[]);
        assert!(none.ends_with("no topic named after it"), "{none}");
    }
}
