//! Owns the files of a new cluster. Guarantees that all nodes are formatted alike, with the
//! features of the release switched on, at the price of one run of Kafka's storage tool.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::java::Jvm;
use crate::{Error, random};

/// Brokers write warnings, and one line when they have started, to their standard output.
const LOG4J: &str = "\
rootLogger.level = WARN
rootLogger.appenderRef.console.ref = console
appender.console.type = Console
appender.console.name = console
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = %d %p %c - %m%n
logger.server.name = kafka.server.KafkaRaftServer
logger.server.level = INFO
";

/// What the storage tool writes: the features of the cluster, the same for every node, ...
const FEATURES: &str = "bootstrap.checkpoint";
/// ... and who the node is.
const IDENTITY: &str = "meta.properties";

/// The paths of one node below the cluster's directory.
#[derive(Debug)]
pub(crate) struct Paths {
    pub(crate) dir: PathBuf,
    pub(crate) data: PathBuf,
    pub(crate) properties: PathBuf,
    pub(crate) log: PathBuf,
}

/// Where the files of `node` are.
pub(crate) fn paths(root: &Path, node: usize) -> Paths {
    let dir = root.join(format!("node-{node}"));
    Paths {
        data: dir.join("data"),
        properties: dir.join("server.properties"),
        log: dir.join("log"),
        dir,
    }
}

/// Writes the log4j configuration and says where.
pub(crate) fn log4j(root: &Path) -> Result<PathBuf, Error> {
    let file = root.join("log4j2.properties");
    write(&file, LOG4J)?;
    Ok(file)
}

/// Writes a file, with the directories it is in.
pub(crate) fn write(file: &Path, text: &str) -> Result<(), Error> {
    if let Some(dir) = file.parent() {
        fs::create_dir_all(dir).map_err(Error::path("create", dir))?;
    }
    fs::write(file, text).map_err(Error::path("write", file))
}

/// Formats the data of `nodes` nodes, whose properties are written, for the cluster `id`.
pub(crate) fn format(root: &Path, nodes: usize, id: &str, jvm: &Jvm) -> Result<(), Error> {
    let first = paths(root, 1);
    let args = ["format", "-t", id, "-c"].map(Path::new);
    let args = [&args[..], &[&first.properties]].concat();
    let line = jvm.command(
        128,
        "kafka.tools.StorageTool",
        &["-XX:TieredStopAtLevel=1"],
        &args,
    );
    let out = Command::new(&line[0])
        .args(&line[1..])
        .stdin(Stdio::null())
        .output()
        .map_err(Error::io("run java"))?;
    if !out.status.success() {
        let output = [out.stdout, out.stderr].concat();
        return Err(Error::Format {
            output: String::from_utf8_lossy(&output).into_owned(),
        });
    }
    for node in 2..=nodes {
        let data = paths(root, node).data;
        let directory = random::uuid();
        write(
            &data.join(IDENTITY),
            &format!("version=1\ncluster.id={id}\nnode.id={node}\ndirectory.id={directory}\n"),
        )?;
        fs::copy(first.data.join(FEATURES), data.join(FEATURES))
            .map_err(Error::path("copy to", &data))?;
    }
    Ok(())
}
