//! Request and reply: agents that are asked, and whoever asks them.
//!
//! - [`wire`] is what requests and replies look like, in Faust's two styles;
//! - an agent's side is [`reply`]: replies belong to their event and go out with its epoch; those
//!   whose topic is not there go their own way, [`late`];
//! - the asker's side is [`Agent`], its requests' [`Pending`] replies and [`Answers`], over one topic
//!   of replies per worker: [`replies`].
//!
//! A request leaves at once, outside of event and transaction. Nobody else is harmed by a reply that
//! is late, doubled or of no use, nor by an asker that is gone.

mod agent;
mod answers;
pub(crate) mod fuzzed;
mod late;
mod pending;
mod replies;
mod reply;
mod wire;

pub use agent::Agent;
pub use answers::Answers;
pub use pending::Pending;

pub(crate) use late::{LateReplies, late_replies};
pub(crate) use replies::Replies;
pub(crate) use reply::{reply, reply_failure};
pub(crate) use wire::{CORRELATION_ID, REPLY_TO, is_enveloped, unwrapped};
