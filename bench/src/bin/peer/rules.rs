//! The rules of `shuffle`: 1,000, each of which matches one record in 5,000.
//!
//! A record is a point on a ring of 2^63, `mix(a + mix(b))`, where a and b are its first two 8-byte
//! words (big-endian) and `mix` is the finalizer of SplitMix64. Rule r is an arc of 2^63 / 5000
//! points from the r-th output of SplitMix64 (seed 0) on.

/// How many rules there are.
const COUNT: u16 = 1000;
/// A mask that takes numbers modulo 2^63.
const RING: u64 = u64::MAX >> 1;
const WIDTH: u64 = (1 << 63) / 5000;
/// The ring is looked up in 2^16 equal slots.
const SLOT_SHIFT: u32 = 63 - 16;

/// A rule: the key of its records, and where it starts.
#[derive(Debug)]
struct Rule {
    key: String,
    start: u64,
}

/// All rules, ready to be looked up.
#[derive(Debug)]
pub(crate) struct Rules {
    rules: Vec<Rule>,
    /// The rules that touch each slot of the ring.
    slots: Vec<Vec<u16>>,
}

impl Rules {
    pub(crate) fn new() -> Self {
        let rules = (0..COUNT).map(|r| Rule {
            key: format!("rule-{r}"),
            start: mix((u64::from(r) + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15)) & RING,
        });
        let rules: Vec<_> = rules.collect();
        let mut slots = vec![Vec::new(); 1 << 16];
        for (r, rule) in (0..).zip(&rules) {
            let last = slot(rule.start + WIDTH - 1);
            let mut at = slot(rule.start);
            slots[at].push(r);
            while at != last {
                at = (at + 1) % slots.len();
                slots[at].push(r);
            }
        }
        Self { rules, slots }
    }

    /// The keys of the rules that match a record; none if it is shorter than two words.
    pub(crate) fn matching(&self, record: &[u8]) -> impl Iterator<Item = &str> {
        let point = point(record);
        let near = point.map_or(&[][..], |point| &self.slots[slot(point)]);
        near.iter().filter_map(move |&r| {
            let rule = &self.rules[usize::from(r)];
            (point?.wrapping_sub(rule.start) & RING < WIDTH).then_some(&*rule.key)
        })
    }
}

/// Where a record is on the ring.
fn point(record: &[u8]) -> Option<u64> {
    let (a, rest) = record.split_first_chunk()?;
    let (a, b) = (
        u64::from_be_bytes(*a),
        u64::from_be_bytes(*rest.first_chunk()?),
    );
    Some(mix(a.wrapping_add(mix(b))) & RING)
}

fn slot(point: u64) -> usize {
    usize::try_from((point & RING) >> SLOT_SHIFT).unwrap_or_default()
}

fn mix(mut z: u64) -> u64 {
    z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ z >> 31
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_start_at_the_outputs_of_splitmix64() {
        let rules = Rules::new();
        assert_eq!(rules.rules[0].start, 0xe220_a839_7b1d_cdaf & RING);
        assert_eq!(rules.rules[1].start, 0x6e78_9e6a_a1b9_65f4);
    }

    #[test]
    fn a_record_meets_the_rules_that_cover_its_point_a_fifth_of_one_on_average() {
        let rules = Rules::new();
        let mut found = 0;
        for i in 0..50_000_u64 {
            let record = [mix(i).to_be_bytes(), mix(!i).to_be_bytes()].concat();
            let matching: Vec<_> = rules.matching(&record).collect();
            let point = mix(mix(i).wrapping_add(mix(mix(!i)))) & RING;
            let covers = |rule: &&Rule| point.wrapping_sub(rule.start) & RING < WIDTH;
            let expected: Vec<_> = rules.rules.iter().filter(covers).map(|r| &*r.key).collect();
            assert_eq!(matching, expected);
            found += matching.len();
        }
        assert!((9_000..11_000).contains(&found), "{found}");
    }

    #[test]
    fn a_short_record_meets_no_rule() {
        assert_eq!(Rules::new().matching(&[0; 15]).count(), 0);
    }
}
