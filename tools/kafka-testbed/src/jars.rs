//! Owns the cache of Kafka's jars. Guarantees that a returned directory is complete: it is filled
//! under another name and renamed, by one process at a time.

use std::env;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::java;
use crate::{Error, VERSION};

/// The list of jars, for Maven.
const POM: &str = include_str!("../pom.xml");

/// Written last into a directory of jars.
const COMPLETE: &str = ".complete";

/// The directory for everything the testbed keeps from one run to the next.
pub(crate) fn cache() -> Result<PathBuf, Error> {
    let set = |name| {
        env::var_os(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    let dir = set("KAFKA_TESTBED_CACHE")
        .or_else(|| set("HOME").map(|home| home.join(".cache").join("kafka-testbed")))
        .ok_or(Error::NoCache)?;
    fs::create_dir_all(&dir).map_err(Error::path("create", &dir))?;
    dir.canonicalize().map_err(Error::path("find", &dir))
}

/// Makes sure the jars of Kafka [`VERSION`] are in the cache and says where.
///
/// # Errors
///
/// Without Java or Maven, when Maven cannot resolve a jar, and when the cache cannot be written.
pub fn resolve_jars() -> Result<PathBuf, Error> {
    let cache = cache()?;
    let dir = cache.join(VERSION);
    if is_complete(&dir) {
        return Ok(dir);
    }
    let path = cache.join(format!("{VERSION}.lock"));
    let lock = File::create(&path).map_err(Error::path("create", &path))?;
    lock.lock().map_err(Error::path("lock", &path))?;
    if !is_complete(&dir) {
        fill(&cache, &dir)?;
    }
    Ok(dir)
}

fn is_complete(dir: &Path) -> bool {
    dir.join(COMPLETE).exists() && dir.join(format!("kafka_2.13-{VERSION}.jar")).exists()
}

/// Resolves the jars into a new directory, then gives it the name `dir`.
fn fill(cache: &Path, dir: &Path) -> Result<(), Error> {
    java::java()?;
    let mvn = java::find("mvn")?;
    let work = tempfile::Builder::new()
        .prefix(".resolving-")
        .tempdir_in(cache)
        .map_err(Error::path("create a directory in", cache))?;
    let pom = work.path().join("pom.xml");
    fs::write(&pom, POM).map_err(Error::path("write", &pom))?;
    let out = Command::new(&mvn)
        .args([
            "-q",
            "-B",
            "dependency:copy-dependencies",
            "-DincludeScope=runtime",
            "-f",
        ])
        .arg(&pom)
        .arg(format!("-Dkafka.version={VERSION}"))
        .arg(format!("-DoutputDirectory={}", work.path().display()))
        .current_dir(work.path())
        .stdin(Stdio::null())
        .output()
        .map_err(Error::path("run", &mvn))?;
    if !out.status.success() {
        let output = [out.stdout, out.stderr].concat();
        return Err(Error::Maven {
            version: VERSION,
            output: String::from_utf8_lossy(&output).into_owned(),
        });
    }
    fs::write(work.path().join(COMPLETE), "").map_err(Error::path("write to", work.path()))?;
    if dir.exists() {
        fs::remove_dir_all(dir).map_err(Error::path("remove", dir))?;
    }
    fs::rename(work.path(), dir).map_err(Error::path("create", dir))
}
