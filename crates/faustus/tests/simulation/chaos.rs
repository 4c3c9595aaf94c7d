//! Random scenarios: whatever happens to workers and calls of the log, in whatever order, the sums are right.
//!
//! A seed decides all of it. `FAUSTUS_SEEDS=100..400` runs others than the few of every day.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
    sync::Arc,
    time::Duration,
};

use faustus::{
    FailurePolicy, Guarantee, Settings, TaskState,
    prelude::*,
    testing::{Cluster, TestWorker, simulate},
};
use faustus_core::{GroupError, TransportError};
use faustus_log::{Call, Fault, Rule};
use faustus_store::MemoryStores;
use parking_lot::Mutex;

use crate::{
    common::bank::{Order, Sent, Total, add},
    scenario::sent,
};

/// SplitMix64.
#[derive(Debug)]
struct Random(u64);

impl Random {
    fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.bits() % bound
    }

    fn pick<T: Clone>(&mut self, of: &[T]) -> T {
        of[usize::try_from(self.below(of.len() as u64)).unwrap()].clone()
    }

    fn index(&mut self, len: usize) -> usize {
        usize::try_from(self.below(len as u64)).unwrap()
    }

    /// A time of any order of magnitude up to `most`.
    fn time(&mut self, most: Duration) -> Duration {
        let most = u64::try_from(most.as_micros()).unwrap();
        let bound = (most >> self.below(20)).max(1);
        Duration::from_micros(self.below(bound))
    }
}

#[derive(Clone)]
struct Bank {
    totals: Table<String, u64>,
    counts: Table<String, u64>,
    /// Decides which events fail.
    random: Arc<Mutex<Random>>,
    failing: u64,
}

impl Bank {
    async fn trouble(&self) -> faustus::Result {
        let (what, wait) = {
            let mut random = self.random.lock();
            (random.below(1000), random.time(Duration::from_millis(20)))
        };
        if what % 3 == 0 {
            tokio::time::sleep(wait).await;
        }
        if what < self.failing {
            return Err(std::io::Error::other("told to fail").into());
        }
        assert!(what < 1000 - self.failing / 4, "told to panic");
        Ok(())
    }
}

async fn on_order(State(bank): State<Bank>, mut orders: Stream<Order, Total>) -> faustus::Result {
    let totals = orders.bind(&bank.totals);
    while let Some(order) = orders.next().await? {
        add(&totals, &order)?;
        bank.trouble().await?;
    }
    Ok(())
}

async fn on_refund(State(bank): State<Bank>, mut refunds: Stream<Order, Total>) -> faustus::Result {
    let totals = refunds.bind(&bank.totals);
    while let Some(refund) = refunds.next().await? {
        bank.trouble().await?;
        add(&totals, &refund)?;
    }
    Ok(())
}

async fn count(State(bank): State<Bank>, mut refunds: Stream<Order>) -> faustus::Result {
    let counts = refunds.bind(&bank.counts);
    while let Some(refund) = refunds.next().await? {
        counts.update(&*refund.account, |count| *count += 1)?;
        bank.trouble().await?;
        // Tables also shrink.
        counts
            .set(&*format!("{}-last", refund.account), refund.amount)
            .ok();
        if refund.amount % 3 == 0 {
            counts.remove(&*format!("{}-last", refund.account)).ok();
        }
    }
    Ok(())
}

/// The bank, with events that fail now and then, and a second agent that reads refunds.
fn app(seed: u64, failing: u64) -> App<Bank> {
    let app = App::new("bank");
    let orders = app.topic::<Order>("bank-orders").partitions(4);
    let refunds = app.topic::<Order>("bank-refunds").partitions(4);
    let audit = app.topic::<Total>("bank-audit").partitions(2);
    let (totals, counts) = (app.table("totals"), app.table("counts"));
    let patient = FailurePolicy::retry(1000, Duration::from_millis(1));
    app.with_state(Bank {
        totals: totals.clone(),
        counts: counts.clone(),
        random: Arc::new(Mutex::new(Random(seed))),
        failing,
    })
    .agent("on-order", orders.group_by(Order::ACCOUNT), |a| {
        a.concurrency(3)
            .table(&totals)
            .sink(&audit)
            .on_failure(patient.clone())
            .run(on_order)
    })
    .agent("on-refund", &refunds, |a| {
        a.concurrency(3)
            .table(&totals)
            .sink(&audit)
            .on_failure(patient.clone())
            .run(on_refund)
    })
    .agent("count", &refunds, |a| {
        a.table(&counts).on_failure(patient).run(count)
    })
}

/// A machine with a disk, on which a worker runs or not.
struct Host {
    stores: Option<Arc<MemoryStores>>,
    worker: Option<TestWorker>,
    /// The worker's name, if it keeps one over restarts.
    name: String,
}

struct Chaos {
    cluster: Cluster,
    guarantee: Guarantee,
    random: Random,
    hosts: Vec<Host>,
    sent: Sent,
    log: Vec<String>,
    interval: Option<Duration>,
    failing: u64,
}

impl Chaos {
    fn start(&mut self, host: usize) {
        let seed = self.random.bits();
        let settings = Settings {
            guarantee: self.guarantee,
            threads: 1 + self.random.index(2),
            transaction_interval: self.interval,
            worker_id: self.hosts[host].name.clone(),
            ..Settings::default()
        };
        let app = app(seed, self.failing);
        let worker = match &self.hosts[host].stores {
            Some(stores) => self
                .cluster
                .worker_with_stores(app, settings, Arc::clone(stores)),
            None => self.cluster.worker(app, settings),
        };
        let delays = self.random.time(Duration::from_millis(50));
        worker.faults().delay_all(delays);
        self.hosts[host].worker = Some(worker);
    }

    fn fault(&mut self) -> (Call, Fault) {
        let call = self.random.pick(&[
            Call::Producer,
            Call::Publish,
            Call::Publish,
            Call::Begin,
            Call::Commit,
            Call::Commit,
            Call::Commit,
            Call::Abort,
            Call::Read,
            Call::Fetch,
            Call::Join,
            Call::Sync,
            Call::Heartbeat,
            Call::CommitOffsets,
            Call::CommitOffsets,
            Call::FetchOffsets,
            Call::FetchOffsets,
            Call::Ask,
        ]);
        let delay = Fault::Delay(self.random.time(Duration::from_secs(60)));
        let mut faults = vec![Fault::unavailable(), delay];
        match call {
            Call::Publish | Call::Commit => faults.extend([
                Fault::unknown_with_effect(),
                Fault::unknown_without_effect(),
                Fault::full(),
                Fault::Before(TransportError::Aborted("injected".into())),
                Fault::Cut(self.random.index(4)),
            ]),
            Call::CommitOffsets => faults.extend([
                Fault::unknown_with_effect(),
                Fault::unknown_without_effect(),
                Fault::Answer(GroupError::IllegalGeneration),
                Fault::Answer(GroupError::RebalanceInProgress),
                Fault::Answer(GroupError::UnknownMember),
            ]),
            Call::Heartbeat | Call::Sync | Call::Join => faults.extend([
                Fault::unknown_with_effect(),
                Fault::unknown_without_effect(),
                Fault::Answer(GroupError::UnknownMember),
            ]),
            Call::FetchOffsets => faults.extend([
                Fault::unknown_with_effect(),
                Fault::Answer(GroupError::UnstableOffsets),
            ]),
            _ => {}
        }
        (call, self.random.pick(&faults))
    }

    async fn send(&mut self) {
        let count = 1 + self.random.below(40);
        self.sent.more(&self.cluster, count).await;
    }

    async fn step(&mut self) {
        let host = self.random.index(self.hosts.len());
        let what = self.random.below(20);
        let at = self.cluster.clock().monotonic();
        let mut note = |text: String| self.log.push(format!("{at:?} host {host}: {text}"));
        match what {
            0..5 => {
                note("send".into());
                self.send().await;
            }
            5..10 => {
                if self.hosts[host].worker.is_none() {
                    note("start".into());
                    self.start(host);
                }
            }
            10 => {
                if let Some(worker) = self.hosts[host].worker.take() {
                    note("crash".into());
                    worker.crash();
                    let stores = &mut self.hosts[host].stores;
                    *stores = stores.take().map(|stores| Arc::new(stores.after_crash()));
                }
            }
            11 => {
                if let Some(worker) = self.hosts[host].worker.take() {
                    note("stop".into());
                    worker.thaw();
                    worker.faults().clear();
                    let ended = worker.shutdown().await;
                    if let Err(error) = ended {
                        self.log.push(format!("ended: {error}"));
                    }
                }
            }
            12 => {
                if let Some(worker) = &self.hosts[host].worker {
                    note("freeze".into());
                    worker.freeze();
                }
            }
            13 => {
                if let Some(worker) = &self.hosts[host].worker {
                    note("block".into());
                    worker.block_threads();
                }
            }
            14 | 15 => {
                if let Some(worker) = &self.hosts[host].worker {
                    note("thaw".into());
                    worker.thaw();
                }
            }
            _ => {
                let (call, fault) = self.fault();
                let (skip, times) = (self.random.index(20), 1 + self.random.index(5));
                if let Some(worker) = &self.hosts[host].worker {
                    self.log.push(format!(
                        "{at:?} host {host}: {call:?} {fault:?} +{skip} x{times}"
                    ));
                    worker
                        .faults()
                        .add(Rule::new(call, fault).skip(skip).times(times));
                }
            }
        }
        let most = self.random.pick(&[1, 1, 1, 20, 100]);
        let pause = self.random.time(Duration::from_secs(most));
        self.cluster.sleep(pause).await;
    }

    async fn end(&mut self) {
        for host in 0..self.hosts.len() {
            if let Some(worker) = &self.hosts[host].worker {
                worker.thaw();
                worker.faults().clear();
            }
        }
        self.cluster.sleep(Duration::from_secs(1)).await;
        // Those that ended by themselves are started again, as a supervisor would.
        for host in 0..self.hosts.len() {
            let over = match &self.hosts[host].worker {
                Some(worker) => worker.handle().status().await.is_err(),
                None => host == 0,
            };
            if over {
                self.log.push(format!("host {host}: again"));
                self.hosts[host].worker = None;
                self.start(host);
                if let Some(worker) = &self.hosts[host].worker {
                    worker.faults().clear();
                }
            }
        }
        let deadline = self.cluster.clock().monotonic() + Duration::from_secs(900);
        loop {
            self.cluster.settle().await;
            let mut read = BTreeSet::new();
            for host in &self.hosts {
                let Some(worker) = &host.worker else { continue };
                for status in worker.status().await {
                    assert!(!matches!(status.state, TaskState::Parked(_)), "{status:?}");
                    read.extend(status.sources);
                }
            }
            // Orders, orders by account, and refunds.
            if read.len() == 12 {
                return;
            }
            assert!(
                self.cluster.clock().monotonic() < deadline,
                "only {read:?} are read"
            );
        }
    }

    async fn check(&self) {
        let totals = self
            .cluster
            .changelog::<String, u64>("bank", "totals")
            .await;
        let mut counts = self
            .cluster
            .changelog::<String, u64>("bank", "counts")
            .await;
        counts.retain(|key, _| !key.ends_with("-last"));
        let mut seen = BTreeMap::new();
        for host in &self.hosts {
            if let Some(worker) = &host.worker {
                seen.extend(worker.table::<String, u64>("totals").await);
            }
        }
        assert_eq!(seen, totals, "workers and changelog agree");
        let counted: u64 = counts.values().sum();
        if self.guarantee == Guarantee::ExactlyOnce {
            assert_eq!(counted, self.sent.refunds, "counts");
        } else {
            assert!(counted >= self.sent.refunds, "counts");
        }
        self.sent.check(&self.cluster, self.guarantee).await;
    }
}

/// Tells what happened if the scenario fails.
struct Story<'a>(&'a mut Chaos);

#[expect(clippy::print_stderr, reason = "it belongs to the panic's message")]
impl Drop for Story<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let Chaos {
                cluster,
                guarantee,
                log,
                interval,
                hosts,
                ..
            } = &*self.0;
            let stores: Vec<_> = hosts.iter().map(|h| h.stores.is_some()).collect();
            let seed = cluster.seed();
            eprintln!(
                "seed {seed} {guarantee:?} every {interval:?}, stores {stores:?}:\n  {}",
                log.join("\n  ")
            );
        }
    }
}

async fn scenario(cluster: Cluster, guarantee: Guarantee) {
    let mut random = Random(cluster.seed());
    let stored = random.below(2) == 0;
    let named = random.below(2) == 0;
    let hosts = (0..3).map(|host| Host {
        stores: stored.then(Arc::default),
        worker: None,
        name: if named {
            format!("host-{host}")
        } else {
            String::new()
        },
    });
    let interval = random.pick(&[None, Some(Duration::from_millis(100))]);
    let failing = random.pick(&[0, 0, 40]);
    let mut chaos = Chaos {
        cluster,
        guarantee,
        hosts: hosts.collect(),
        sent: sent(),
        log: Vec::new(),
        interval,
        failing,
        random,
    };
    let story = Story(&mut chaos);
    let chaos = &mut *story.0;
    chaos.start(0);
    chaos.send().await;
    for _ in 0..10 + chaos.random.below(40) {
        chaos.step().await;
    }
    chaos.end().await;
    chaos.check().await;
}

fn seeds() -> Range<u64> {
    let text = std::env::var("FAUSTUS_SEEDS").unwrap_or_default();
    let range = text
        .split_once("..")
        .and_then(|(from, to)| Some(from.parse().ok()?..to.parse().ok()?));
    range.unwrap_or(0..30)
}

#[test]
fn random_scenarios_lose_and_double_nothing_exactly_once() {
    for seed in seeds() {
        simulate(seed, async |cluster| {
            scenario(cluster, Guarantee::ExactlyOnce).await;
        });
    }
}

#[test]
fn random_scenarios_lose_nothing_at_least_once() {
    for seed in seeds() {
        simulate(seed, async |cluster| {
            scenario(cluster, Guarantee::AtLeastOnce).await;
        });
    }
}
