//! Which channels feed which: no value may come back to a channel that it came from.
//!
//! An agent that reads a channel and has put more into another than that has room for waits. In a
//! cycle it would wait for itself.

use std::sync::Arc;

use super::AnyQueue;
use crate::{Error, Result};

/// An agent that reads `from` puts something into `into`.
///
/// # Errors
///
/// If something that is put into `into` comes back to one of `from`.
pub(crate) fn feed(from: &[Arc<dyn AnyQueue>], into: &Arc<dyn AnyQueue>) -> Result {
    for source in from {
        if into.is_fed_by(source.name()) {
            continue;
        }
        if let Some(way) = way(into.name(), source) {
            let way: Vec<&str> = way.iter().map(|name| &**name).collect();
            return Err(Error::config(format!(
                "channels form a cycle: {} -> {}; once they are full nothing moves any more: let one step go \
                 through a topic",
                way.join(" -> "),
                into.name()
            )));
        }
        into.add_feeder(Arc::clone(source));
    }
    Ok(())
}

/// The channels from `begin` to `end`, both included, if the one feeds the other.
fn way(begin: &str, end: &Arc<dyn AnyQueue>) -> Option<Vec<Arc<str>>> {
    if end.name() == begin {
        return Some(vec![begin.into()]);
    }
    let before = end.feeders().into_iter();
    let mut way = before.filter_map(|feeder| way(begin, &feeder)).next()?;
    way.push(end.name().into());
    Some(way)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channel::queue::Queue;

    fn queue(name: &str) -> Arc<dyn AnyQueue> {
        Arc::new(Queue::<u32>::new(name))
    }

    #[test]
    fn a_way_back_is_refused_and_named() {
        let (a, b, c) = (queue("a"), queue("b"), queue("c"));
        feed(&[Arc::clone(&a)], &b).unwrap();
        feed(&[Arc::clone(&b)], &c).unwrap();
        feed(&[Arc::clone(&a)], &c).unwrap();
        let refused = feed(&[Arc::clone(&c)], &a).unwrap_err().to_string();
        assert!(
            refused.starts_with("channels form a cycle: a -> b -> c -> a;"),
            "{refused}"
        );
        // It is refused each time, as nothing was noted.
        assert!(feed(&[c], &a).is_err());
    }

    #[test]
    fn a_channel_does_not_feed_itself() {
        let a = queue("a");
        assert!(feed(&[Arc::clone(&a)], &a).is_err());
    }
}
