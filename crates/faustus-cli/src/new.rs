//! `new`: begins a project. What it gets are the files in `template`, with its name in the place of `project-name`.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use clap::Args;
use faustus::__command::output::say;

use crate::{Result, failed, told};

/// Where a file goes, and its text.
const FILES: &[(&str, &str)] = &[
    ("Cargo.toml", include_str!("../template/Cargo.toml.in")),
    ("src/main.rs", include_str!("../template/src/main.rs")),
    ("src/tests.rs", include_str!("../template/src/tests.rs")),
    ("faustus.toml", include_str!("../template/faustus.toml")),
    ("README.md", include_str!("../template/README.md")),
    (".gitignore", include_str!("../template/gitignore")),
];

/// Names that a package cannot have, or that would hide a crate that it needs.
const TAKEN: &[&str] = &[
    "alloc",
    "as",
    "async",
    "await",
    "break",
    "const",
    "continue",
    "core",
    "crate",
    "dyn",
    "else",
    "enum",
    "extern",
    "false",
    "faustus",
    "fn",
    "for",
    "gen",
    "if",
    "impl",
    "in",
    "let",
    "loop",
    "match",
    "mod",
    "move",
    "mut",
    "proc_macro",
    "pub",
    "ref",
    "return",
    "self",
    "serde",
    "static",
    "std",
    "struct",
    "super",
    "test",
    "trait",
    "true",
    "type",
    "unsafe",
    "use",
    "where",
    "while",
    "abstract",
    "become",
    "box",
    "do",
    "final",
    "macro",
    "override",
    "priv",
    "try",
    "typeof",
    "unsized",
    "virtual",
    "yield",
    "build",
    "deps",
    "examples",
    "incremental",
];

/// Begin a project that builds, tests and runs at once
#[derive(Args, Debug)]
#[command(after_help = "\
Makes the directory NAME with a small application: an agent, a table, a timer, a test of the whole
on virtual time, and settings. Its README.md says what to run. Nothing that exists is touched.")]
pub(crate) struct NewArgs {
    /// The name of the project, its directory and its application
    #[arg(value_name = "NAME", value_parser = name)]
    name: String,
    /// Take faustus from a checkout of its sources in this directory
    #[arg(long, value_name = "DIR")]
    path: Option<PathBuf>,
}

pub(crate) fn run(args: &NewArgs) -> Result {
    let faustus = match &args.path {
        None => format!("version = {:?}", env!("CARGO_PKG_VERSION")),
        Some(checkout) => format!("path = {}", in_checkout(checkout)?),
    };
    let root = Path::new(&args.name);
    match fs::create_dir(root) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            return told(format!(
                "{} exists already: choose another name, or remove it",
                root.display()
            ));
        }
        Err(error) => return told(format!("{} cannot be made: {error}", root.display())),
    }
    if let Err(error) = write(root, &args.name, &faustus) {
        // Nobody else can have put anything there that matters: it is some milliseconds old.
        let _ = fs::remove_dir_all(root);
        return told(format!("{} cannot be written: {error}", root.display()));
    }
    say(&format!(
        "made {name}; now: cd {name}, cargo test, cargo run -- worker",
        name = args.name
    ));
    Ok(())
}

fn write(root: &Path, name: &str, faustus: &str) -> io::Result<()> {
    fs::create_dir(root.join("src"))?;
    for (path, text) in FILES {
        let text = text
            .replace("project-name", name)
            .replace("{ FAUSTUS", &format!("{{ {faustus}"));
        fs::write(root.join(path), text)?;
    }
    Ok(())
}

/// The absolute path of the crate in a checkout, as TOML has it.
fn in_checkout(checkout: &Path) -> Result<String> {
    let wrong = |wrong: &str| failed(format!("--path {}: {wrong}", checkout.display()));
    let path = checkout.join("crates/faustus");
    if !path.join("Cargo.toml").is_file() {
        return Err(wrong(
            "there is no crates/faustus/Cargo.toml; name the root of a checkout",
        ));
    }
    let path = fs::canonicalize(path).map_err(|error| wrong(&error.to_string()))?;
    match path.to_str() {
        // A text of JSON is one of TOML.
        Some(path) => Ok(serde_json::Value::from(path).to_string()),
        None => Err(wrong(
            "its path is no Unicode text, which Cargo.toml must be",
        )),
    }
}

/// Checks the name of a project: it is the name of a package, of a directory and of an application.
fn name(name: &str) -> Result<String, String> {
    let mut chars = name.chars();
    let begins = chars.next().is_some_and(|first| first.is_ascii_lowercase());
    let goes_on = chars.all(|char| {
        char.is_ascii_lowercase() || char.is_ascii_digit() || char == '-' || char == '_'
    });
    if !begins || !goes_on || name.len() > 64 {
        return Err(
            "a name begins with a letter and has up to 64 of a-z, 0-9, - and _, such as word-count"
                .to_owned(),
        );
    }
    if TAKEN.contains(&name) {
        return Err("this name has a meaning in Rust or of its crates: choose another".to_owned());
    }
    Ok(name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_suits_package_directory_and_application() {
        for good in ["bank", "word-count", "a", "b2_c"] {
            assert_eq!(name(good).as_deref(), Ok(good));
        }
        for bad in [
            "", "2bank", "-a", "Bank", "a/b", "..", "a b", "é", "test", "faustus", "fn",
        ] {
            assert!(name(bad).is_err(), "{bad}");
        }
        assert!(name(&"a".repeat(65)).is_err());
    }

    #[test]
    fn a_template_has_no_place_that_is_not_filled() {
        let root = std::env::temp_dir().join(format!("faustus-new-{}", std::process::id()));
        fs::create_dir(&root).unwrap();
        write(&root, "bank", "version = \"1\"").unwrap();
        for (path, _) in FILES {
            let text = fs::read_to_string(root.join(path)).unwrap();
            let left = text.contains("project-name") || text.contains("{ FAUSTUS");
            assert!(!left, "{path}");
        }
        fs::remove_dir_all(&root).unwrap();
    }
}
