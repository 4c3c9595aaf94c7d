//! A file that messages are added to. It owns the open file, which others may move away and have opened
//! anew.

use std::{
    fs::{File, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
};

use parking_lot::Mutex;

use crate::cli::console::Console;

/// A file of messages.
pub(super) struct LogFile {
    path: PathBuf,
    /// Hears of what is dropped.
    console: Console,
    state: Mutex<State>,
}

struct State {
    file: File,
    /// The last message is there in part only.
    torn: bool,
    /// The last message could not be written, which was told.
    failing: bool,
}

impl LogFile {
    /// Opens or makes the file at `path`, and adds to what is in it.
    pub(super) fn open(path: &Path, console: &Console) -> io::Result<Self> {
        Ok(Self {
            path: path.to_owned(),
            console: console.clone(),
            state: Mutex::new(State::open(path)?),
        })
    }

    /// Opens the file at the same path, which may be another one by now.
    pub(super) fn reopen(&self) -> io::Result<()> {
        let anew = State::open(&self.path)?;
        *self.state.lock() = anew;
        Ok(())
    }

    /// Adds a message, or drops it. The first that is dropped is told on standard error.
    pub(super) fn write(&self, message: &[u8]) {
        let mut state = self.state.lock();
        let written = state.add(message);
        let was_failing = std::mem::replace(&mut state.failing, written.is_err());
        if let (Err(error), false) = (written, was_failing) {
            let path = self.path.display();
            let told = format!(
                "warning: {path} cannot be written ({error}); messages are dropped until it can\n"
            );
            self.console.write(told.as_bytes());
        }
    }
}

impl State {
    fn open(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().create(true).append(true).open(path)?;
        Ok(Self {
            file,
            torn: false,
            failing: false,
        })
    }

    fn add(&mut self, mut message: &[u8]) -> io::Result<()> {
        if self.torn {
            self.file.write_all(b"\n")?;
            self.torn = false;
        }
        while !message.is_empty() {
            match self.file.write(message) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => {
                    message = &message[written..];
                    self.torn = !message.is_empty();
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn messages_are_added_to_what_is_there_and_to_a_new_file_once_it_is_opened_anew() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log");
        fs::write(&path, "old\n").unwrap();
        let file = LogFile::open(&path, &Console::plain()).unwrap();
        file.write(b"one\n");
        let moved = directory.path().join("log.1");
        fs::rename(&path, &moved).unwrap();
        file.write(b"two\n");
        file.reopen().unwrap();
        file.write(b"three\n");
        assert_eq!(fs::read_to_string(moved).unwrap(), "old\none\ntwo\n");
        assert_eq!(fs::read_to_string(path).unwrap(), "three\n");
    }

    #[test]
    fn a_file_that_cannot_be_opened_anew_stays_the_one_that_is_written() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log");
        let file = LogFile::open(&path, &Console::plain()).unwrap();
        let moved = directory.path().join("log.1");
        fs::rename(&path, &moved).unwrap();
        fs::create_dir(&path).unwrap();
        assert!(file.reopen().is_err());
        file.write(b"one\n");
        assert_eq!(fs::read_to_string(moved).unwrap(), "one\n");
    }

    #[test]
    fn what_comes_after_half_a_message_begins_on_a_line_of_its_own() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log");
        let file = LogFile::open(&path, &Console::plain()).unwrap();
        file.write(b"half");
        file.state.lock().torn = true;
        file.write(b"whole\n");
        assert_eq!(fs::read_to_string(path).unwrap(), "half\nwhole\n");
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_message_for_a_full_disk_is_dropped() {
        let file = LogFile::open(Path::new("/dev/full"), &Console::plain()).unwrap();
        file.write(b"one\n");
        assert!(file.state.lock().failing);
        file.write(b"two\n");
    }
}
