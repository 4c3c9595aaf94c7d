//! The terminal: drawn on, listened to, and put back in order on every way out.

use std::{
    io::{self, IsTerminal},
    pin::pin,
};

use crossterm::event::{Event, EventStream, KeyEventKind};
use futures_util::StreamExt;
use jiff::tz::TimeZone;
use ratatui::DefaultTerminal;
use tokio::signal::unix::{SignalKind, signal};

use super::{
    super::{
        Stopped,
        output::{is_dumb, may_color},
        session::Session,
    },
    TopArgs, later,
    screen::{Leave, Screen},
    snapshot::{History, Snapshot},
    view::View,
};
use crate::{Error, Result};

/// The whole terminal, for as long as it is held. A panic gives it back before it is told.
struct Held(DefaultTerminal);

impl Held {
    fn take() -> Result<Self> {
        Ok(Self(ratatui::try_init()?))
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        // A terminal that is gone needs no order.
        let _ = ratatui::try_restore();
    }
}

/// Whether there is a terminal that can be drawn on, with somebody at its keys.
pub(super) fn is_there() -> bool {
    io::stdin().is_terminal() && io::stdout().is_terminal() && !is_dumb()
}

/// Shows what workers do until somebody has seen enough.
///
/// # Errors
///
/// Those of the terminal, and Ctrl-C or a signal.
pub(super) async fn show(
    session: &Session,
    args: &TopArgs,
    first: Snapshot,
) -> Result<(), Stopped> {
    let mut interrupt = signal(SignalKind::interrupt()).map_err(Error::from)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(Error::from)?;
    let mut hangup = signal(SignalKind::hangup()).map_err(Error::from)?;
    let title = format!("{} on log {}", session.app(), session.address());
    let mut screen = Screen::new(title, args.interval, TimeZone::system(), may_color());
    let mut history = History::default();
    history.push(first);
    screen.show(View::new(&history));
    let mut terminal = Held::take()?;
    let mut events = EventStream::new();
    let mut next = pin!(later(session, args));
    loop {
        terminal
            .0
            .draw(|frame| screen.draw(frame))
            .map_err(Error::from)?;
        tokio::select! {
            biased;
            _ = interrupt.recv() => return Err(Stopped::Interrupted),
            _ = terminate.recv() => return Err(Stopped::Interrupted),
            _ = hangup.recv() => return Err(Stopped::Interrupted),
            event = events.next() => match event {
                Some(Ok(Event::Key(key))) if key.kind != KeyEventKind::Release => {
                    match screen.press(key) {
                        Some(Leave::Done) => return Ok(()),
                        Some(Leave::Interrupted) => return Err(Stopped::Interrupted),
                        None => {}
                    }
                }
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(Error::from(error).into()),
                None => return Ok(()),
            },
            snapshot = &mut next => {
                match snapshot {
                    Ok(snapshot) if snapshot.workers.is_empty() => {
                        screen.miss("no worker answers".to_owned());
                    }
                    Ok(snapshot) => {
                        history.push(snapshot);
                        screen.show(View::new(&history));
                    }
                    Err(error) => screen.miss(error.to_string()),
                }
                next.set(later(session, args));
            }
        }
    }
}
