//! A terminal that programs run in, as a person would see it.

use std::{
    fs::File,
    io::{Read, Write as _},
    process::{Command, Stdio},
    sync::mpsc::{Receiver, channel},
    thread,
    time::Instant,
};

use rustix::{
    fs::{Mode, OFlags},
    pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt},
    termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize},
};

use super::PATIENCE;

/// A terminal of 80 columns.
pub(crate) struct Terminal {
    inside: File,
    /// Where the person is.
    outside: File,
    shown: Receiver<String>,
    /// All that was written to it up to now.
    text: String,
}

impl Terminal {
    pub(crate) fn new() -> Self {
        let outside = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&outside).unwrap();
        unlockpt(&outside).unwrap();
        let size = Winsize {
            ws_row: 24,
            ws_col: 80,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        tcsetwinsize(&outside, size).unwrap();
        let name = ptsname(&outside, Vec::new()).unwrap();
        let inside = rustix::fs::open(name, OFlags::RDWR | OFlags::NOCTTY, Mode::empty()).unwrap();
        let (show, shown) = channel();
        let outside = File::from(outside);
        let mut screen = outside.try_clone().unwrap();
        thread::spawn(move || {
            let mut some = [0; 4096];
            while let Ok(len @ 1..) = screen.read(&mut some) {
                let text = String::from_utf8_lossy(&some[..len]).into_owned();
                if show.send(text).is_err() {
                    break;
                }
            }
        });
        Self {
            inside: File::from(inside),
            outside,
            shown,
            text: String::new(),
        }
    }

    /// The command with its standard error here; standard output is nothing that is looked at.
    pub(crate) fn attach(&self, command: &mut Command) {
        command
            .env("TERM", "xterm")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(self.inside.try_clone().unwrap());
    }

    /// The command with all that it reads and writes here.
    pub(crate) fn attach_whole(&self, command: &mut Command) {
        let inside = || self.inside.try_clone().unwrap();
        command
            .env("TERM", "xterm")
            .stdin(inside())
            .stdout(inside())
            .stderr(inside());
    }

    /// Somebody types this.
    pub(crate) fn press(&mut self, keys: &str) {
        self.outside.write_all(keys.as_bytes()).unwrap();
    }

    /// Whether letters that are typed are shown and lines go to programs as a whole, as shells expect it.
    pub(crate) fn is_in_order(&self) -> bool {
        let modes = tcgetattr(&self.inside).unwrap().local_modes;
        modes.contains(LocalModes::ECHO | LocalModes::ICANON)
    }

    /// Waits until `text` is written for so many times.
    pub(crate) fn until(&mut self, text: &str, times: usize) {
        let deadline = Instant::now() + PATIENCE;
        while self.text.matches(text).count() < times {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.shown.recv_timeout(left) {
                Ok(more) => self.text.push_str(&more),
                Err(_) => panic!("no {text:?}, only:\n{}", self.text),
            }
        }
    }

    /// All that was written, once the programs here have ended.
    pub(crate) fn close(mut self) -> String {
        drop(self.inside);
        self.text.extend(self.shown.iter());
        self.text
    }

    /// All that was written up to now.
    pub(crate) fn text(&mut self) -> &str {
        self.text.extend(self.shown.try_iter());
        &self.text
    }
}
