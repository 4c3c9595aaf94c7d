//! Topics by a pattern: the handle that a program has, and what of a log's topics it takes.
//!
//! A pattern stands in the application's list of topics under a name of its own, which is its
//! durable identity: topics come and go, the names of repartition topics and sub-topologies stay.
//! What it takes follows from names alone, so that every worker of an application finds the same:
//! whole names that match, but none of the log itself, of the application's own, nor (unless the
//! program wants them) those that any application makes for itself.

mod automaton;

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use faustus_core::Codec;

use crate::{Nullable, Operators, Source, source::Input, topic::TopicShared};

use automaton::Automaton;

/// What a pattern's place in the application's list of topics stands for.
#[derive(Debug)]
pub(crate) struct Pattern {
    /// The regular expression as it was written.
    pub(crate) text: String,
    /// `None` if it is none.
    automaton: Option<Automaton>,
    /// Topics that applications make for themselves are taken too.
    internal: AtomicBool,
}

impl Pattern {
    /// The pattern, and what is wrong with it.
    pub(crate) fn new(text: &str) -> (Self, Option<String>) {
        let (automaton, mistake) = match Automaton::new(text) {
            Ok(automaton) => (Some(automaton), None),
            Err(mistake) => (None, Some(mistake)),
        };
        let pattern = Self {
            text: text.to_owned(),
            automaton,
            internal: AtomicBool::new(false),
        };
        (pattern, mistake)
    }

    /// Whether the whole name matches.
    pub(crate) fn matches(&self, name: &str) -> bool {
        let automaton = self.automaton.as_ref();
        automaton.is_some_and(|automaton| automaton.matches(name))
    }

    /// Whether it takes a topic of this name, which is not one of the application's own.
    pub(crate) fn takes(&self, name: &str) -> bool {
        let allowed = !is_of_the_log(name) && (self.takes_internal() || !is_internal(name));
        allowed && self.matches(name)
    }

    /// Whether a name is thinkable that both match.
    pub(crate) fn overlaps(&self, other: &Self) -> bool {
        match (&self.automaton, &other.automaton) {
            (Some(one), Some(other)) => one.overlaps(other),
            _ => false,
        }
    }

    fn takes_internal(&self) -> bool {
        self.internal.load(Ordering::Relaxed)
    }
}

/// Whether a topic is one of the log itself.
fn is_of_the_log(name: &str) -> bool {
    name.starts_with("__")
}

/// Whether a topic is one that applications, Faustus' and Faust's, make for themselves.
pub(crate) fn is_internal(name: &str) -> bool {
    let ends = ["-changelog", "-repartition", "-__assignor-__leader"];
    name.starts_with("f-reply-") || ends.iter().any(|end| name.ends_with(end))
}

/// All topics whose names match a pattern, those that appear while the application runs too; made by
/// [`App::topic_pattern`](crate::App::topic_pattern).
///
/// It is a source of agents. It cannot be sent to: that needs a [`Topic`](crate::Topic).
pub struct TopicPattern<T> {
    shared: Arc<TopicShared>,
    codec: Arc<dyn Codec<T>>,
}

impl<T> TopicPattern<T> {
    pub(crate) fn new(shared: Arc<TopicShared>, codec: Arc<dyn Codec<T>>) -> Self {
        Self { shared, codec }
    }

    /// The pattern's name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.shared.name.as_str()
    }

    /// The same topics with values encoded by `codec`.
    #[must_use]
    pub fn codec(self, codec: impl Codec<T> + 'static) -> Self {
        let codec = Arc::new(codec);
        Self { codec, ..self }
    }

    /// The same topics with records that may have no value, read as `None`.
    #[must_use]
    pub fn nullable(self) -> TopicPattern<Option<T>>
    where
        T: 'static,
    {
        TopicPattern {
            shared: self.shared,
            codec: Arc::new(Nullable(self.codec)),
        }
    }

    /// The pattern, also for topics that other applications make for themselves: changelogs of their
    /// tables, repartition topics, replies. It holds for every handle of the pattern.
    ///
    /// Topics of the log itself (`__…`) and this application's own are never taken.
    ///
    /// # Examples
    ///
    /// ```
    /// use bytes::Bytes;
    /// use faustus::{Raw, prelude::*};
    ///
    /// async fn copy(mut changes: Stream<Bytes>) -> faustus::Result {
    ///     while let Some(change) = changes.next().await? {
    ///         println!("{} {:?}", change.topic(), change.key());
    ///     }
    ///     Ok(())
    /// }
    ///
    /// let app = App::new("backup");
    /// let changelogs = app.topic_pattern_with("changelogs", "bank-.*-changelog", Raw).internal();
    /// let app = app.agent("copy", &changelogs, |a| a.run(copy));
    /// ```
    #[must_use]
    pub fn internal(self) -> Self {
        if let Some(pattern) = &self.shared.pattern {
            pattern.internal.store(true, Ordering::Relaxed);
        }
        self
    }
}

impl<T> Clone for TopicPattern<T> {
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
            codec: Arc::clone(&self.codec),
        }
    }
}

impl<T> fmt::Debug for TopicPattern<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TopicPattern")
            .field("name", &self.shared.name)
            .field("pattern", &self.shared.pattern.as_ref().map(|p| &p.text))
            .finish_non_exhaustive()
    }
}

impl<T: 'static> From<&TopicPattern<T>> for Source<T> {
    fn from(pattern: &TopicPattern<T>) -> Self {
        let TopicPattern { shared, codec } = pattern.clone();
        Self::of(move || Input::of(&shared, &codec))
    }
}

impl<T: 'static> From<TopicPattern<T>> for Source<T> {
    fn from(pattern: TopicPattern<T>) -> Self {
        Self::from(&pattern)
    }
}

impl<T: 'static> Operators<T> for &TopicPattern<T> {}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str) -> Pattern {
        let (pattern, mistake) = Pattern::new(text);
        assert_eq!(mistake, None);
        pattern
    }

    #[test]
    fn topics_that_applications_make_for_themselves_are_left_out_unless_they_are_wanted() {
        let all = pattern(".*");
        let internal = [
            "bank-totals-changelog",
            "total-orders-Order.account-repartition",
            "f-reply-0e9f",
            "bank-__assignor-__leader",
        ];
        assert!(all.takes("orders"));
        assert!(!internal.iter().any(|name| all.takes(name)));
        all.internal.store(true, Ordering::Relaxed);
        assert!(internal.iter().all(|name| all.takes(name)));
        assert!(!all.takes("__consumer_offsets"));
    }
}
