//! What the tests of whole applications share: the applications, what is sent to them and what they
//! therefore must say, and workers on real logs.

#![expect(dead_code, reason = "each test binary uses a part of it")]

pub(crate) mod bank;
pub(crate) mod diary;
pub(crate) mod flow;
pub(crate) mod held;
pub(crate) mod moved;
mod outside;
pub(crate) mod rebuilt;
mod running;
pub(crate) mod said;
mod view;

use std::{
    fmt::Debug,
    time::{Duration, Instant},
};

use faustus::Guarantee;

pub(crate) use outside::Outside;
pub(crate) use running::Running;
pub(crate) use view::View;

/// How long a condition may take to come true; far more than any needs on a busy machine.
const PATIENCE: Duration = Duration::from_secs(90);

/// Asks again and again until there is an answer, and panics with the last excuse if there never is.
pub(crate) async fn until<T, E: Debug>(mut ask: impl AsyncFnMut() -> Result<T, E>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match ask().await {
            Ok(answer) => return answer,
            Err(excuse) if Instant::now() > deadline => {
                panic!("after {PATIENCE:?} still: {excuse:?}")
            }
            Err(_) => tokio::time::sleep(Duration::from_millis(25)).await,
        }
    }
}

/// `Ok` if it holds, else what is wrong.
pub(crate) fn check(holds: bool, excuse: impl Debug) -> Result<(), String> {
    if holds {
        Ok(())
    } else {
        Err(format!("{excuse:?}"))
    }
}

/// Runs a scenario for both guarantees at the same time, each under a name of its own.
pub(crate) async fn both(name: &str, scenario: impl AsyncFn(&str, Guarantee)) {
    let (one, other) = (format!("{name}-alo"), format!("{name}-eos"));
    let at_least_once = Box::pin(scenario(&one, Guarantee::AtLeastOnce));
    let exactly_once = Box::pin(scenario(&other, Guarantee::ExactlyOnce));
    tokio::join!(at_least_once, exactly_once);
}
