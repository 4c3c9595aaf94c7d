//! What workers say in their log about stores and about what they leave behind, for tests that look for
//! a reason there.
//!
//! One listener hears all tests of a binary: one per thread would not do, as the first thread without
//! any that comes to say something silences it for the others too. So a test looks for a name or a
//! path that is its own.

use std::{io, sync::Once};

use parking_lot::Mutex;

static SAID: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// From now on what is said is kept.
pub(crate) fn listen() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        tracing_subscriber::fmt()
            .with_env_filter(
                "off,faustus::worker=warn,faustus::runtime::recovery=warn,faustus::runtime::jobs=warn,\
                 faustus::runtime::services=warn,faustus::runtime::background=warn,\
                 faustus::runtime::thread::running=warn,faustus::runtime::lane=warn",
            )
            .with_ansi(false)
            .with_writer(|| Ear)
            .init();
        // What other tests have said before, nobody wanted to hear.
        tracing::callsite::rebuild_interest_cache();
    });
}

/// Somebody has said something with all of `parts` in it.
pub(crate) fn check(parts: &[&str]) {
    let said = SAID.lock();
    let is_it = |text: &String| parts.iter().all(|part| text.contains(part));
    let about: Vec<_> = said.iter().filter(|text| text.contains(parts[0])).collect();
    assert!(
        said.iter().any(is_it),
        "not said: {parts:?}, but: {about:?}"
    );
}

struct Ear;

impl io::Write for Ear {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        SAID.lock().push(String::from_utf8_lossy(text).into_owned());
        Ok(text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
