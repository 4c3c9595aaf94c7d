//! Finds damage in the middle of fjall's journals, which fjall takes for the torn end of the last one.
//!
//! fjall cuts every journal at the first bytes that it cannot read. At the end of the newest journal
//! that is right: a crash tore what was written last. In an older journal it would leave a hole, as
//! newer journals are still applied. So the extent of the older ones is taken before fjall opens
//! them, and compared after.

use std::{
    ffi::OsStr,
    fs::{self, File},
    io::{self, Read, Seek, SeekFrom},
    path::Path,
};

/// The journals but the newest, as they were before the database was opened.
pub(super) struct Journals(Vec<Journal>);

struct Journal {
    id: u64,
    /// Kept open, as fjall may delete the file once its contents are in tables.
    file: File,
    /// The position after the last byte that is not zero; fjall makes journals longer than they are.
    end: u64,
}

impl Journals {
    /// Takes the extent of all but the newest journal of the database in `db`.
    pub(super) fn inspect(db: &Path) -> io::Result<Self> {
        let mut journals = Vec::new();
        let entries = match fs::read_dir(db) {
            Ok(entries) => entries,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Self(journals)),
            Err(e) => return Err(e),
        };
        for entry in entries {
            let path = entry?.path();
            let is_journal = path.extension() == Some(OsStr::new("jnl")) && path.is_file();
            let id = path
                .file_stem()
                .and_then(OsStr::to_str)
                .and_then(|id| id.parse().ok());
            if let (true, Some(id)) = (is_journal, id) {
                let file = File::open(&path)?;
                journals.push(Journal { id, file, end: 0 });
            }
        }
        journals.sort_by_key(|journal| journal.id);
        journals.pop();
        for journal in &mut journals {
            journal.end = end_of_data(&mut journal.file)?;
        }
        Ok(Self(journals))
    }

    /// Whether fjall has read all of them to their ends; if not, what is wrong.
    pub(super) fn check(&self) -> Result<(), String> {
        for Journal { id, file, end } in &self.0 {
            let len = file.metadata().map_err(|e| e.to_string())?.len();
            if len < *end {
                return Err(format!("journal {id} is damaged at byte {len} of {end}"));
            }
        }
        Ok(())
    }
}

fn end_of_data(file: &mut File) -> io::Result<u64> {
    const BLOCK: u64 = 64 * 1024;
    let mut block = Vec::new();
    let mut end = file.metadata()?.len();
    while end > 0 {
        let start = end.saturating_sub(BLOCK);
        file.seek(SeekFrom::Start(start))?;
        block.clear();
        file.by_ref().take(end - start).read_to_end(&mut block)?;
        if let Some(last) = block.iter().rposition(|&byte| byte != 0) {
            return Ok(start + last as u64 + 1);
        }
        end = start;
    }
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trailing_zeros_are_no_data() {
        let mut file = tempfile::tempfile().unwrap();
        file.set_len(200_000).unwrap();
        assert_eq!(end_of_data(&mut file).unwrap(), 0);
        file.seek(SeekFrom::Start(70_000)).unwrap();
        io::Write::write_all(&mut file, b"end\0").unwrap();
        assert_eq!(end_of_data(&mut file).unwrap(), 70_003);
    }
}
