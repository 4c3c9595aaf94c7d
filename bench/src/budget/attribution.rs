//! From what each instruction cost to what each step cost.
//!
//! An instruction whose functions, inlined ones included, are none of a step's (of `malloc`, `memcpy`,
//! a decoder, a map) is its callers': in the proportion of what their calls cost.

use std::ops::{Add, AddAssign, Mul, Sub};

use super::{
    callgrind::Profile,
    step::{COUNT, Step},
    symbols::{Found, Symbols},
};

/// How often shares are passed on from callers to callees: more often than calls are nested.
const PASSES: usize = 200;

/// What each step cost, and what nobody knows whose it is.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Costs {
    steps: [f64; COUNT],
    pub(crate) unknown: f64,
}

impl Costs {
    /// All of one.
    fn of(step: Step) -> Self {
        let mut costs = Self::default();
        costs.steps[step as usize] = 1.0;
        costs
    }

    pub(crate) fn get(&self, step: Step) -> f64 {
        self.steps[step as usize]
    }

    pub(crate) fn charge(&mut self, step: Option<Step>, cost: f64) {
        match step {
            Some(step) => self.steps[step as usize] += cost,
            None => self.unknown += cost,
        }
    }

    fn known(&self) -> f64 {
        self.steps.iter().sum()
    }
}

impl AddAssign for Costs {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl Add for Costs {
    type Output = Self;

    fn add(mut self, other: Self) -> Self {
        for (own, other) in self.steps.iter_mut().zip(other.steps) {
            *own += other;
        }
        self.unknown += other.unknown;
        self
    }
}

impl Sub for Costs {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        self + other * -1.0
    }
}

impl Mul<f64> for Costs {
    type Output = Self;

    fn mul(mut self, factor: f64) -> Self {
        self.steps.iter_mut().for_each(|own| *own *= factor);
        self.unknown *= factor;
        self
    }
}

/// What each step cost in a profile.
pub(crate) fn attribute(profile: &Profile, symbols: &mut Symbols) -> Costs {
    let mut find = |function: usize, address: u64| {
        let function = &profile.functions[function];
        let object = &profile.objects[function.object];
        symbols.find(object, address, Some(&function.name))
    };
    let mut sites = Vec::new();
    let mut own = Vec::new();
    for (index, function) in profile.functions.iter().enumerate() {
        for call in function.calls.iter().filter(|call| call.to != index) {
            sites.push(Site {
                from: index,
                to: call.to,
                cost: call.cost as f64,
                found: find(index, call.from),
            });
        }
        for &(address, cost) in &function.own {
            own.push((index, cost as f64, find(index, address)));
        }
    }
    let count = profile.functions.len();
    let sure = shares(count, &sites, |found| found.sure);
    let by_others = shares(count, &sites, |found| found.sure.or(found.otherwise));
    let mut costs = Costs::default();
    for (
        function,
        cost,
        Found {
            sure: step,
            otherwise: other,
        },
    ) in own
    {
        if step.is_some() {
            costs.charge(step, cost);
            continue;
        }
        let callers = sure[function];
        costs += callers * cost;
        let left = cost * (1.0 - callers.known()).max(0.0);
        if other.is_some() {
            costs.charge(other, left);
            continue;
        }
        costs += by_others[function] * left;
        costs.unknown += left * (1.0 - by_others[function].known()).max(0.0);
    }
    costs
}

/// A place in a function where another one is called.
struct Site {
    from: usize,
    to: usize,
    cost: f64,
    found: Found,
}

/// For each function the shares of the steps that call it, directly or through others; together at
/// most 1.
fn shares(count: usize, sites: &[Site], step: impl Fn(Found) -> Option<Step>) -> Vec<Costs> {
    let mut calls = vec![0.0; count];
    for site in sites {
        calls[site.to] += site.cost;
    }
    let mut shares = vec![Costs::default(); count];
    for _ in 0..PASSES {
        let mut next = vec![Costs::default(); count];
        for site in sites.iter().filter(|site| calls[site.to] > 0.0) {
            let callers = step(site.found).map_or(shares[site.from], Costs::of);
            next[site.to] += callers * (site.cost / calls[site.to]);
        }
        shares = next;
    }
    shares
}

#[cfg(test)]
mod tests {
    use super::*;

    fn site(from: usize, to: usize, cost: f64, sure: Option<Step>) -> Site {
        let found = Found {
            sure,
            otherwise: None,
        };
        Site {
            from,
            to,
            cost,
            found,
        }
    }

    #[test]
    fn what_is_called_by_several_steps_is_theirs_in_proportion_through_others_too() {
        let sites = [
            site(0, 1, 30.0, Some(Step::Decode)),
            site(0, 1, 10.0, Some(Step::Table)),
            site(1, 2, 20.0, None),
        ];
        let shares = shares(3, &sites, |found| found.sure);
        assert_eq!(shares[0].known(), 0.0);
        for share in &shares[1..] {
            assert_eq!(share.get(Step::Decode), 0.75);
            assert_eq!(share.get(Step::Table), 0.25);
        }
    }

    #[test]
    fn functions_that_call_each_other_have_the_shares_of_who_calls_them_from_outside() {
        let sites = [
            site(0, 1, 50.0, Some(Step::Fetch)),
            site(1, 2, 40.0, None),
            site(2, 1, 30.0, None),
        ];
        let shares = shares(3, &sites, |found| found.sure);
        assert!((shares[2].get(Step::Fetch) - 1.0).abs() < 1e-6);
    }
}
