//! The files beside the database: who has the log open, and how far it had come.
//!
//! `HEAD` holds, little endian: the text `FAUSTLOG`, the format (u32), 4 zero bytes, the count of
//! operations that were written (u64) and the id of the machine's run in which they were (36 bytes,
//! zeros if unknown). It is rewritten in place after every write of the database, so that an open can
//! tell a write that was torn by a crash (which nobody was told of) from records that are missing.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{ErrorKind, Read, Seek, SeekFrom, Write},
    path::Path,
};

use faustus_core::TransportError;

use super::{disk::io_error, format::FORMAT};

const MAGIC: &[u8; 8] = b"FAUSTLOG";
const COUNT_AT: u64 = 16;
const LEN: usize = 60;

/// Holds a log directory for this process.
#[derive(Debug)]
pub(super) struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the directory, or says who has it.
    pub(super) fn take(directory: &Path) -> Result<Self, TransportError> {
        let path = directory.join("LOCK");
        let mut options = OpenOptions::new();
        let options = options.read(true).write(true).create(true).truncate(false);
        let mut file = options.open(&path).map_err(|e| io_error(&path, &e))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                // Only for the message: an unreadable file names nobody.
                let _ = file.read_to_string(&mut holder);
                let (directory, holder) = (directory.display(), holder.trim());
                return Err(TransportError::Unavailable(format!(
                    "process {holder} has the log in {directory} open, and one process at a time can: \
                     stop it, or use another directory"
                )));
            }
            Err(TryLockError::Error(error)) => return Err(io_error(&path, &error)),
        }
        let id = format!("{}\n", std::process::id());
        file.set_len(0)
            .and_then(|()| file.write_all(id.as_bytes()))
            .map_err(|e| io_error(&path, &e))?;
        Ok(Self { _file: file })
    }
}

/// The `HEAD` file.
#[derive(Debug)]
pub(super) struct Head {
    file: File,
    /// The count of operations when it was opened.
    pub(super) count: u64,
    /// Whether the machine has run without a break since then, as far as is known.
    pub(super) same_run: bool,
}

impl Head {
    /// Opens the file, or makes it in a directory without a log.
    pub(super) fn open(directory: &Path) -> Result<Self, TransportError> {
        let path = directory.join("HEAD");
        let fresh = !directory.join("data").exists();
        let mut options = OpenOptions::new();
        let options = options.read(true).write(true).create(fresh);
        let mut file = options.open(&path).map_err(|error| match error.kind() {
            ErrorKind::NotFound => missing(&path),
            _ => io_error(&path, &error),
        })?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)
            .map_err(|e| io_error(&path, &e))?;
        let run = run_id();
        if fresh {
            bytes = Vec::with_capacity(LEN);
            bytes.extend_from_slice(MAGIC);
            bytes.extend_from_slice(&FORMAT.to_le_bytes());
            bytes.resize(24, 0);
            bytes.extend_from_slice(&run);
            file.seek(SeekFrom::Start(0))
                .and_then(|_| file.write_all(&bytes))
                .map_err(|e| io_error(&path, &e))?;
        }
        let mut head = Self::parse(directory, file, &bytes)?;
        head.write(COUNT_AT + 8, &run)
            .map_err(|e| io_error(&path, &e))?;
        Ok(head)
    }

    /// Reads the file of a log that exists and leaves it as it is.
    pub(super) fn look(directory: &Path) -> Result<Self, TransportError> {
        let path = directory.join("HEAD");
        let mut file = File::open(&path).map_err(|error| match error.kind() {
            ErrorKind::NotFound => missing(&path),
            _ => io_error(&path, &error),
        })?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)
            .map_err(|e| io_error(&path, &e))?;
        Self::parse(directory, file, &bytes)
    }

    fn parse(directory: &Path, file: File, bytes: &[u8]) -> Result<Self, TransportError> {
        let damaged = || {
            TransportError::Corrupt(format!(
                "{} is damaged: restore the whole directory from a copy",
                directory.join("HEAD").display()
            ))
        };
        let fixed: &[u8; LEN] = bytes.try_into().map_err(|_| damaged())?;
        if !fixed.starts_with(MAGIC) {
            return Err(damaged());
        }
        let format = u32::from_le_bytes([fixed[8], fixed[9], fixed[10], fixed[11]]);
        if format > FORMAT {
            return Err(TransportError::Invalid(format!(
                "the log in {} has format {format} and this version reads up to {FORMAT}: \
                 open it with the newer version that wrote it",
                directory.display()
            )));
        }
        let mut count = [0; 8];
        count.copy_from_slice(&fixed[16..24]);
        let run = run_id();
        Ok(Self {
            file,
            count: u64::from_le_bytes(count),
            same_run: fixed[24..] == run && run != [0; 36],
        })
    }

    /// Notes that so many operations are written.
    pub(super) fn advance(&mut self, count: u64) -> Result<(), std::io::Error> {
        self.write(COUNT_AT, &count.to_le_bytes())
    }

    fn write(&mut self, at: u64, bytes: &[u8]) -> Result<(), std::io::Error> {
        self.file.seek(SeekFrom::Start(at))?;
        self.file.write_all(bytes)
    }
}

fn missing(path: &Path) -> TransportError {
    TransportError::Corrupt(format!(
        "{} is missing: restore the whole directory from a copy",
        path.display()
    ))
}

/// The id of this run of the machine, zeros where it has none.
fn run_id() -> [u8; 36] {
    let id = fs::read("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let id = id.get(..36).and_then(|id| id.try_into().ok());
    id.unwrap_or([0; 36])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_count_survives() {
        let dir = tempfile::tempdir().unwrap();
        let mut head = Head::open(dir.path()).unwrap();
        head.advance(77).unwrap();
        fs::create_dir(dir.path().join("data")).unwrap();
        let again = Head::open(dir.path()).unwrap();
        assert_eq!((again.count, again.same_run), (77, run_id() != [0; 36]));
    }

    #[test]
    fn a_newer_format_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        drop(Head::open(dir.path()).unwrap());
        fs::create_dir(dir.path().join("data")).unwrap();
        let path = dir.path().join("HEAD");
        let mut bytes = fs::read(&path).unwrap();
        bytes[8] = 2;
        fs::write(&path, bytes).unwrap();
        let error = Head::open(dir.path()).unwrap_err().to_string();
        assert!(error.contains("format 2"), "{error}");
    }

    #[test]
    fn a_missing_or_short_head_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("data")).unwrap();
        for text in [None, Some("FAUST")] {
            if let Some(text) = text {
                fs::write(dir.path().join("HEAD"), text).unwrap();
            }
            let error = Head::open(dir.path()).unwrap_err();
            assert!(matches!(error, TransportError::Corrupt(_)), "{error}");
        }
    }
}
