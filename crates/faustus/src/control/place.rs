//! Where the socket of a process is.
//!
//! A log in a directory has it there, as `control.sock`, so whoever finds the log finds its process.
//! Where the path is too long for a socket's address, that name is a link to a short one. All other
//! workers have theirs in a directory of the user: `faustus/<app>/<process id>.sock`.

use std::{
    env, fs,
    hash::{BuildHasher, Hasher},
    io,
    os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
};

use foldhash::fast::FixedState;

/// The name in the directory of a log.
const NAME: &str = "control.sock";

/// The longest address of a socket, in bytes, wherever we run: macOS has 104 with the zero at the end.
const LONGEST: usize = 103;

/// Where sockets of one kind are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// In the directory of a log, whose process is the only one.
    Log(PathBuf),
    /// In the directory of this user, for an application: of each of its workers one.
    User(String),
}

impl Place {
    /// Where the next socket of this process goes, with nothing there and nobody else let in.
    ///
    /// # Errors
    ///
    /// Those of the directories, and one of ours that is somebody else's.
    pub(super) fn claim(&self) -> io::Result<PathBuf> {
        match self {
            Self::Log(directory) => {
                let path = directory.join(NAME);
                let address = short(&path)?;
                // Who has the log's lock owns the name: what is there is of a process that is gone.
                remove(&path)?;
                if address != path {
                    private(address.parent().unwrap_or(&address))?;
                    remove(&address)?;
                    std::os::unix::fs::symlink(&address, &path)?;
                }
                Ok(address)
            }
            Self::User(app) => {
                let directory = user_directory().join(app);
                private(&user_directory())?;
                private(&directory)?;
                self.remove_dead();
                let path = directory.join(format!("{}.sock", std::process::id()));
                remove(&path)?;
                Ok(path)
            }
        }
    }

    /// All sockets that may be there.
    pub(super) fn candidates(&self) -> Vec<PathBuf> {
        match self {
            Self::Log(directory) => {
                let path = directory.join(NAME);
                let linked = fs::read_link(&path);
                match linked {
                    Ok(address) => vec![address],
                    Err(_) if path.exists() => vec![path],
                    // Whoever may not look learns of it when the socket is tried.
                    Err(error) if error.kind() == io::ErrorKind::PermissionDenied => vec![path],
                    Err(_) => Vec::new(),
                }
            }
            Self::User(app) => {
                let entries = fs::read_dir(user_directory().join(app));
                let paths = entries.into_iter().flatten().flatten().map(|e| e.path());
                let mut paths: Vec<_> = paths
                    .filter(|path| path.extension().is_some_and(|end| end == "sock"))
                    .collect();
                paths.sort();
                paths
            }
        }
    }

    /// Removes the sockets of processes that are gone.
    fn remove_dead(&self) {
        for path in self.candidates() {
            let pid = path
                .file_stem()
                .and_then(|name| name.to_str()?.parse().ok());
            let pid = pid.and_then(rustix::process::Pid::from_raw);
            let gone = pid.is_some_and(|pid| {
                rustix::process::test_kill_process(pid) == Err(rustix::io::Errno::SRCH)
            });
            if gone {
                let _ = fs::remove_file(path);
            }
        }
    }

    /// Removes what [`claim`](Self::claim) gave, and the name that leads to it.
    pub(super) fn release(&self, address: &Path) {
        let _ = fs::remove_file(address);
        if let Self::Log(directory) = self {
            let _ = fs::remove_file(directory.join(NAME));
        }
    }
}

/// The address of a socket at `path`: another one if that is too long.
fn short(path: &Path) -> io::Result<PathBuf> {
    if path.as_os_str().len() <= LONGEST {
        return Ok(path.to_owned());
    }
    let directory = path.parent().unwrap_or(path).canonicalize()?;
    let mut hash = FixedState::with_seed(0).build_hasher();
    hash.write(directory.as_os_str().as_encoded_bytes());
    let name = format!("{:016x}.sock", hash.finish());
    Ok(user_directory().join("logs").join(name))
}

/// The directory for the sockets of this user.
fn user_directory() -> PathBuf {
    let uid = rustix::process::getuid().as_raw();
    let of_session = env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
    of_session
        .filter(|directory| directory.is_absolute() && directory.as_os_str().len() <= 40)
        .map_or_else(
            || PathBuf::from(format!("/tmp/faustus-{uid}")),
            |directory| directory.join("faustus"),
        )
}

/// Makes a directory that nobody else may enter, or sees that it is one.
fn private(directory: &Path) -> io::Result<()> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory)?;
    let found = fs::symlink_metadata(directory)?;
    let ours = found.uid() == rustix::process::getuid().as_raw();
    if !found.is_dir() || !ours || found.permissions().mode() & 0o022 != 0 {
        return Err(io::Error::new(
            io::ErrorKind::PermissionDenied,
            format!(
                "{} is not a directory of this user alone",
                directory.display()
            ),
        ));
    }
    Ok(())
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_directory_has_its_socket_itself() {
        let directory = tempfile::tempdir().unwrap();
        let place = Place::Log(directory.path().to_owned());
        assert!(place.candidates().is_empty());
        let address = place.claim().unwrap();
        assert_eq!(address, directory.path().join(NAME));
        fs::write(&address, "").unwrap();
        assert_eq!(place.candidates(), std::slice::from_ref(&address));
        assert_eq!(place.claim().unwrap(), address);
        assert!(!address.exists(), "what a dead process left is gone");
    }

    #[test]
    fn a_long_directory_leads_to_a_short_address() {
        let directory = tempfile::tempdir().unwrap();
        let long = directory.path().join("x".repeat(120));
        fs::create_dir(&long).unwrap();
        let place = Place::Log(long);
        let address = place.claim().unwrap();
        assert!(
            address.as_os_str().len() <= LONGEST,
            "{}",
            address.display()
        );
        assert_eq!(place.candidates(), std::slice::from_ref(&address));
        assert_eq!(place.claim().unwrap(), address, "again, as after a crash");
        place.release(&address);
        assert!(place.candidates().is_empty());
    }
}
