//! The baseline: what each path took when somebody last said that it may.

use std::{collections::BTreeMap, env, fs};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::callgrind::{self, Counts};

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/baseline.json");

/// What is in the file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Baseline {
    /// Figures of one architecture say nothing of another.
    pub(crate) architecture: String,
    /// The version that counted.
    pub(crate) valgrind: String,
    /// What an event takes.
    pub(crate) paths: BTreeMap<String, Counts>,
}

impl Baseline {
    /// One for this machine, without any path.
    pub(crate) fn here() -> Result<Self> {
        Ok(Self {
            architecture: env::consts::ARCH.to_owned(),
            valgrind: callgrind::version()?,
            paths: BTreeMap::new(),
        })
    }

    pub(crate) fn read() -> Result<Self> {
        let text = fs::read_to_string(FILE).context(FILE)?;
        serde_json::from_str(&text).context(FILE)
    }

    /// Writes it, without digits that differ at each run.
    pub(crate) fn write(&mut self) -> Result<()> {
        for counts in self.paths.values_mut() {
            counts.instructions = (counts.instructions * 10.0).round() / 10.0;
            counts.allocations = (counts.allocations * 1000.0).round() / 1000.0;
        }
        let text = serde_json::to_string_pretty(self)? + "\n";
        fs::write(FILE, text).context(FILE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::paths::PATHS;

    #[test]
    fn the_baseline_has_all_paths_and_no_other() {
        let baseline = Baseline::read().unwrap();
        let mut names: Vec<_> = PATHS.iter().map(|path| path.name).collect();
        names.sort_unstable();
        assert!(baseline.paths.keys().eq(&names));
    }
}
