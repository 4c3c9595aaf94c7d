//! What a directory of stores shows after its files were damaged: an exact prefix, or a refusal.
#![cfg(feature = "fjall")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod workload;

use std::{
    fs,
    path::{Path, PathBuf},
};

use faustus_core::{StoreError, StoreProvider};
use faustus_store::FjallStores;
use workload::Random;

#[test]
fn random_damage_gives_an_exact_prefix_or_is_refused() {
    let original = workload::two_partitions();
    let mut random = Random::new(6);
    let mut refused = 0;
    for case in 0..60 {
        let copy = tempfile::tempdir().unwrap();
        workload::copy_dir(original.path(), copy.path());
        let damage = damage_some_file(&copy.path().join("db"), &mut random);
        match workload::check_all(copy.path(), 2) {
            Ok(_) => {}
            Err(StoreError::Corrupt(_)) => refused += 1,
            Err(other) => panic!("case {case}, {damage}: {other}"),
        }
    }
    assert!(refused > 10, "only {refused} of 60 were noticed");
}

/// Flips a bit, writes garbage into, cuts, deletes or replaces a file; says what it did.
fn damage_some_file(dir: &Path, random: &mut Random) -> String {
    let files = files(dir);
    let file = &files[index(random, files.len())];
    let mut contents = fs::read(file).unwrap();
    let written = contents
        .iter()
        .rposition(|&byte| byte != 0)
        .map_or(0, |last| last + 1);
    let place = index(random, written + 1);
    let damage = match random.below(5) {
        0 if place < written => {
            contents[place] ^= 1 << random.below(8);
            format!("bit at {place}")
        }
        1 => {
            let len = 16 + index(random, 200);
            contents[place..]
                .iter_mut()
                .take(len)
                .for_each(|place| *place = random_byte(random));
            format!("garbage at {place}")
        }
        2 => {
            contents.truncate(place);
            format!("cut at {place}")
        }
        3 => {
            fs::remove_file(file).unwrap();
            return format!("{} deleted", file.display());
        }
        _ => {
            contents = (0..random.below(300))
                .map(|_| random_byte(random))
                .collect();
            "replaced".to_owned()
        }
    };
    fs::write(file, contents).unwrap();
    format!("{} {damage}", file.display())
}

fn index(random: &mut Random, len: usize) -> usize {
    usize::try_from(random.below(len as u64)).unwrap()
}

fn random_byte(random: &mut Random) -> u8 {
    random.next().to_le_bytes()[0]
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(self::files(&path));
        } else {
            files.push(path);
        }
    }
    files.sort();
    files
}

/// A directory with data, changed by `damage`, must be refused; once removed it is new.
fn is_refused(damage: impl FnOnce(&Path)) -> String {
    let dir = workload::two_partitions();
    damage(&dir.path().join("db"));
    let refusals = [0, 1].map(|_| match workload::open(dir.path()) {
        Err(StoreError::Corrupt(text)) => text,
        other => panic!("{other:?}"),
    });
    assert_eq!(refusals[0], refusals[1], "a refusal stays");
    assert!(
        refusals[0].contains("remove this directory"),
        "{}",
        refusals[0]
    );
    FjallStores::remove(dir.path()).unwrap();
    assert_eq!(workload::check_all(dir.path(), 2).unwrap(), [0, 0]);
    let [refusal, _] = refusals;
    refusal
}

#[test]
fn a_missing_journal_is_refused() {
    let text =
        is_refused(|db| fs::remove_file(workload::newest_journal(db.parent().unwrap())).unwrap());
    assert!(text.contains("journal is missing"), "{text}");
}

#[test]
fn a_missing_version_is_refused() {
    is_refused(|db| fs::remove_file(db.join("version")).unwrap());
}

#[test]
fn another_format_is_refused() {
    let text = is_refused(|db| fs::write(db.join("version"), b"FJL\x02").unwrap());
    assert!(text.contains("incompatible version"), "{text}");
}

#[test]
fn a_damaged_manifest_is_refused() {
    let text = is_refused(|db| {
        let manifests = files(&db.join("keyspaces/1")).into_iter();
        let manifests =
            manifests.filter(|f| f.file_name().unwrap().to_str().unwrap().starts_with('v'));
        for manifest in manifests {
            let mut contents = fs::read(&manifest).unwrap();
            // The number of entries in the table of contents, which is taken for a length.
            let place = contents
                .windows(4)
                .position(|four| four == b"TOC!")
                .unwrap()
                + 4;
            contents[place..place + 4].fill(0xff);
            fs::write(manifest, contents).unwrap();
        }
    });
    assert!(text.contains("fails its checksum"), "{text}");
}

#[test]
fn a_table_file_that_claims_too_many_contents_is_refused() {
    let text = is_refused(|db| {
        for table in files(&db.join("keyspaces/1/tables")) {
            let mut contents = fs::read(&table).unwrap();
            let place = contents
                .windows(4)
                .rposition(|four| four == b"TOC!")
                .unwrap()
                + 4;
            contents[place..place + 4].fill(0xff);
            fs::write(table, contents).unwrap();
        }
    });
    assert!(text.contains("claims more contents"), "{text}");
}

#[test]
fn a_foreign_directory_among_the_keyspaces_is_refused() {
    is_refused(|db| fs::create_dir(db.join("keyspaces/backup")).unwrap());
}

#[test]
fn damage_in_an_older_journal_is_refused() {
    // What is there when a process ends just after it has begun a new journal.
    let begin_journal = |db: &Path| {
        let next = fs::File::create_new(db.join("1.jnl")).unwrap();
        next.set_len(64 << 20).unwrap();
    };
    let sound = workload::two_partitions();
    begin_journal(&sound.path().join("db"));
    assert_eq!(workload::check_all(sound.path(), 2).unwrap(), [150, 150]);

    let text = is_refused(|db| {
        begin_journal(db);
        let journal = db.join("0.jnl");
        let mut contents = fs::read(&journal).unwrap();
        // The mark at the end of a batch.
        let place = contents
            .windows(4)
            .position(|four| four == b"FJL\x03")
            .unwrap();
        contents[place] = 0;
        fs::write(journal, contents).unwrap();
    });
    assert!(text.contains("journal 0 is damaged at byte"), "{text}");
}

#[test]
fn files_that_do_not_belong_there_do_no_harm() {
    let dir = workload::two_partitions();
    for place in ["note", "db/note", "db/keyspaces/note"] {
        fs::write(dir.path().join(place), "not ours").unwrap();
    }
    assert_eq!(workload::check_all(dir.path(), 2).unwrap(), [150, 150]);
}

#[test]
fn a_damaged_table_file_is_cured_by_destroying_its_store() {
    let dir = workload::two_partitions();
    for table in files(&dir.path().join("db/keyspaces/1/tables")) {
        let mut contents = fs::read(&table).unwrap();
        contents[20..2_000].fill(0xaa);
        fs::write(table, contents).unwrap();
    }
    let stores = workload::open(dir.path()).unwrap();
    let damaged = stores
        .open(workload::TABLE, 0)
        .and_then(|store| workload::check_prefix(&*store, 0));
    assert!(
        matches!(damaged, Err(StoreError::Corrupt(_))),
        "{damaged:?}"
    );
    stores.destroy(workload::TABLE, 0).unwrap();
    let store = stores.open(workload::TABLE, 0).unwrap();
    assert_eq!(workload::check_prefix(&*store, 0).unwrap(), 0);
    let other = stores.open(workload::TABLE, 1).unwrap();
    assert_eq!(workload::check_prefix(&*other, 1).unwrap(), 150);
}
