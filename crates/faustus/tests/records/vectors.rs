//! Messages of Python's Faust, as they were captured.

use std::collections::BTreeSet;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::Deserialize;

/// A key and a value on a topic.
#[derive(Deserialize)]
pub(crate) struct Vector {
    pub(crate) what: String,
    key: Option<String>,
    key_b64: Option<String>,
    value: Option<String>,
    value_b64: Option<String>,
    /// Whether Faust takes it.
    #[serde(default)]
    pub(crate) accepted: bool,
}

impl Vector {
    pub(crate) fn key(&self) -> Option<Vec<u8>> {
        bytes(self.key.as_deref(), self.key_b64.as_deref())
    }

    pub(crate) fn value(&self) -> Option<Vec<u8>> {
        bytes(self.value.as_deref(), self.value_b64.as_deref())
    }
}

fn bytes(text: Option<&str>, base64: Option<&str>) -> Option<Vec<u8>> {
    match base64 {
        Some(base64) => Some(STANDARD.decode(base64).unwrap()),
        None => text.map(|text| text.as_bytes().to_vec()),
    }
}

/// A file of vectors, and which of them a test has looked at.
pub(crate) struct Vectors {
    records: Vec<Vector>,
    seen: BTreeSet<String>,
}

impl Vectors {
    pub(crate) fn of(json: &str) -> Self {
        #[derive(Deserialize)]
        struct File {
            records: Vec<Vector>,
        }
        let file: File = serde_json::from_str(json).unwrap();
        Self {
            records: file.records,
            seen: BTreeSet::new(),
        }
    }

    /// Calls `check` with all vectors that begin with `prefix`, or are called so if it ends in a full
    /// stop; there must be some.
    pub(crate) fn each(&mut self, prefix: &str, mut check: impl FnMut(&Vector)) {
        let before = self.seen.len();
        let picked = |vector: &&Vector| match prefix.strip_suffix('.') {
            Some(name) => vector.what == name,
            None => vector.what.starts_with(prefix),
        };
        for vector in self.records.iter().filter(picked) {
            assert!(
                self.seen.insert(vector.what.clone()),
                "{} twice",
                vector.what
            );
            check(vector);
        }
        assert!(self.seen.len() > before, "no vector {prefix}");
    }

    /// All vectors that begin with `prefix` have been looked at.
    pub(crate) fn check_all_seen(&self, prefix: &str) {
        let all = self.records.iter().map(|vector| &vector.what);
        let missed: Vec<_> = all
            .filter(|what| what.starts_with(prefix) && !self.seen.contains(*what))
            .collect();
        assert!(missed.is_empty(), "not looked at: {missed:?}");
    }
}
