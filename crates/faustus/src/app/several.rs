//! Several topics as one source: a list of names, or all that match a pattern.

use std::sync::Arc;

use faustus_core::{Codec, TopicName};
use serde::{Serialize, de::DeserializeOwned};

use super::App;
use crate::{
    Json, Operators, Source, Topic, TopicPattern,
    form::JsonForm,
    pattern::Pattern,
    runtime::{AppDef, TopicIndex},
    topic::TopicShared,
};

impl<S: Clone + Send + Sync + 'static> App<S> {
    /// Several topics of JSON values of one type as one source;
    /// [`Event::topic`](crate::Event::topic) tells which one an event is of.
    ///
    /// They are read partition by partition together, so they have the same number of partitions.
    ///
    /// # Examples
    ///
    /// ```
    /// use faustus::prelude::*;
    ///
    /// async fn ship(mut orders: Stream<String>) -> faustus::Result {
    ///     while let Some(order) = orders.next().await? {
    ///         println!("{} of {}", *order, order.topic());
    ///     }
    ///     Ok(())
    /// }
    ///
    /// let app = App::new("shop");
    /// let orders = app.topics::<String>(["orders-eu", "orders-us"]);
    /// let app = app.agent("ship", orders, |a| a.run(ship));
    /// ```
    #[must_use]
    pub fn topics<T: Serialize + DeserializeOwned + 'static>(
        &self,
        names: impl IntoIterator<Item = impl AsRef<str>>,
    ) -> Source<T> {
        let codec: Arc<dyn Codec<T>> = Arc::new(Json);
        self.several(names, &codec, Some(&JsonForm::new()))
    }

    /// Several topics of values that `codec` encodes, as one source: see [`topics`](Self::topics).
    #[must_use]
    pub fn topics_with<T: 'static>(
        &self,
        names: impl IntoIterator<Item = impl AsRef<str>>,
        codec: impl Codec<T> + 'static,
    ) -> Source<T> {
        let codec: Arc<dyn Codec<T>> = Arc::new(codec);
        self.several(names, &codec, None)
    }

    fn several<T: 'static>(
        &self,
        names: impl IntoIterator<Item = impl AsRef<str>>,
        codec: &Arc<dyn Codec<T>>,
        json: Option<&JsonForm<T>>,
    ) -> Source<T> {
        let topic = |name: &str| {
            let shared = self.def.lock().topic(name);
            Topic::new(shared, Arc::clone(codec), json.cloned())
        };
        let topics: Vec<_> = names.into_iter().map(|name| topic(name.as_ref())).collect();
        let source = topics
            .iter()
            .map(Source::from)
            .reduce(|source, topic| source.combine(topic));
        source.unwrap_or_else(|| {
            let mistake = "app.topics is given no names: an agent would read nothing of it";
            self.def.lock().problems.push(mistake.to_owned());
            Source::empty()
        })
    }

    /// All topics of JSON values whose names match the regular expression `pattern`, those that appear
    /// while the application runs too.
    ///
    /// `name` is what the pattern is called in names of repartition topics and in messages; it stays
    /// when the pattern changes. The *whole* name of a topic must match, so `orders` does not take
    /// `orders-eu`, `orders-.*` does. The syntax is that of the crate `regex`.
    ///
    /// A topic that appears later is found within
    /// [`topic_refresh`](crate::Settings::topic_refresh) and read from its start, as are topics that
    /// are there at the first start; one that is deleted is let go. Where agents of the pattern write
    /// tables, a topic with another number of partitions than the others is left out, and the log
    /// says so. Topics of the log itself, and those that applications make for themselves, are not
    /// taken: see [`internal`](TopicPattern::internal).
    ///
    /// # Examples
    ///
    /// ```
    /// use faustus::prelude::*;
    ///
    /// async fn count(State(counts): State<Table<String, u64>>, mut orders: Stream<String>) -> faustus::Result {
    ///     let counts = orders.bind(&counts);
    ///     while let Some(order) = orders.next().await? {
    ///         counts.update(order.topic(), |count| *count += 1)?;
    ///     }
    ///     Ok(())
    /// }
    ///
    /// let app = App::new("shop");
    /// let counts = app.table("counts");
    /// let orders = app.topic_pattern::<String>("orders", "orders-[a-z]+");
    /// let app = app
    ///     .with_state(counts.clone())
    ///     .agent("count", &orders, |a| a.table(&counts).run(count));
    /// ```
    #[must_use]
    pub fn topic_pattern<T: Serialize + DeserializeOwned>(
        &self,
        name: &str,
        pattern: &str,
    ) -> TopicPattern<T> {
        self.topic_pattern_with(name, pattern, Json)
    }

    /// All topics whose names match `pattern`, with values that `codec` encodes: see
    /// [`topic_pattern`](Self::topic_pattern).
    #[must_use]
    pub fn topic_pattern_with<T>(
        &self,
        name: &str,
        pattern: &str,
        codec: impl Codec<T> + 'static,
    ) -> TopicPattern<T> {
        TopicPattern::new(self.def.lock().add_pattern(name, pattern), Arc::new(codec))
    }
}

impl AppDef {
    /// What stands for the topics that match `text`; the same name gives the same.
    fn add_pattern(&mut self, name: &str, text: &str) -> Arc<TopicShared> {
        let known = self.topics.iter().find_map(|topic| {
            let pattern = topic.pattern.as_ref()?;
            (topic.name.as_str() == name).then(|| (Arc::clone(topic), pattern.text.clone()))
        });
        if let Some((topic, before)) = known {
            if before != text {
                self.problems.push(format!(
                    "pattern {name} is {before:?} and {text:?}: give each a name of its own"
                ));
            }
            return topic;
        }
        let (pattern, mistake) = Pattern::new(text);
        if let Some(mistake) = mistake {
            self.problems.push(format!(
                "pattern {name}: {text:?} is no regular expression: {mistake}"
            ));
        }
        let index = TopicIndex::try_from(self.topics.len()).unwrap_or(TopicIndex::MAX);
        let mut topic = TopicShared::new(TopicName::from(name), index);
        topic.pattern = Some(pattern);
        let topic = Arc::new(topic);
        self.topics.push(Arc::clone(&topic));
        topic
    }
}
