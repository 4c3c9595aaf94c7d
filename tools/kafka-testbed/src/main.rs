//! The command `kafka-testbed`. Owns its arguments; guarantees that standard output has the
//! result alone and that the cluster ends with the command.

use std::io::{self, Write};
use std::process::ExitCode;

use kafka_testbed::{Cluster, ClusterBuilder};

const USAGE: &str = "\
usage: kafka-testbed run [--nodes N] [--heap MB] [--set KEY=VALUE]...
       kafka-testbed jars

run   starts Kafka on loopback, prints its bootstrap address as one line, and
      runs until standard input closes or Ctrl-C; --set sets a broker property
jars  makes sure Kafka's jars are in the cache and prints the directory
";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let result = match args
        .iter()
        .map(String::as_str)
        .collect::<Vec<_>>()
        .as_slice()
    {
        ["run", options @ ..] => match parse(options) {
            Ok(builder) => run(builder),
            Err(message) => return complain(&format!("{message}\n\n{USAGE}"), 2),
        },
        ["jars"] => jars(),
        ["help" | "--help" | "-h"] => print(USAGE),
        _ => return complain(USAGE, 2),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => complain(&format!("kafka-testbed: {error}\n"), 1),
    }
}

type Failure = Box<dyn std::error::Error>;

fn parse(options: &[&str]) -> Result<ClusterBuilder, String> {
    let mut builder = Cluster::builder();
    for pair in options.chunks(2) {
        let &[option, value] = pair else {
            return Err(format!("`{}` needs a value", pair[0]));
        };
        let number = || {
            value
                .parse()
                .map_err(|_| format!("`{value}` is not a number"))
        };
        builder = match option {
            "--nodes" => builder.nodes(number()?),
            "--heap" => builder.heap_mb(number()?),
            "--set" => {
                let property = value.split_once('=');
                let (key, value) = property.ok_or_else(|| format!("`{value}` has no `=`"))?;
                builder.property(key, value)
            }
            _ => return Err(format!("unknown option `{option}`")),
        };
    }
    Ok(builder)
}

fn run(builder: ClusterBuilder) -> Result<(), Failure> {
    let cluster = builder.start()?;
    print(&format!("{}\n", cluster.bootstrap()))?;
    io::copy(&mut io::stdin(), &mut io::sink())?;
    Ok(())
}

fn jars() -> Result<(), Failure> {
    let dir = kafka_testbed::resolve_jars()?;
    print(&format!("{}\n", dir.display()))
}

fn print(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout();
    out.write_all(text.as_bytes())?;
    Ok(out.flush()?)
}

fn complain(text: &str, code: u8) -> ExitCode {
    // There is nowhere left to report that standard error is closed.
    let _ = io::stderr().write_all(text.as_bytes());
    ExitCode::from(code)
}
