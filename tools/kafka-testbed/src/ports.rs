//! Owns the choice of ports. Guarantees that a reserved port was free and goes to no other
//! testbed of this user while the reservation lives, also while the broker on it is down.

use std::fs::{self, File};
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;

use crate::{Error, random};

/// Below the ports operating systems give to outgoing connections: a client's connection must not
/// take the port of a broker that is down, nor connect to itself there.
const FIRST: u16 = 20_000;
const LAST: u16 = 31_999;

/// One reserved port.
#[derive(Debug)]
pub(crate) struct Port {
    pub(crate) number: u16,
    /// Locked; the operating system ends the lock with the process.
    _lock: File,
}

/// Reserves `count` ports, with lock files in `cache`.
pub(crate) fn reserve(cache: &Path, count: usize) -> Result<Vec<Port>, Error> {
    let dir = cache.join("ports");
    fs::create_dir_all(&dir).map_err(Error::path("create", &dir))?;
    let span = LAST - FIRST + 1;
    let start = u16::try_from(random::bits() % u64::from(span)).unwrap_or_default();
    let ports: Vec<Port> = (0..span)
        .map(|i| FIRST + (start + i) % span)
        .filter_map(|number| try_reserve(&dir, number))
        .take(count)
        .collect();
    if ports.len() < count {
        return Err(Error::NoPorts {
            wanted: count,
            first: FIRST,
            last: LAST,
        });
    }
    Ok(ports)
}

fn try_reserve(dir: &Path, number: u16) -> Option<Port> {
    let lock = File::create(dir.join(number.to_string())).ok()?;
    lock.try_lock().ok()?;
    TcpListener::bind((Ipv4Addr::LOCALHOST, number)).ok()?;
    Some(Port {
        number,
        _lock: lock,
    })
}

#[cfg(test)]
mod tests {
    use super::reserve;

    #[test]
    fn no_port_is_reserved_twice() {
        let cache = tempfile::tempdir().unwrap();
        let mut taken: Vec<_> = (0..20)
            .flat_map(|_| reserve(cache.path(), 5).unwrap())
            .map(|p| p.number)
            .collect();
        taken.clear();
        let held: Vec<_> = (0..20)
            .flat_map(|_| reserve(cache.path(), 5).unwrap())
            .collect();
        taken.extend(held.iter().map(|p| p.number));
        taken.sort_unstable();
        taken.dedup();
        assert_eq!(taken.len(), 100);
    }
}
