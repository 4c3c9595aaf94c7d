//! Where counting begins and ends: functions at whose calls callgrind writes down what it counted
//! since the time before, of all threads.

use std::hint::black_box;

/// What callgrind calls these functions.
pub(crate) const NAMES: [&str; 2] = ["guard::mark::begin", "guard::mark::end"];

// They differ inside, or the compiler would make one of them.

/// Counting begins.
#[inline(never)]
pub(crate) fn begin() {
    black_box(1);
}

/// Counting ends.
#[inline(never)]
pub(crate) fn end() {
    black_box(2);
}
