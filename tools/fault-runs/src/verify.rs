//! What the evidence proves: which inputs were lost, which were counted more than once, and which
//! sums are wrong. Pure: it knows no log and none of the application's code.

use std::collections::BTreeMap;

use crate::evidence::Evidence;

/// How many examples of one kind of mistake are told.
const EXAMPLES: usize = 10;

/// The judgement of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Verdict {
    /// How many different inputs there were.
    pub(crate) inputs: usize,
    /// How many of them are missing in the outputs or in the table.
    pub(crate) lost: usize,
    /// How many of them were counted more than once in the outputs or in the table.
    pub(crate) doubled: usize,
    /// What is wrong, in words; under at-least-once, what is doubled is not.
    pub(crate) mistakes: Vec<String>,
}

/// How often an input was seen.
#[derive(Clone, Debug, Default)]
struct Count {
    fed: usize,
    put_out: usize,
    /// In the table.
    added: usize,
    amount: u64,
    account: String,
    /// Where it was put out, and by whom.
    places: Vec<String>,
}

/// Judges `evidence`. If `exact`, every input must have been counted once, otherwise at least once.
pub(crate) fn verify(evidence: &Evidence, exact: bool) -> Verdict {
    let mut mistakes = Mistakes::default();
    let counts = count(evidence, &mut mistakes);
    let mut verdict = Verdict::default();
    for (number, count) in counts.iter().filter(|(_, count)| count.fed > 0) {
        verdict.inputs += 1;
        if count.fed > 1 {
            let fed = format!("input {number} was fed {} times", count.fed);
            mistakes.add("fed more than once", fed);
        }
        if count.put_out < count.fed || count.added < count.fed {
            verdict.lost += 1;
            mistakes.add("lost", format!("input {number} {}", count.told()));
        }
        if count.put_out > count.fed || count.added > count.fed {
            verdict.doubled += 1;
            if exact {
                mistakes.add("doubled", format!("input {number} {}", count.told()));
            }
        }
    }
    for (number, count) in counts.iter().filter(|(_, count)| count.fed == 0) {
        let told = format!("input {number} {}", count.told());
        mistakes.add("never fed", told);
    }
    check_table(evidence, &counts, exact, &mut mistakes);
    if exact {
        check_chains(evidence, &mut mistakes);
    }
    verdict.mistakes = mistakes.told();
    verdict
}

impl Count {
    fn told(&self) -> String {
        format!(
            "({} for {}) is {} times in order-totals ({}) and {} times in the table",
            self.amount,
            self.account,
            self.put_out,
            self.places.join(", "),
            self.added
        )
    }
}

fn count(evidence: &Evidence, mistakes: &mut Mistakes) -> BTreeMap<u64, Count> {
    let mut counts: BTreeMap<u64, Count> = BTreeMap::new();
    for input in &evidence.inputs {
        let count = counts.entry(input.number).or_default();
        count.fed += 1;
        count.amount = input.amount;
        count.account.clone_from(&input.account);
    }
    for output in &evidence.outputs {
        let total = &output.total;
        let count = counts.entry(total.number).or_default();
        count.put_out += 1;
        let place = format!("{}@{} by {}", output.partition, output.offset, total.by);
        count.places.push(place);
        if count.fed > 0 && (count.amount, &count.account) != (total.amount, &total.account) {
            mistakes.add(
                "changed",
                format!("input {} is now {total:?}", total.number),
            );
        }
    }
    for number in evidence.table.values().flat_map(|account| &account.numbers) {
        counts.entry(*number).or_default().added += 1;
    }
    counts
}

/// Each account's total is that of the inputs it says it holds, and no less than that of all it got.
fn check_table(
    evidence: &Evidence,
    counts: &BTreeMap<u64, Count>,
    exact: bool,
    mistakes: &mut Mistakes,
) {
    let mut sums: BTreeMap<&str, u64> = BTreeMap::new();
    for input in &evidence.inputs {
        *sums.entry(&input.account).or_default() += input.amount;
    }
    for (account, sum) in &sums {
        let total = evidence.table.get(*account).map_or(0, |held| held.total);
        if total < *sum || (exact && total != *sum) {
            let told =
                format!("account {account} is {total} in the changelog, its inputs are {sum}");
            mistakes.add("wrong sum", told);
        }
    }
    for (account, held) in &evidence.table {
        let amounts = held.numbers.iter().filter_map(|number| counts.get(number));
        let sum: u64 = amounts.map(|count| count.amount).sum();
        if sum != held.total {
            let told = format!(
                "account {account} is {} but holds inputs of {sum}: {:?}",
                held.total, held.numbers
            );
            mistakes.add("torn value", told);
        }
    }
}

/// The outputs of each account go on from one to the next, and the last is what the table holds.
fn check_chains(evidence: &Evidence, mistakes: &mut Mistakes) {
    let mut last: BTreeMap<&str, u64> = BTreeMap::new();
    for output in &evidence.outputs {
        let total = &output.total;
        let before = last.insert(&total.account, total.total).unwrap_or_default();
        if before + total.amount != total.total {
            let told = format!(
                "account {} goes from {before} to {} by {} at {}@{} by {}",
                total.account, total.total, total.amount, output.partition, output.offset, total.by
            );
            mistakes.add("broken chain", told);
        }
    }
    for (account, total) in last {
        let held = evidence.table.get(account).map_or(0, |held| held.total);
        if held != total {
            let told = format!("account {account}: the last output is {total}, the table {held}");
            mistakes.add("outputs and table differ", told);
        }
    }
}

/// Mistakes by kind, the first few of each in words.
#[derive(Default)]
struct Mistakes {
    kinds: BTreeMap<&'static str, Vec<String>>,
}

impl Mistakes {
    fn add(&mut self, kind: &'static str, told: String) {
        self.kinds.entry(kind).or_default().push(told);
    }

    fn told(self) -> Vec<String> {
        let each = self.kinds.into_iter().flat_map(|(kind, all)| {
            let more = all.len().saturating_sub(EXAMPLES);
            let more = (more > 0).then(|| format!("{kind}: and {more} more"));
            let told = all.into_iter().take(EXAMPLES);
            told.map(move |told| format!("{kind}: {told}")).chain(more)
        });
        each.collect()
    }
}

#[cfg(test)]
mod tests;
