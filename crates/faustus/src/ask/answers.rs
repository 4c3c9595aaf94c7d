//! Many requests at once, and their answers.

use std::{
    fmt,
    future::poll_fn,
    pin::Pin,
    task::{Context, Poll},
};

use futures_util::Stream;

/// Answers as they come, from [`Agent::map`](super::Agent::map) and [`kvmap`](super::Agent::kvmap).
///
/// Requests are sent while answers are awaited. It is a `futures` stream, too.
#[must_use = "requests are sent while answers are asked for"]
pub struct Answers<A> {
    inner: Pin<Box<dyn Stream<Item = A> + Send>>,
}

impl<A> Answers<A> {
    pub(super) fn new(inner: impl Stream<Item = A> + Send + 'static) -> Self {
        Self {
            inner: Box::pin(inner),
        }
    }

    /// The next answer, `None` after the last.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: no answer is lost.
    pub async fn next(&mut self) -> Option<A> {
        poll_fn(|cx| self.inner.as_mut().poll_next(cx)).await
    }
}

impl<A> Stream for Answers<A> {
    type Item = A;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<A>> {
        self.inner.as_mut().poll_next(cx)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.inner.size_hint()
    }
}

impl<A> fmt::Debug for Answers<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answers").finish_non_exhaustive()
    }
}
