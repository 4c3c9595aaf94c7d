//! A regular expression over names of topics, as an automaton.
//!
//! As one it tells more than whether a name matches: whether there can be a name that two of them
//! match. The cut into sub-topologies needs that before any such topic exists.

use std::{collections::HashSet, error::Error};

use regex_automata::{
    Anchored,
    dfa::{Automaton as _, dense},
    nfa::thompson,
    util::{primitives::StateID, start, syntax},
};

/// The longest automaton that is made, in bytes; those of sensible patterns have some thousands.
const MAX_BYTES: usize = 4 << 20;

/// How many pairs of states are looked at until two patterns are taken to overlap.
const MAX_PAIRS: usize = 200_000;

/// Where a walk along a name begins.
type Walk = (dense::DFA<Vec<u32>>, StateID);

#[derive(Debug)]
pub(super) struct Automaton(Walk);

impl Automaton {
    /// The automaton of all names that match `text` as a whole, or what is wrong with it.
    pub(super) fn new(text: &str) -> Result<Self, String> {
        // Alone first: the words of a mistake are about what was written.
        build(text)?;
        let whole = build(&format!(r"\A(?:{text})\z"))?;
        let begin = start::Config::new().anchored(Anchored::Yes);
        let start = whole
            .start_state(&begin)
            .map_err(|error| error.to_string())?;
        Ok(Self((whole, start)))
    }

    pub(super) fn matches(&self, name: &str) -> bool {
        let Self((dfa, start)) = self;
        let end = name
            .bytes()
            .fold(*start, |state, byte| dfa.next_state(state, byte));
        is_end(dfa, end)
    }

    /// Whether both match some name; if that is too hard to tell, they do.
    pub(super) fn overlaps(&self, other: &Self) -> bool {
        let (Self((one, start)), Self((other, other_start))) = (self, other);
        let mut seen = HashSet::new();
        let mut next = vec![(*start, *other_start)];
        while let Some((a, b)) = next.pop() {
            for byte in name_bytes() {
                let pair = (one.next_state(a, byte), other.next_state(b, byte));
                if one.is_dead_state(pair.0) || other.is_dead_state(pair.1) || !seen.insert(pair) {
                    continue;
                }
                if is_end(one, pair.0) && is_end(other, pair.1) || seen.len() > MAX_PAIRS {
                    return true;
                }
                next.push(pair);
            }
        }
        false
    }
}

/// Whether a name may end in `state`.
fn is_end(dfa: &dense::DFA<Vec<u32>>, state: StateID) -> bool {
    dfa.is_match_state(dfa.next_eoi_state(state))
}

/// What names of topics are made of.
fn name_bytes() -> impl Iterator<Item = u8> {
    (0..=127_u8).filter(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(byte))
}

fn build(text: &str) -> Result<dense::DFA<Vec<u32>>, String> {
    dense::Builder::new()
        // Names of topics are ASCII.
        .syntax(syntax::Config::new().unicode(false).utf8(false))
        .thompson(thompson::Config::new().utf8(false))
        .configure(
            dense::Config::new()
                .start_kind(regex_automata::dfa::StartKind::Anchored)
                .dfa_size_limit(Some(MAX_BYTES))
                .determinize_size_limit(Some(MAX_BYTES)),
        )
        .build(text)
        .map_err(|error| innermost(&error))
}

/// What an error that others are wrapped around says.
fn innermost(error: &(dyn Error + 'static)) -> String {
    error.source().map_or_else(|| error.to_string(), innermost)
}

#[cfg(test)]
mod tests {
    use super::Automaton;

    fn automaton(text: &str) -> Automaton {
        Automaton::new(text).unwrap()
    }

    #[test]
    fn a_name_matches_as_a_whole_or_not_at_all() {
        let orders = automaton("orders|orders-(eu|us)");
        for (name, matches) in [
            ("orders", true),
            ("orders-eu", true),
            ("orders-eu-2", false),
            ("my-orders", false),
            ("", false),
        ] {
            assert_eq!(orders.matches(name), matches, "{name}");
        }
    }

    #[test]
    fn patterns_overlap_if_some_name_matches_both() {
        for (one, other, overlap) in [
            ("orders-.*", "orders-eu-.*", true),
            (".*-eu", "orders-.*", true),
            ("orders-.*", "clicks-.*", false),
            (r"orders-\d+", r"orders-[a-z]+", false),
            (r"orders-\d+", r"orders-\w{2}", true),
            ("a|b", "b|c", true),
            // In characters that no name has.
            ("a/b", "a/.", false),
        ] {
            let (one, other) = (automaton(one), automaton(other));
            assert_eq!(one.overlaps(&other), overlap, "{one:?} {other:?}");
            assert_eq!(other.overlaps(&one), overlap);
        }
    }

    #[test]
    fn what_is_no_pattern_is_told_with_its_place() {
        let mistake = Automaton::new("orders-(eu|us").unwrap_err();
        assert!(mistake.contains("unclosed group"), "{mistake}");
        let mistake = Automaton::new("(a|b){1000}{1000}").unwrap_err();
        assert!(mistake.contains("limit"), "{mistake}");
    }
}
