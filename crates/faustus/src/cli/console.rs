//! Standard error of a worker: messages, and on a terminal a live line below them that no message runs into.

use std::{
    fs::File,
    io::{self, IsTerminal, Write},
    sync::Arc,
    time::Duration,
};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use rustix::{
    fs::{FlockOperation, Mode, OFlags, flock},
    io::Errno,
};

/// Where messages and the live line go; cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Console {
    /// Hidden where there is no live line.
    line: ProgressBar,
    /// Has the terminal while this is open.
    _terminal: Option<Arc<File>>,
}

impl Console {
    /// Standard error as it is.
    pub(super) fn plain() -> Self {
        Self {
            line: ProgressBar::hidden(),
            _terminal: None,
        }
    }

    /// Standard error, with a live line if it is a terminal that no other worker shows one on.
    pub(super) fn live() -> Self {
        let Some(terminal) = own_terminal() else {
            return Self::plain();
        };
        let target = ProgressDrawTarget::stderr();
        let line = ProgressBar::with_draw_target(Some(100), target);
        Self {
            line: line.with_style(style("")),
            _terminal: Some(Arc::new(terminal)),
        }
    }

    /// Whether there is a place for a live line: a terminal, and no job of a shell in the background, where
    /// others write.
    pub(super) fn is_live(&self) -> bool {
        !self.line.is_hidden() && is_in_foreground()
    }

    /// How many columns the terminal has, if it is one.
    pub(super) fn width(&self) -> Option<usize> {
        if !io::stderr().is_terminal() {
            return None;
        }
        let size = rustix::termios::tcgetwinsize(io::stderr()).ok();
        let columns = size.map_or(0, |size| usize::from(size.ws_col));
        Some(if columns == 0 { 80 } else { columns })
    }

    /// Shows a line, in place of the one before.
    pub(super) fn show(&self, text: &str) {
        self.line.set_style(style("{wide_msg}"));
        self.line.set_message(text.to_owned());
        self.line.tick();
    }

    /// Shows how far something is, in place of the line before.
    pub(super) fn show_progress(&self, what: &str, percent: u64, text: &str) {
        let bar = style("{prefix} {bar:10} {percent:>3} %  {wide_msg}");
        self.line.set_style(bar.progress_chars("=> "));
        self.line.set_prefix(what.to_owned());
        self.line.set_position(percent);
        self.line.set_message(text.to_owned());
        self.line.tick();
    }

    /// Takes the line away.
    pub(super) fn clear(&self) {
        if !self.line.is_hidden() {
            self.line.set_style(style(""));
            self.line.tick();
        }
    }

    /// Writes whole lines to standard error, above the live line, if that can be done.
    pub(super) fn write(&self, lines: &[u8]) {
        let _ = self.line.suspend(|| io::stderr().lock().write_all(lines));
    }
}

/// Whether the terminal that is standard error listens to this process; also if it listens to nobody.
fn is_in_foreground() -> bool {
    let listens = rustix::termios::tcgetpgrp(io::stderr());
    listens.map_or(true, |group| group == rustix::process::getpgrp())
}

/// A style that is right as it is written here.
fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

/// How often a live line changes.
pub(super) const TICK: Duration = Duration::from_millis(500);

/// The terminal that is standard error, for as long as nobody else has it: of several workers that were
/// started in one terminal the first one shows its line there.
fn own_terminal() -> Option<File> {
    let dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb");
    if dumb || !io::stderr().is_terminal() {
        return None;
    }
    let name = rustix::termios::ttyname(io::stderr(), Vec::new()).ok()?;
    let flags = OFlags::RDONLY | OFlags::NOCTTY | OFlags::CLOEXEC;
    let terminal = rustix::fs::open(name, flags, Mode::empty()).ok()?;
    match flock(&terminal, FlockOperation::NonBlockingLockExclusive) {
        Err(Errno::WOULDBLOCK) => None,
        // Where terminals cannot be locked, it is as if nobody had.
        Ok(()) | Err(_) => Some(File::from(terminal)),
    }
}
