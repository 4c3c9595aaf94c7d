//! Settings that are right by themselves and do not go together.
//!
//! A setting without effect is a mistake only of who said it knowing better: where the one that takes
//! its effect away was said in a higher layer, it stands for other runs, and is passed over.

use std::path::{Component, Path, PathBuf};

use super::{Resolved, Source};
use crate::{
    Guarantee,
    settings::{Place, text::show_duration},
};

/// All that does not go together, each with where it was said.
pub(super) fn of(resolved: &Resolved) -> Vec<String> {
    let checks = [guarantee, loss, fsync, stores, delivery];
    let found = checks.iter().filter_map(|check| check(resolved));
    let told = found.map(|(name, wrong)| format!("{name} ({}): {wrong}", resolved.place(name)));
    told.collect()
}

/// The setting at fault, and what is wrong with it.
type Contradiction = Option<(&'static str, String)>;

/// Whether the setting `name` was said, and not below what leaves it without effect.
fn is_mistaken(resolved: &Resolved, name: &str, by: &str) -> bool {
    let said = resolved.source(name);
    *said != Source::Default && said.rank() >= resolved.source(by).rank()
}

fn guarantee(resolved: &Resolved) -> Contradiction {
    let is_said = |name| is_mistaken(resolved, name, "exactly-once");
    match resolved.settings.guarantee {
        Guarantee::AtLeastOnce if is_said("transaction-interval") => Some((
            "transaction-interval",
            "there are no transactions, as events count at least once; remove it, or say exactly-once"
                .to_owned(),
        )),
        Guarantee::ExactlyOnce if is_said("commit-interval") => Some((
            "commit-interval",
            "transaction-interval decides, as events count exactly once; remove it, or say that one"
                .to_owned(),
        )),
        _ => None,
    }
}

fn loss(resolved: &Resolved) -> Contradiction {
    let log = resolved.log();
    let is_said = resolved.settings.accept_loss && is_mistaken(resolved, "accept-loss", "log");
    (is_said && log.directory().is_none()).then(|| {
        let wrong =
            format!("only a log in a directory may have lost records, not {log}; remove it");
        ("accept-loss", wrong)
    })
}

fn fsync(resolved: &Resolved) -> Contradiction {
    let log = resolved.log();
    let is_said = resolved.settings.fsync && is_mistaken(resolved, "fsync", "log");
    (is_said && log.place() == Ok(Place::Memory)).then(|| {
        let wrong = format!("{log} is on no disk; remove it, or let the log be a directory");
        ("fsync", wrong)
    })
}

fn stores(resolved: &Resolved) -> Contradiction {
    let log = resolved.log();
    let stores = absolute(resolved.settings.stores.as_deref()?);
    let log = absolute(Path::new(log.directory()?));
    (stores.starts_with(&log) || log.starts_with(&stores)).then(|| {
        let wrong = format!(
            "stores and log would share a directory, as the log is in {}; write another one",
            log.display()
        );
        ("stores", wrong)
    })
}

fn delivery(resolved: &Resolved) -> Contradiction {
    let session = resolved.settings.session_timeout;
    let most = session * 2 / 3;
    (resolved.settings.kafka_delivery_timeout? > most).then(|| {
        let wrong = format!(
            "it must end well before the session, whose session-timeout is {}; write {} or less",
            show_duration(session),
            show_duration(most)
        );
        ("kafka-delivery-timeout", wrong)
    })
}

/// The path from the root, without `.` and `..`.
fn absolute(path: &Path) -> PathBuf {
    let mut whole = PathBuf::new();
    for component in std::path::absolute(path).unwrap_or_default().components() {
        match component {
            Component::ParentDir => {
                whole.pop();
            }
            Component::CurDir => {}
            other => whole.push(other),
        }
    }
    whole
}
