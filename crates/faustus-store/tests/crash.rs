//! What a directory of stores shows after its process was killed or the power went.
//!
//! The processes that are killed are this test program itself, started again with `DIRECTORY` set.
#![cfg(all(feature = "fjall", unix))]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod workload;

use std::{
    env, fs,
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use faustus_core::{StoreError, StoreProvider};
use workload::{Random, TABLE};

/// In the environment of a child: where its stores are.
const DIRECTORY: &str = "FAUSTUS_STORE_TEST_DIRECTORY";

/// How many processes are killed one after the other.
const ROUNDS: i64 = 8;

/// After how many batches a process is known to be at work.
const WORKING: usize = 20;

/// Starts the test `name` of this program with `dir`, through `shell` if commands are given.
fn start_child(name: &str, dir: &Path, shell: Option<&str>) -> Child {
    let program = env::current_exe().unwrap();
    let mut command = match shell {
        None => Command::new(program),
        Some(setup) => {
            let mut command = Command::new("sh");
            command
                .arg("-c")
                .arg(format!("{setup}; exec \"$0\" \"$@\""))
                .arg(program);
            command
        }
    };
    command
        .args([name, "--exact", "--nocapture", "--test-threads=1"])
        .env(DIRECTORY, dir)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

fn given_directory() -> Option<PathBuf> {
    env::var_os(DIRECTORY).map(PathBuf::from)
}

/// The batches that a child says it has applied, as `acked N` lines, until it ends.
fn acked(child: &mut Child) -> impl Iterator<Item = i64> + use<> {
    let output = BufReader::new(child.stdout.take().unwrap());
    let lines = output.lines().map_while(Result::ok);
    lines.filter_map(|line| line.split_once("acked ")?.1.parse().ok())
}

fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}").unwrap();
    out.flush().unwrap();
}

#[test]
fn nothing_that_was_applied_is_lost_or_torn_by_kill_9() {
    if let Some(dir) = given_directory() {
        let stores = workload::open(&dir).unwrap();
        let store = stores.open(TABLE, 0).unwrap();
        for n in workload::reached(&*store).unwrap() + 1.. {
            store
                .apply(&workload::batch(0, n), &workload::checkpoint(n))
                .unwrap();
            say(&format!("acked {n}"));
        }
    }
    let dir = tempfile::tempdir().unwrap();
    let mut random = Random::new(1);
    let mut reached = 0;
    for _ in 0..ROUNDS {
        let mut child = start_child(
            "nothing_that_was_applied_is_lost_or_torn_by_kill_9",
            dir.path(),
            None,
        );
        let mut lines = acked(&mut child);
        // It works: from now on any moment will do.
        let working = lines.nth(WORKING - 1).unwrap();
        let moment = Duration::from_micros(random.below(250_000));
        let killer = std::thread::spawn(move || {
            std::thread::sleep(moment);
            child.kill().unwrap();
            child.wait().unwrap();
        });
        // What it says is read on meanwhile, so that it does not wait for a reader.
        let acked = lines.last().unwrap_or(working);
        killer.join().unwrap();
        let found = workload::check_all(dir.path(), 1).unwrap()[0];
        assert!(
            found >= acked,
            "batch {acked} was acknowledged, the store is at {found}"
        );
        assert!(found >= reached);
        reached = found;
    }
    assert!(
        reached >= ROUNDS * WORKING as i64,
        "the children went on where the last one was: {reached} batches"
    );
}

#[test]
fn a_directory_whose_making_was_killed_opens() {
    if let Some(dir) = given_directory() {
        say("acked 1");
        let stores = workload::open(&dir).unwrap();
        let store = stores.open(TABLE, 0).unwrap();
        workload::apply_up_to(&*store, 0, 3_000).unwrap();
    }
    let mut random = Random::new(2);
    for _ in 0..25 {
        let dir = tempfile::tempdir().unwrap();
        let mut child = start_child(
            "a_directory_whose_making_was_killed_opens",
            dir.path(),
            None,
        );
        // The child is killed in the middle of it, a moment after it has begun.
        let mut begun = String::new();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        while !begun.contains("acked") {
            begun.clear();
            assert!(
                output.read_line(&mut begun).unwrap() > 0,
                "the child did not begin"
            );
        }
        std::thread::sleep(Duration::from_micros(random.below(30_000)));
        child.kill().unwrap();
        child.wait().unwrap();
        workload::check_all(dir.path(), 1).unwrap();
    }
}

#[test]
fn a_full_disk_fails_writes_and_keeps_what_was_applied() {
    if let Some(dir) = given_directory() {
        let stores = workload::open(&dir).unwrap();
        let store = stores.open(TABLE, 0).unwrap();
        let mut failures = Vec::new();
        for n in workload::reached(&*store).unwrap() + 1..5_000 {
            match store.apply(&workload::batch(0, n), &workload::checkpoint(n)) {
                Ok(()) => say(&format!("acked {n}")),
                Err(failure) => failures.push(failure),
            }
            if failures.len() == 3 {
                break;
            }
        }
        // It fails, goes on failing in the same way, and what was there can be read.
        let [
            StoreError::Full(_),
            StoreError::Full(_),
            StoreError::Full(_),
        ] = &failures[..]
        else {
            panic!("{failures:?}");
        };
        workload::check_prefix(&*store, 0).unwrap();
        say("acked and read");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    {
        let stores = workload::open(dir.path()).unwrap();
        workload::apply_up_to(&*stores.open(TABLE, 0).unwrap(), 0, 20).unwrap();
    }
    // No file may grow past 100 KiB: for a process this is a disk that is full.
    let mut child = start_child(
        "a_full_disk_fails_writes_and_keeps_what_was_applied",
        dir.path(),
        Some("trap '' XFSZ; ulimit -f 200"),
    );
    let acked = acked(&mut child).last().unwrap_or(0);
    assert!(child.wait().unwrap().success());
    assert!(acked > 20, "the child hardly ran: {acked}");
    // With room again the store opens; the batch that failed may have got in whole.
    let found = workload::check_all(dir.path(), 1).unwrap()[0];
    assert!(
        (acked..=acked + 1).contains(&found),
        "{found} after {acked}"
    );
}

/// A copy of `original` whose newest journal ends at a random byte.
fn torn_copy(original: &Path, random: &mut Random) -> (tempfile::TempDir, fs::File) {
    let contents = fs::read(workload::newest_journal(original)).unwrap();
    let written = contents.iter().rposition(|&byte| byte != 0).unwrap() + 1;
    let copy = tempfile::tempdir().unwrap();
    workload::copy_dir(original, copy.path());
    let journal = workload::newest_journal(copy.path());
    let journal = fs::File::options().write(true).open(journal).unwrap();
    journal.set_len(random.below(written as u64)).unwrap();
    (copy, journal)
}

#[test]
fn a_torn_journal_gives_an_exact_prefix() {
    let original = workload::two_partitions();
    let mut random = Random::new(3);
    let mut shortened = 0;
    for _ in 0..30 {
        let (copy, _) = torn_copy(original.path(), &mut random);
        let reached = workload::check_all(copy.path(), 2).unwrap();
        shortened += usize::from(reached != [150, 150]);
    }
    assert!(shortened > 10, "cutting changed only {shortened} of 30");
}

#[test]
fn a_journal_that_ends_in_zeros_gives_an_exact_prefix_or_is_refused() {
    // As after a loss of power: the file's length was stored, its end was not.
    let original = workload::two_partitions();
    let mut random = Random::new(5);
    let mut opened = 0;
    for _ in 0..30 {
        let (copy, journal) = torn_copy(original.path(), &mut random);
        journal.set_len(64 << 20).unwrap();
        match workload::check_all(copy.path(), 2) {
            Ok(_) => opened += 1,
            // Where debug assertions are on, fjall has one that a torn header trips.
            Err(StoreError::Corrupt(_)) if cfg!(debug_assertions) => {}
            Err(other) => panic!("{other}"),
        }
    }
    assert!(opened > 5, "only {opened} of 30 opened");
}
