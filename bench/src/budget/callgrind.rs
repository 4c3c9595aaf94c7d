//! Counting instructions with callgrind, a part of valgrind, and reading what it wrote: what each
//! instruction cost, and who called whom.

use std::{collections::HashMap, fs, path::Path, process::Command};

use anyhow::{Context, Result, ensure};

/// At the calls of these functions callgrind writes down what it counted since the time before, of all
/// threads: what is measured is between them.
const MARKS: [&str; 2] = [
    "bench::measure::Meter::start",
    "bench::figures::Taken::since",
];

/// What was counted between the marks.
#[derive(Debug, Default)]
pub(crate) struct Profile {
    pub(crate) functions: Vec<Function>,
    /// The files of programs and libraries.
    pub(crate) objects: Vec<String>,
}

#[derive(Debug)]
pub(crate) struct Function {
    pub(crate) name: String,
    /// Its place among the objects.
    pub(crate) object: usize,
    /// Addresses in the object, and how many instructions were executed there.
    pub(crate) own: Vec<(u64, u64)>,
    pub(crate) calls: Vec<Call>,
}

#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) from: u64,
    /// Its place among the functions.
    pub(crate) to: usize,
    /// How many instructions were executed until it came back.
    pub(crate) cost: u64,
}

/// The version of valgrind.
pub(crate) fn version() -> Result<String> {
    let output = Command::new("valgrind").arg("--version").output();
    let output =
        output.context("valgrind is missing; on Debian and Ubuntu: apt-get install valgrind")?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// The command that counts `program`, to which its arguments are to be added.
pub(crate) fn command(program: &Path, parts: &Path) -> Command {
    let mut command = Command::new("valgrind");
    command.args(["--tool=callgrind", "--quiet", "--fair-sched=yes"]);
    command.args(["--dump-instr=yes", "--dump-line=no"]);
    command.args(["--compress-strings=no", "--compress-pos=no"]);
    command.args(MARKS.map(|mark| format!("--dump-before={mark}")));
    command.arg(format!("--callgrind-out-file={}", parts.display()));
    command.arg(program);
    command
}

/// What was counted between the marks, of a command with these `parts`.
pub(crate) fn read(parts: &Path) -> Result<Profile> {
    // Each mark ends a part: the first is what was before, the second what counts.
    let second = parts.with_extension("2");
    let text = fs::read_to_string(&second);
    let text = text.with_context(|| format!("callgrind saw no marks: no {}", second.display()))?;
    parse(&text).with_context(|| second.display().to_string())
}

/// A file is `key=value` lines that say where what follows belongs, and lines `address cost`; the one
/// after `calls=` is the cost of the call.
fn parse(text: &str) -> Result<Profile> {
    let mut parser = Parser::default();
    let mut total = None;
    for line in text.lines() {
        if line.starts_with("0x") {
            parser.cost(line)?;
        } else if let Some((key, value)) = line.split_once('=') {
            parser.place(key, value);
        } else if let Some(summary) = line.strip_prefix("summary:") {
            total = Some(summary.trim().parse::<u64>()?);
        }
    }
    let own = parser.profile.functions.iter().flat_map(|f| &f.own);
    let counted: u64 = own.map(|(_, cost)| cost).sum();
    ensure!(
        total == Some(counted),
        "{counted} instructions of {total:?}"
    );
    Ok(parser.profile)
}

#[derive(Default)]
struct Parser<'a> {
    profile: Profile,
    objects: HashMap<&'a str, usize>,
    functions: HashMap<(usize, &'a str), usize>,
    object: usize,
    function: usize,
    called_object: Option<usize>,
    called: Option<usize>,
    is_call: bool,
}

impl<'a> Parser<'a> {
    fn place(&mut self, key: &str, value: &'a str) {
        match key {
            "ob" => self.object = self.object(value),
            "cob" => self.called_object = Some(self.object(value)),
            "fn" => self.function = self.function(self.object, value),
            "cfn" => {
                let object = self.called_object.take().unwrap_or(self.object);
                self.called = Some(self.function(object, value));
            }
            "calls" => self.is_call = true,
            _ => {}
        }
    }

    fn cost(&mut self, line: &str) -> Result<()> {
        let mut numbers = line.split_ascii_whitespace();
        let address = numbers.next().and_then(|text| text.strip_prefix("0x"));
        let address = u64::from_str_radix(address.context("no address")?, 16)?;
        let cost = numbers.next().context("no cost")?.parse()?;
        let called = self.called;
        let function = self.profile.functions.get_mut(self.function);
        let function = function.context("a cost of no function")?;
        if std::mem::take(&mut self.is_call) {
            let to = called.context("a call of no function")?;
            let from = address;
            function.calls.push(Call { from, to, cost });
        } else {
            function.own.push((address, cost));
        }
        Ok(())
    }

    fn object(&mut self, name: &'a str) -> usize {
        *self.objects.entry(name).or_insert_with(|| {
            self.profile.objects.push(name.to_owned());
            self.profile.objects.len() - 1
        })
    }

    fn function(&mut self, object: usize, name: &'a str) -> usize {
        let functions = &mut self.profile.functions;
        *self.functions.entry((object, name)).or_insert_with(|| {
            functions.push(Function {
                name: name.to_owned(),
                object,
                own: Vec::new(),
                calls: Vec::new(),
            });
            functions.len() - 1
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
events: Ir
summary: 17

ob=/bin/bench
fl=lib.rs
fn=work
0x10 5
cob=/lib/libc.so
cfi=malloc.c
cfn=malloc
calls=3 0x90
0x12 7
0x14 2
fi=other.rs
0x16 3

ob=/lib/libc.so
fl=malloc.c
fn=malloc
0x90 7
";

    #[test]
    fn a_profile_tells_own_costs_and_calls_of_each_function() {
        let profile = parse(TEXT).unwrap();
        let [work, malloc] = &profile.functions[..] else {
            panic!("{profile:?}");
        };
        assert_eq!(work.own, [(0x10, 5), (0x14, 2), (0x16, 3)]);
        let calls: Vec<_> = work.calls.iter().map(|c| (c.from, c.to, c.cost)).collect();
        assert_eq!(calls, [(0x12, 1, 7)]);
        assert_eq!((&*malloc.name, &*malloc.own), ("malloc", &[(0x90, 7)][..]));
        assert_eq!(profile.objects[malloc.object], "/lib/libc.so");
    }

    #[test]
    fn a_profile_that_does_not_add_up_is_refused() {
        assert!(parse(&TEXT.replace("summary: 17", "summary: 18")).is_err());
    }
}
