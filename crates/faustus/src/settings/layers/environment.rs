//! The layer of the environment: `FAUSTUS_COMMIT_INTERVAL` and its like.

use std::{ffi::OsStr, path::PathBuf};

use super::Surroundings;
use crate::{near::nearest, settings::catalogue::CATALOGUE};

/// What the names of all variables of settings begin with.
const PREFIX: &str = "FAUSTUS_";

/// The variable that names the file of settings.
const CONFIG: &str = "FAUSTUS_CONFIG";

/// The variable that programs with `tracing` read by custom.
pub(super) const RUST_LOG: &str = "RUST_LOG";

/// What the environment says.
#[derive(Default)]
pub(super) struct Variables {
    /// Values by the places of their settings in the catalogue.
    pub(super) values: Vec<(usize, String)>,
    /// The file to read.
    pub(super) config: Option<PathBuf>,
    /// What `RUST_LOG` says.
    pub(super) rust_log: Option<String>,
    pub(super) mistakes: Vec<String>,
}

impl Variables {
    /// Reads the variables of settings. One that is empty says nothing.
    pub(super) fn of(surroundings: &Surroundings) -> Self {
        let names: Vec<String> = CATALOGUE.iter().map(|setting| setting.variable()).collect();
        let mut read = Self::default();
        for (variable, value) in &surroundings.environment {
            let variable = variable.to_string_lossy();
            if variable == RUST_LOG && !value.is_empty() {
                read.rust_log = value.to_str().map(str::to_owned);
            }
            if !variable.starts_with(PREFIX)
                || value.is_empty()
                || is_of_a_service(&variable, value)
            {
                continue;
            }
            if variable == CONFIG {
                read.config = Some(PathBuf::from(value));
                continue;
            }
            match (
                names.iter().position(|name| *name == variable),
                value.to_str(),
            ) {
                (Some(index), Some(value)) => read.values.push((index, value.to_owned())),
                (Some(_), None) => read
                    .mistakes
                    .push(format!("{variable}: it is not UTF-8; write it anew")),
                (None, _) => {
                    let names = names.iter().map(String::as_str).chain([CONFIG]);
                    // What all have in common makes none of them near.
                    let near = nearest(
                        &variable[PREFIX.len()..],
                        names.filter_map(|name| name.strip_prefix(PREFIX)),
                    );
                    let remedy = near.map_or_else(
                        || "; unset it".to_owned(),
                        |near| format!(": did you mean \"{PREFIX}{near}\"?"),
                    );
                    read.mistakes
                        .push(format!("{variable}: there is no such setting{remedy}"));
                }
            }
        }
        // The environment has no order of its own.
        read.values.sort_unstable_by_key(|(index, _)| *index);
        read.mistakes.sort_unstable();
        read
    }
}

/// Kubernetes tells every process of its services, one that is called `faustus` among them.
fn is_of_a_service(variable: &str, value: &OsStr) -> bool {
    let value = value.to_str().unwrap_or_default();
    let is_address = ["tcp://", "udp://", "sctp://"]
        .iter()
        .any(|scheme| value.starts_with(scheme));
    let has = |part: &str| variable.ends_with(part) || variable.contains(&format!("{part}_"));
    let begins_with_digit = |rest: &str| rest.starts_with(|first: char| first.is_ascii_digit());
    has("_SERVICE_HOST")
        || has("_SERVICE_PORT")
        || variable.ends_with("_PORT") && is_address
        || variable
            .split_once("_PORT_")
            .is_some_and(|(_, port)| begins_with_digit(port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_of_services_are_told_from_settings() {
        let service = |variable, value| is_of_a_service(variable, OsStr::new(value));
        assert!(service("FAUSTUS_SERVICE_HOST", "10.0.0.1"));
        assert!(service("FAUSTUS_WEB_SERVICE_PORT", "80"));
        assert!(service("FAUSTUS_SERVICE_PORT_HTTP", "80"));
        assert!(service("FAUSTUS_PORT", "tcp://10.0.0.1:80"));
        assert!(service("FAUSTUS_PORT_80_TCP_ADDR", "10.0.0.1"));
        assert!(!service("FAUSTUS_PORT", "80"));
        assert!(!service("FAUSTUS_LOG", "memory://"));
    }
}
