//! Dead letters are to go to a name.

use faustus::prelude::*;

fn main() {
    let _ = FailurePolicy::skip().then_dead_letter("orders-dead");
}
