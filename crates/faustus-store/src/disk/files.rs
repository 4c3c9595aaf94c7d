//! Checks the parts of fjall's files whose lengths fjall believes before it verifies them.
//!
//! A damaged length there would make it ask for more memory than there is, and that ends the process
//! without an error. These are the manifests, whose checksum is stored but not compared by fjall,
//! and the tables of contents of the table files. Whatever has a layout that is not known here is
//! left to fjall to judge.

use std::{
    ffi::OsStr,
    fs::{self, File},
    io::{self, Read, Seek, SeekFrom},
    path::{Path, PathBuf},
};

use bytes::Buf;
use xxhash_rust::xxh3::xxh3_128;

use super::error::Cause;

/// Checks the files of the database in `db`, if there is one.
///
/// # Errors
///
/// [`Cause::Damaged`], or what reading the files gave.
pub(super) fn check(db: &Path) -> Result<(), Cause> {
    for keyspace in list(&db.join("keyspaces"))? {
        if !keyspace.is_dir() {
            continue;
        }
        let id = keyspace.file_name().and_then(OsStr::to_str);
        if id.is_none_or(|id| id.parse::<u64>().is_err()) {
            return Err(damaged(&keyspace, "does not belong there"));
        }
        check_manifest(&keyspace)?;
        for table in list(&keyspace.join("tables"))? {
            check_contents(&table)?;
        }
    }
    Ok(())
}

/// Checks the current manifest of a keyspace. `current` names it: its number (8 bytes, little
/// endian), its checksum (16) and the kind of the checksum (1), where 0 is XXH3-128.
fn check_manifest(keyspace: &Path) -> Result<(), Cause> {
    const LEN: usize = 8 + 16 + 1;
    let path = keyspace.join("current");
    let current = match fs::read(&path) {
        Ok(current) => current,
        // Its making was cut short: fjall removes such a keyspace.
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(e.into()),
    };
    if current.len() < LEN {
        return Err(damaged(&path, "is too short"));
    }
    let mut fields = &current[..];
    let (number, checksum, kind) = (fields.get_u64_le(), fields.get_u128_le(), fields.get_u8());
    if fields.has_remaining() || kind != 0 {
        return Ok(());
    }
    let manifest = keyspace.join(format!("v{number}"));
    if xxh3_128(&fs::read(&manifest)?) != checksum {
        return Err(damaged(&manifest, "fails its checksum"));
    }
    Ok(())
}

/// Checks the table of contents of a file: `TOC!`, the number of entries (4 bytes, little endian),
/// the entries, each of at least 18 bytes. It ends where the trailer begins, which is `SFA!`, version
/// 1, kind of checksum (1), checksum (16), position of the contents (8), their length (8).
///
/// A file without them is one whose writing was cut short; fjall removes it.
fn check_contents(path: &Path) -> Result<(), Cause> {
    const TRAILER_LEN: u64 = 4 + 1 + 1 + 16 + 8 + 8;
    const HEAD_LEN: u64 = 4 + 4;
    const ENTRY_LEN: u64 = 8 + 8 + 2;
    let mut file = File::open(path)?;
    let Some(end) = file.metadata()?.len().checked_sub(TRAILER_LEN) else {
        return Ok(());
    };
    let trailer = read(&mut file, end, TRAILER_LEN)?;
    let Some(mut trailer) = trailer.strip_prefix(b"SFA!\x01") else {
        return Ok(());
    };
    trailer.advance(1 + 16);
    let start = trailer.get_u64_le();
    let Some(room) = end
        .checked_sub(start)
        .and_then(|len| len.checked_sub(HEAD_LEN))
    else {
        return Err(damaged(
            path,
            "has its table of contents in no possible place",
        ));
    };
    let head = read(&mut file, start, HEAD_LEN)?;
    let count = head
        .strip_prefix(b"TOC!")
        .map_or(0, |mut count| count.get_u32_le());
    if u64::from(count) > room / ENTRY_LEN {
        return Err(damaged(path, "claims more contents than it has room for"));
    }
    Ok(())
}

fn read(file: &mut File, start: u64, len: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(start))?;
    file.take(len).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// What is in a directory; nothing if it is not there.
fn list(directory: &Path) -> io::Result<Vec<PathBuf>> {
    match fs::read_dir(directory) {
        Ok(entries) => entries.map(|entry| Ok(entry?.path())).collect(),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(e) => Err(e),
    }
}

fn damaged(path: &Path, how: &str) -> Cause {
    Cause::Damaged(format!("{} {how}", path.display()))
}
