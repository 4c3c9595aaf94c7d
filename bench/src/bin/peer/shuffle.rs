//! The workload `shuffle`: records meet rules, and each rule keeps 32 bytes of state.

use std::sync::Arc;

use faustus::{Codec, CodecError, Raw, Timestamp, prelude::*};

use crate::{progress::Progress, rules::Rules};

/// How many records fill a rule's state, which is then sent and begun anew.
const FULL: i64 = 10;

/// The state of a rule.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RuleState {
    count: i64,
    /// Of the first words of the records; it may overflow.
    sum: i64,
    /// The time stamps of the first and the last record.
    first: i64,
    last: i64,
}

impl RuleState {
    /// Takes in a stamped record.
    fn add(&mut self, stamped: &[u8]) -> Result<(), CodecError> {
        let [time, word] = words(stamped)?;
        if self.count == 0 {
            self.first = time;
        }
        self.count += 1;
        self.sum = self.sum.wrapping_add(word);
        self.last = time;
        Ok(())
    }
}

/// Four big-endian numbers.
#[derive(Clone, Copy, Debug)]
struct BigEndian;

impl Codec<RuleState> for BigEndian {
    fn name(&self) -> &str {
        "big-endian"
    }

    fn encode(&self, state: &RuleState, out: &mut Vec<u8>) -> Result<(), CodecError> {
        for number in [state.count, state.sum, state.first, state.last] {
            out.extend_from_slice(&number.to_be_bytes());
        }
        Ok(())
    }

    fn decode(&self, bytes: &[u8]) -> Result<RuleState, CodecError> {
        let [count, sum, first, last] = words(bytes)?;
        Ok(RuleState {
            count,
            sum,
            first,
            last,
        })
    }
}

/// The big-endian numbers that bytes begin with.
fn words<const N: usize>(bytes: &[u8]) -> Result<[i64; N], CodecError> {
    let (words, _) = bytes.as_chunks();
    let words = words.first_chunk::<N>();
    let words = words.ok_or_else(|| CodecError::new(format!("less than {N} numbers")))?;
    Ok(words.map(i64::from_be_bytes))
}

#[derive(Clone)]
pub(crate) struct Shuffle {
    rules: Arc<Rules>,
    by_rule: Topic<Vec<u8>>,
    states: Table<String, RuleState>,
    progress: Arc<Progress>,
}

/// `shuffle`: sends each record to the rules that it matches, on `partitions` partitions.
pub(crate) fn shuffle(
    name: &str,
    input: &str,
    out: &str,
    partitions: u32,
    progress: Arc<Progress>,
) -> App<Shuffle> {
    let app = App::new(name);
    let records = app.topic(input).codec(Raw);
    let by_rule = app.topic(&format!("{name}-by-rule-repartition"));
    let by_rule = by_rule.codec(Raw).partitions(partitions);
    let full = app.topic(out).codec(BigEndian);
    let states = app.table("rule-states").codec(BigEndian);
    app.with_state(Shuffle {
        rules: Arc::new(Rules::new()),
        by_rule: by_rule.clone(),
        states: states.clone(),
        progress,
    })
    .agent("match", &records, |a| a.run(match_rules))
    .agent("keep-state", &by_rule, |a| {
        a.table(&states).sink(&full).run(keep_state)
    })
}

async fn match_rules(
    State(shuffle): State<Shuffle>,
    mut records: Stream<Vec<u8>>,
) -> faustus::Result {
    while let Some(record) = records.next().await? {
        shuffle.progress.begin();
        for rule in shuffle.rules.matching(&record) {
            let stamped = stamped(record.timestamp(), &record);
            record.send(&shuffle.by_rule, rule, &stamped)?;
            shuffle.progress.send_through();
        }
    }
    Ok(())
}

/// The time in 8 bytes, then the record.
fn stamped(time: Timestamp, record: &[u8]) -> Vec<u8> {
    [&time.0.to_be_bytes(), record].concat()
}

async fn keep_state(
    State(shuffle): State<Shuffle>,
    mut matched: Stream<Vec<u8>, RuleState>,
) -> faustus::Result {
    let states = matched.bind(&shuffle.states);
    while let Some(stamped) = matched.next().await? {
        let rule = std::str::from_utf8(stamped.key().unwrap_or_default())?;
        let mut state = states.get(rule)?.unwrap_or_default();
        state.add(&stamped)?;
        if state.count == FULL {
            stamped.reply(state);
            state = RuleState::default();
        }
        states.set(rule, state)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_counts_adds_up_and_keeps_the_first_and_the_last_time() {
        let mut state = RuleState::default();
        for (time, word) in [(7, i64::MAX), (8, 1), (9, 5)] {
            state
                .add(&stamped(Timestamp(time), &word.to_be_bytes()))
                .unwrap();
        }
        let expected = RuleState {
            count: 3,
            sum: i64::MIN + 5,
            first: 7,
            last: 9,
        };
        assert_eq!(state, expected);
    }

    #[test]
    fn a_state_is_32_bytes() {
        let state = RuleState {
            count: 1,
            sum: -2,
            first: 3,
            last: 4,
        };
        let mut bytes = Vec::new();
        BigEndian.encode(&state, &mut bytes).unwrap();
        assert_eq!(bytes.len(), 32);
        assert_eq!(BigEndian.decode(&bytes).unwrap(), state);
        assert!(BigEndian.decode(&bytes[..31]).is_err());
    }
}
