//! What the operating system knows of a thread: its number, and what it does. Linux alone tells.

use std::fs;

/// The number of the thread that asks, as debuggers show it.
pub(crate) fn current() -> Option<u32> {
    // A link such as `1234/task/1236`.
    let own = fs::read_link("/proc/thread-self").ok()?;
    own.file_name()?.to_str()?.parse().ok()
}

/// What a thread of this process does at this moment.
pub(crate) fn doing(number: u32) -> Option<String> {
    let about = |what: &str| fs::read_to_string(format!("/proc/self/task/{number}/{what}")).ok();
    let state = state(&about("stat")?)?;
    let waits_in = about("wchan").filter(|name| !name.is_empty() && name != "0");
    let waits_in = waits_in
        .map(|name| format!(" in {name}"))
        .unwrap_or_default();
    Some(match state {
        'R' => "computes".to_owned(),
        'D' => format!("waits for a disk{waits_in}"),
        'T' | 't' => "is stopped".to_owned(),
        _ => format!("waits{waits_in}"),
    })
}

/// The state in a line of `/proc/…/stat`: it comes after the name, which is in parentheses.
fn state(stat: &str) -> Option<char> {
    stat.rsplit_once(')')?.1.trim_start().chars().next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_state_stands_behind_the_name_whatever_that_is() {
        assert_eq!(state("12 (a) S b) R 1 2"), Some('R'));
        assert_eq!(state("12"), None);
    }

    #[test]
    #[cfg(target_os = "linux")]
    #[expect(
        clippy::disallowed_methods,
        reason = "real threads are what this is about"
    )]
    fn a_thread_that_waits_and_one_that_computes_are_told_apart() {
        let this = current().unwrap();
        assert_eq!(doing(this).as_deref(), Some("computes"));
        let (end, ended) = std::sync::mpsc::channel::<()>();
        let (tell, told) = std::sync::mpsc::channel();
        let waiting = std::thread::spawn(move || {
            tell.send(current().unwrap()).unwrap();
            let _ = ended.recv();
        });
        let other = told.recv().unwrap();
        let waits = || doing(other).is_some_and(|doing| doing.starts_with("waits"));
        while !waits() {
            std::thread::yield_now();
        }
        drop(end);
        waiting.join().unwrap();
    }
}
