//! A source read outside of agents: [`App::stream`].

use std::{fmt, sync::Arc};

use tokio::sync::mpsc;

use crate::{App, Error, ErrorKind, ManualEvent, Source, Stream};

/// How many events wait for the program to ask; each task waits with more of them beyond that.
const AHEAD: usize = 256;

/// The events of a source, read anywhere in the program: made by [`App::stream`].
pub struct AppStream<T> {
    events: mpsc::Receiver<ManualEvent<T>>,
    current: Option<ManualEvent<T>>,
}

impl<S: Clone + Send + Sync + 'static> App<S> {
    /// The events of `source` as a stream that may be read anywhere: in a task, a thread, a test.
    ///
    /// It counts as an agent of this name: it is declared before the application runs, its position is
    /// committed for the application, and the partitions are shared with the application's other
    /// workers. Events of several partitions come one after another.
    ///
    /// # Examples
    ///
    /// ```
    /// use faustus::prelude::*;
    ///
    /// let app = App::new("tail");
    /// let lines = app.topic::<String>("lines");
    /// let mut lines = app.stream("tail", &lines);
    /// let reading = async move {
    ///     while let Some(line) = lines.next().await {
    ///         println!("{}", **line);      // asking for the next one acknowledges it
    ///     }
    /// };
    /// ```
    #[must_use]
    pub fn stream<T: Send + 'static>(
        &self,
        name: &str,
        source: impl Into<Source<T>>,
    ) -> AppStream<T> {
        let (to, events) = mpsc::channel(AHEAD);
        let to = Arc::new(to);
        let agent = move |stream: Stream<T>| {
            let to = Arc::clone(&to);
            async move {
                let mut events = stream.manual();
                while let Some(event) = events.next().await? {
                    if let Err(mpsc::error::SendError(event)) = to.send(event).await {
                        event.nack(Error::new(
                            ErrorKind::Application,
                            "nobody reads this stream: the program dropped it",
                        ));
                    }
                }
                Ok(())
            }
        };
        self.register(name, source, |agent_builder| agent_builder.run(agent));
        AppStream {
            events,
            current: None,
        }
    }
}

impl<T> AppStream<T> {
    /// The next event; the one before is thereby acknowledged, unless it was taken out by
    /// [`take_event`](Self::take_event). `None` once the worker has ended.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: no event is lost, though the one before is acknowledged once the future was polled.
    pub async fn next(&mut self) -> Option<&mut ManualEvent<T>> {
        if let Some(event) = self.current.take() {
            event.ack();
        }
        self.current = self.events.recv().await;
        self.current.as_mut()
    }

    /// The event in hand, to be acknowledged apart from the stream.
    pub fn take_event(&mut self) -> Option<ManualEvent<T>> {
        self.current.take()
    }
}

impl<T> fmt::Debug for AppStream<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AppStream").finish_non_exhaustive()
    }
}
