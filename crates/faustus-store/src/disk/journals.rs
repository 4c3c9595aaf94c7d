//! Finds damage in the middle of fjall's journals, which fjall takes for the torn end of the last one.
//!
//! fjall cuts every journal at the first bytes that it cannot read. At the end of the newest journal
//! that is right: a crash tore what was written last. In an older journal it would leave a hole, as
//! newer journals are still applied. So the extent of the older ones is taken before fjall opens
//! them, and compared after. A missing journal is refused at once: without any, fjall would number
//! its batches from the start again.

use std::{
    ffi::OsStr,
    fs::{self, File},
    io::{self, Read, Seek, SeekFrom},
    path::Path,
};

use super::error::Cause;

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
    /// Takes the extent of all but the newest journal of the database in `db`, if there is one.
    ///
    /// # Errors
    ///
    /// [`Cause::Damaged`] if one is missing.
    pub(super) fn inspect(db: &Path) -> Result<Self, Cause> {
        let mut journals = Vec::new();
        if !db.try_exists()? {
            return Ok(Self(journals));
        }
        for entry in fs::read_dir(db)? {
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
        if journals.is_empty() {
            return Err(Cause::Damaged("its journal is missing".to_owned()));
        }
        // fjall deletes them in order of age.
        if let Some(gap) = journals
            .windows(2)
            .find(|pair| pair[0].id + 1 != pair[1].id)
        {
            return Err(Cause::Damaged(format!(
                "journal {} is missing",
                gap[0].id + 1
            )));
        }
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

    /// A directory with journals of these numbers, each with 1000 bytes of data.
    fn journals(ids: &[u64]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for id in ids {
            let mut contents = vec![7; 1_000];
            contents.resize(200_000, 0);
            fs::write(dir.path().join(format!("{id}.jnl")), contents).unwrap();
        }
        dir
    }

    fn cut(dir: &tempfile::TempDir, id: u64, len: u64) {
        let journal = dir.path().join(format!("{id}.jnl"));
        File::options()
            .write(true)
            .open(journal)
            .unwrap()
            .set_len(len)
            .unwrap();
    }

    #[test]
    fn a_directory_that_is_not_there_yet_has_no_journals() {
        let dir = tempfile::tempdir().unwrap();
        assert!(
            Journals::inspect(&dir.path().join("db"))
                .unwrap()
                .0
                .is_empty()
        );
    }

    #[test]
    fn cutting_the_zeros_off_an_older_journal_is_right() {
        let dir = journals(&[9, 10]);
        let before = Journals::inspect(dir.path()).unwrap();
        cut(&dir, 9, 1_000);
        assert_eq!(before.check(), Ok(()));
    }

    #[test]
    fn cutting_data_off_an_older_journal_is_damage() {
        let dir = journals(&[9, 10]);
        let before = Journals::inspect(dir.path()).unwrap();
        cut(&dir, 9, 999);
        assert!(before.check().is_err());
    }

    #[test]
    fn cutting_data_off_a_journal_that_was_deleted_since_is_damage() {
        let dir = journals(&[9, 10]);
        let before = Journals::inspect(dir.path()).unwrap();
        cut(&dir, 9, 500);
        fs::remove_file(dir.path().join("9.jnl")).unwrap();
        assert!(before.check().is_err());
    }

    #[test]
    fn cutting_the_newest_journal_is_right() {
        let dir = journals(&[9, 10]);
        let before = Journals::inspect(dir.path()).unwrap();
        cut(&dir, 10, 500);
        assert_eq!(before.check(), Ok(()));
    }

    #[test]
    fn a_missing_journal_is_damage() {
        for ids in [&[][..], &[1, 3]] {
            let refused = Journals::inspect(journals(ids).path());
            assert!(matches!(refused, Err(Cause::Damaged(_))), "{ids:?}");
        }
    }
}
