//! Owns how programs are found and how a JVM is called. Guarantees that a missing program, or a
//! Java that cannot run Kafka, is an error that says what to install.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{self, Path, PathBuf};
use std::process::{Command, Stdio};

use crate::Error;

/// The oldest Java that runs a Kafka 4 broker.
const OLDEST: u32 = 17;

/// The full path of `program`.
pub(crate) fn find(program: &'static str) -> Result<PathBuf, Error> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .map(|dir| dir.join(program))
        .find(|file| {
            fs::metadata(file).is_ok_and(|m| m.is_file() && m.permissions().mode() & 0o111 != 0)
        })
        .ok_or(Error::Missing { program })
        .and_then(|file| path::absolute(&file).map_err(Error::path("find", &file)))
}

/// The full path of a Java that is new enough.
pub(crate) fn java() -> Result<PathBuf, Error> {
    let java = find("java")?;
    let out = Command::new(&java)
        .arg("-version")
        .stdin(Stdio::null())
        .output()
        .map_err(Error::path("run", &java))?;
    let text = String::from_utf8_lossy(&out.stderr);
    match major(&text) {
        Some(version) if version >= OLDEST => Ok(java),
        _ => Err(Error::Java {
            found: text.lines().next().unwrap_or("no answer").to_owned(),
        }),
    }
}

/// The major version in the answer of `java -version`; 1 for the old `1.8.0` numbering.
fn major(answer: &str) -> Option<u32> {
    let (_, rest) = answer.split_once("version \"")?;
    rest.split(|c: char| !c.is_ascii_digit())
        .next()?
        .parse()
        .ok()
}

/// How to call a JVM on the jars of Kafka.
#[derive(Debug, Clone)]
pub(crate) struct Jvm {
    /// The `java` program.
    pub(crate) java: PathBuf,
    /// The directory with the jars.
    pub(crate) jars: PathBuf,
    /// The log4j configuration.
    pub(crate) log4j: PathBuf,
}

impl Jvm {
    /// The command line, `java` first, that runs `main` with at most `heap_mb` of heap.
    pub(crate) fn command(
        &self,
        heap_mb: usize,
        main: &str,
        options: &[&str],
        args: &[&Path],
    ) -> Vec<OsString> {
        let mut log4j = OsString::from("-Dlog4j2.configurationFile=");
        log4j.push(&self.log4j);
        let mut line: Vec<OsString> = vec![
            self.java.clone().into(),
            format!("-Xmx{heap_mb}m").into(),
            format!("-Xms{}m", heap_mb.min(128)).into(),
            "-XX:+UseSerialGC".into(),
            "-XX:-UsePerfData".into(),
            log4j,
        ];
        line.extend(options.iter().map(OsString::from));
        line.extend(["-cp".into(), self.jars.join("*").into(), main.into()]);
        line.extend(args.iter().map(OsString::from));
        line
    }
}

#[cfg(test)]
mod tests {
    use super::major;

    #[test]
    fn reads_the_version_of_java() {
        assert_eq!(major("openjdk version \"17.0.15\" 2025-04-15"), Some(17));
        assert_eq!(
            major("Picked up X: -ea\nopenjdk version \"25\" 2025-09-16"),
            Some(25)
        );
        assert_eq!(major("java version \"1.8.0_402\""), Some(1));
        assert_eq!(major("command not found"), None);
    }
}
