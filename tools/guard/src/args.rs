//! The command line.

use clap::Parser;

/// Counts instructions and allocations per event of the hot paths, and compares them with the baseline
/// in the repository. Exits with 1 if one takes more than it may.
#[derive(Debug, Parser)]
#[command(name = "guard")]
pub(crate) struct Args {
    /// Only these paths; without, all.
    pub(crate) paths: Vec<String>,
    /// Take what is counted now as the baseline.
    #[arg(long)]
    pub(crate) bless: bool,
    /// Say what the paths are.
    #[arg(long, conflicts_with = "bless")]
    pub(crate) list: bool,
    /// Do what this path does, for callgrind to count it.
    #[arg(long, hide = true, value_name = "PATH")]
    pub(crate) run: Option<String>,
}
