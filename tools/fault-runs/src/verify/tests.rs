//! Every kind of mistake is found, and none where there is none.

use faustus_core::Offset;
use proptest::prelude::*;

use super::*;
use crate::{
    evidence::{Fed, Output},
    model::{Account, Input, Total},
};

/// What a faultless run of these inputs leaves.
fn faultless(numbers: impl IntoIterator<Item = u64>) -> Evidence {
    let mut evidence = Evidence::default();
    for number in numbers {
        let Input {
            account, amount, ..
        } = Input::of(number);
        evidence.inputs.push(Fed {
            number,
            account: account.clone(),
            amount,
        });
        put_out(&mut evidence, number, account, amount);
    }
    evidence
}

/// What the application does with an input.
fn put_out(evidence: &mut Evidence, number: u64, account: String, amount: u64) {
    let held: &mut Account = evidence.table.entry(account.clone()).or_default();
    held.total += amount;
    held.numbers.push(number);
    evidence.outputs.push(Output {
        partition: 0,
        offset: Offset(evidence.outputs.len() as i64),
        total: Total {
            account,
            number,
            amount,
            total: held.total,
            by: "w1".to_owned(),
        },
    });
}

fn kinds(verdict: &Verdict) -> Vec<&str> {
    let mut kinds: Vec<_> = verdict
        .mistakes
        .iter()
        .filter_map(|mistake| Some(mistake.split_once(':')?.0))
        .collect();
    kinds.dedup();
    kinds
}

#[test]
fn a_faultless_run_is_exact() {
    let verdict = verify(&faultless(1..500), true);
    let expected = Verdict {
        inputs: 499,
        ..Verdict::default()
    };
    assert_eq!(verdict, expected);
}

#[test]
fn an_input_that_did_everything_twice_is_doubled_and_nothing_else() {
    let mut evidence = faultless(1..500);
    let Input {
        account, amount, ..
    } = Input::of(77);
    put_out(&mut evidence, 77, account, amount);
    let verdict = verify(&evidence, true);
    assert_eq!((verdict.lost, verdict.doubled), (0, 1));
    assert_eq!(kinds(&verdict), ["doubled", "wrong sum"]);
    let verdict = verify(&evidence, false);
    assert_eq!((verdict.doubled, verdict.mistakes.len()), (1, 0));
}

#[test]
fn an_output_that_is_missing_is_lost() {
    let mut evidence = faultless(1..500);
    evidence.outputs.remove(33);
    for exact in [true, false] {
        let verdict = verify(&evidence, exact);
        assert_eq!((verdict.lost, verdict.doubled), (1, 0));
        assert_eq!(kinds(&verdict)[kinds(&verdict).len() - 1], "lost");
    }
}

#[test]
fn a_change_of_the_table_that_is_missing_is_lost_though_another_is_doubled() {
    let mut evidence = faultless(1..500);
    let account = Input::of(77).account;
    let held = evidence.table.get_mut(&account).unwrap();
    let (lost, doubled) = (held.numbers[0], held.numbers[1]);
    held.numbers[0] = doubled;
    held.total = held.total - Input::of(lost).amount + Input::of(doubled).amount + 1000;
    let verdict = verify(&evidence, false);
    assert_eq!((verdict.lost, verdict.doubled), (1, 1));
    assert!(kinds(&verdict).contains(&"torn value"));
}

#[test]
fn a_value_of_the_table_that_went_back_is_lost() {
    let mut evidence = faultless(1..500);
    let held = evidence.table.values_mut().next().unwrap();
    let number = held.numbers.pop().unwrap();
    held.total -= Input::of(number).amount;
    let verdict = verify(&evidence, false);
    assert_eq!(verdict.lost, 1);
    assert_eq!(kinds(&verdict), ["lost", "wrong sum"]);
}

#[test]
fn outputs_that_do_not_go_on_from_one_to_the_next_are_told() {
    let mut evidence = faultless(1..500);
    evidence.outputs[100].total.total += 1;
    assert_eq!(kinds(&verify(&evidence, true))[0], "broken chain");
}

#[test]
fn an_input_that_was_fed_twice_is_told_and_counts_twice() {
    let mut evidence = faultless((1..500).chain([40]));
    let verdict = verify(&evidence, true);
    assert_eq!((verdict.lost, verdict.doubled), (0, 0));
    assert_eq!(kinds(&verdict), ["fed more than once"]);
    evidence.inputs.pop();
    assert_eq!(verify(&evidence, true).doubled, 1);
}

#[test]
fn an_output_of_what_was_never_fed_is_told() {
    let mut evidence = faultless(1..500);
    evidence.inputs.pop();
    assert!(kinds(&verify(&evidence, false)).contains(&"never fed"));
}

#[test]
fn many_mistakes_are_told_by_example() {
    let mut evidence = faultless(1..500);
    evidence.outputs.clear();
    let verdict = verify(&evidence, false);
    assert_eq!(verdict.lost, 499);
    assert_eq!(verdict.mistakes.len(), EXAMPLES + 1);
    assert_eq!(verdict.mistakes[EXAMPLES], "lost: and 489 more");
}

proptest! {
    #[test]
    fn whatever_is_done_again_is_only_ever_doubled(again in prop::collection::vec(1u64..200, 1..20)) {
        let mut evidence = faultless(1..200);
        for &number in &again {
            let Input { account, amount, .. } = Input::of(number);
            put_out(&mut evidence, number, account, amount);
        }
        let verdict = verify(&evidence, false);
        prop_assert_eq!(verdict.lost, 0);
        prop_assert!(verdict.mistakes.is_empty());
        let different: std::collections::BTreeSet<_> = again.iter().collect();
        prop_assert_eq!(verdict.doubled, different.len());
        prop_assert!(!verify(&evidence, true).mistakes.is_empty());
    }
}
