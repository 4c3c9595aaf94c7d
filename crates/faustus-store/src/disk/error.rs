//! fjall's failures, sorted by what the caller does about them.
//!
//! Contract: no panic of fjall gets out. It has assertions where it meets bytes that it would never
//! write, so a panic means the same as an error about such bytes.

use std::{
    any::Any,
    io,
    panic::{AssertUnwindSafe, catch_unwind},
};

/// Why a call failed, not yet saying where.
#[derive(Debug)]
pub(super) enum Cause {
    Damaged(String),
    Full(String),
    InUse,
    /// An earlier write failed.
    Poisoned,
    Other(String),
}

/// Runs a call of fjall.
pub(super) fn guarded<T>(call: impl FnOnce() -> fjall::Result<T>) -> Result<T, Cause> {
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(result) => result.map_err(Cause::from),
        Err(panic) => Err(Cause::Damaged(panic_text(&*panic))),
    }
}

impl From<fjall::Error> for Cause {
    fn from(error: fjall::Error) -> Self {
        use fjall::{Error, LsmError};
        match error {
            Error::Locked => Self::InUse,
            Error::Poisoned => Self::Poisoned,
            Error::Io(error) | Error::Storage(LsmError::Io(error)) => Self::from(error),
            Error::KeyspaceDeleted => Self::Other("the store was destroyed".to_owned()),
            Error::InvalidVersion(_) => {
                Self::Damaged("it was written by an incompatible version".to_owned())
            }
            damage => Self::Damaged(damage.to_string()),
        }
    }
}

impl From<io::Error> for Cause {
    fn from(error: io::Error) -> Self {
        use io::ErrorKind;
        match error.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => {
                Self::Full(error.to_string())
            }
            // What fjall opens it has made, what it makes was not there, what it reads has the
            // length that it wrote, and it seeks where its files say.
            ErrorKind::NotFound
            | ErrorKind::AlreadyExists
            | ErrorKind::UnexpectedEof
            | ErrorKind::InvalidData
            | ErrorKind::InvalidInput => Self::Damaged(error.to_string()),
            _ => Self::Other(error.to_string()),
        }
    }
}

fn panic_text(panic: &(dyn Any + Send)) -> String {
    panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("unexpected contents")
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cause_of(kind: io::ErrorKind) -> Cause {
        guarded::<()>(|| Err(io::Error::from(kind).into())).unwrap_err()
    }

    #[test]
    fn running_out_of_room_is_full() {
        use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
        for kind in [StorageFull, QuotaExceeded, FileTooLarge] {
            assert!(matches!(cause_of(kind), Cause::Full(_)), "{kind}");
        }
    }

    #[test]
    fn a_file_that_is_not_as_it_was_made_is_damage() {
        use io::ErrorKind::{AlreadyExists, InvalidInput, NotFound, UnexpectedEof};
        for kind in [AlreadyExists, InvalidInput, NotFound, UnexpectedEof] {
            assert!(matches!(cause_of(kind), Cause::Damaged(_)), "{kind}");
        }
    }

    #[test]
    fn no_permission_is_no_damage() {
        let cause = cause_of(io::ErrorKind::PermissionDenied);
        assert!(matches!(cause, Cause::Other(_)), "{cause:?}");
    }

    #[test]
    fn a_panic_is_damage_with_its_text() {
        let cause = guarded::<()>(|| panic!("bad block {}", 7)).unwrap_err();
        assert!(
            matches!(&cause, Cause::Damaged(text) if text == "bad block 7"),
            "{cause:?}"
        );
    }
}
