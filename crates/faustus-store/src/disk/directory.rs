//! The directory around the database: who holds it, whether it may be used, what to say about it.
//!
//! Contract: only the holder of the [`Lock`] changes anything in the directory. A directory whose
//! making was cut short is made anew; any other that looks wrong is left alone and refused.

use std::{
    fmt::{self, Display},
    fs::{self, File, TryLockError},
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

use faustus_core::StoreError;

use super::error::Cause;

/// A directory of stores.
#[derive(Clone)]
pub(super) struct Directory(PathBuf);

/// Holds the directory for this process; dropping it frees it.
pub(super) struct Lock(#[expect(dead_code, reason = "closing it is what frees the lock")] File);

impl Directory {
    pub(super) fn new(path: &Path) -> Self {
        Self(path.to_owned())
    }

    /// Where the database is.
    pub(super) fn database(&self) -> PathBuf {
        self.0.join("db")
    }

    /// Why the directory must not be used, if it must not.
    fn damage_note(&self) -> PathBuf {
        self.0.join("damaged")
    }

    /// Makes the directory if need be and takes it for this process.
    pub(super) fn lock(&self) -> Result<Lock, StoreError> {
        // A place where no stores can be is no damage to stores.
        let refused = |e: io::Error| match Cause::from(e) {
            Cause::Damaged(reason) => self.failed(reason),
            cause => self.fault(cause),
        };
        fs::create_dir_all(&self.0).map_err(refused)?;
        let mut file = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(self.0.join("lock"))
            .map_err(refused)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                // Only for the message; whether it can be read changes nothing.
                let _ = file.read_to_string(&mut holder);
                return Err(self.in_use(holder.trim()));
            }
            Err(TryLockError::Error(e)) => return Err(self.fault(e.into())),
        }
        file.set_len(0)
            .and_then(|()| writeln!(file, "{}", std::process::id()))
            .map_err(|e| self.fault(e.into()))?;
        Ok(Lock(file))
    }

    /// Refuses a directory that was found damaged before, and clears one that was never finished.
    pub(super) fn check_usable(&self) -> Result<(), StoreError> {
        match fs::read_to_string(self.damage_note()) {
            Ok(note) => return Err(self.corrupt(note.trim())),
            Err(e) if e.kind() == io::ErrorKind::NotFound => {}
            Err(e) => return Err(self.fault(e.into())),
        }
        let unfinished = self.is_unfinished().map_err(|e| self.fault(e.into()))?;
        if unfinished {
            tracing::info!(directory = %self.0.display(), "making the stores anew, making them was cut short before");
            fs::remove_dir_all(self.database()).map_err(|e| self.fault(e.into()))?;
        }
        Ok(())
    }

    /// Whether the database was still being made when its process died: fjall writes the version
    /// last, when there is no keyspace yet. Nothing can have been stored then.
    fn is_unfinished(&self) -> io::Result<bool> {
        const VERSION_LEN: u64 = 4;
        let db = self.database();
        let entries = |path: &Path| match fs::read_dir(path) {
            Ok(entries) => Ok(entries.count()),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(0),
            Err(e) => Err(e),
        };
        let has_version = match fs::metadata(db.join("version")) {
            Ok(version) => version.len() >= VERSION_LEN,
            Err(e) if e.kind() == io::ErrorKind::NotFound => false,
            Err(e) => return Err(e),
        };
        let is_there = entries(&db)? > 0;
        Ok(is_there && !has_version && entries(&db.join("keyspaces"))? == 0)
    }

    /// Removes the stores.
    pub(super) fn remove(&self) -> Result<(), StoreError> {
        if !self.0.try_exists().map_err(|e| self.fault(e.into()))? {
            return Ok(());
        }
        let _lock = self.lock()?;
        let gone = |result: io::Result<()>| match result {
            Err(e) if e.kind() != io::ErrorKind::NotFound => Err(self.fault(e.into())),
            _ => Ok(()),
        };
        gone(fs::remove_dir_all(self.database()))?;
        // Last, so that a removal that is cut short is not taken for sound stores.
        gone(fs::remove_file(self.damage_note()))
    }

    /// Notes that the directory must not be used again, and says so.
    pub(super) fn condemn(&self, damage: &str) -> StoreError {
        if let Err(error) = fs::write(self.damage_note(), damage) {
            tracing::error!(directory = %self.0.display(), %error, "cannot note that the stores are damaged; remove them by hand");
        }
        self.corrupt(damage)
    }

    /// The failure of opening the whole directory.
    pub(super) fn unusable(&self, cause: Cause) -> StoreError {
        match cause {
            Cause::Damaged(damage) => self.corrupt(&damage),
            cause => self.fault(cause),
        }
    }

    /// A failure while the directory is in use.
    pub(super) fn fault(&self, cause: Cause) -> StoreError {
        let at = self.0.display();
        match cause {
            Cause::Damaged(damage) => StoreError::Corrupt(format!(
                "{at}: {damage}; destroy the store, it is then rebuilt from its changelog"
            )),
            Cause::Full(reason) => StoreError::Full(format!(
                "{at}: {reason}; make room, then restart the worker"
            )),
            Cause::InUse => self.in_use(""),
            Cause::Poisoned => self.failed("an earlier write failed; restart the worker"),
            Cause::Other(reason) => self.failed(reason),
        }
    }

    /// Any other failure, in the directory's name.
    pub(super) fn failed(&self, reason: impl Display) -> StoreError {
        StoreError::Io(format!("{}: {reason}", self.0.display()))
    }

    fn corrupt(&self, damage: &str) -> StoreError {
        let at = self.0.display();
        StoreError::Corrupt(format!(
            "{at}: {damage}; remove this directory, the tables are then rebuilt from their changelogs"
        ))
    }

    fn in_use(&self, holder: &str) -> StoreError {
        let at = self.0.display();
        let holder = match holder {
            "" => "another process".to_owned(),
            pid if pid == std::process::id().to_string() => "this process".to_owned(),
            pid => format!("process {pid}"),
        };
        StoreError::Locked(format!(
            "{at} is held by {holder}; stop it, or give this worker a data directory of its own"
        ))
    }
}

impl fmt::Debug for Directory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}
