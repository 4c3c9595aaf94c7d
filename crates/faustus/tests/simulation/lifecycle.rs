//! Hooks and services: their order, and ends that are bounded whatever they do.

use std::{
    collections::BTreeSet,
    future::pending,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
};

use faustus::{
    Ended, ErrorKind, MemoryLog, Restart, Service, Settings, TokioClock, TopicPartition,
    prelude::*,
    testing::{Cluster, simulate},
};
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::common::{Running, diary::Diary, said};

type Partitions = BTreeSet<TopicPartition>;

fn failure() -> faustus::Error {
    faustus::Error::new(ErrorKind::Application, "as the test wants it")
}

/// A service that notes what it is told.
struct Noting {
    name: &'static str,
    diary: Diary,
}

impl Noting {
    fn note(&self, what: &str) {
        self.diary.note(&format!("{what} {}", self.name));
    }
}

impl Service for Noting {
    async fn start(&self) -> faustus::Result {
        self.note("start");
        Ok(())
    }

    async fn stop(&self) -> faustus::Result {
        self.note("stop");
        Ok(())
    }
}

async fn each(State(diary): State<Diary>, mut events: Stream<String>) -> faustus::Result {
    while let Some(event) = events.next().await? {
        diary.note(&event);
    }
    diary.note("agent ends");
    Ok(())
}

/// An application with an agent that reads one partition.
fn app(cluster: &Cluster, name: &str) -> (App<Diary>, Diary) {
    let diary = Diary::new(cluster.clock());
    let app = App::new(name);
    let events = app.topic("events").partitions(1);
    let app = app.with_state(diary.clone());
    (app.agent("each", &events, |a| a.run(each)), diary)
}

#[test]
fn what_starts_first_ends_last() {
    async fn first(State(diary): State<Diary>) -> faustus::Result {
        diary.note("on_start");
        Ok(())
    }
    async fn last(State(diary): State<Diary>) -> faustus::Result {
        diary.note("on_shutdown");
        Ok(())
    }
    async fn slow(State(diary): State<Diary>) -> faustus::Result {
        diary.note("tick");
        tokio::time::sleep(secs(3)).await;
        diary.note("ticked");
        Ok(())
    }
    async fn task(State(diary): State<Diary>) -> faustus::Result {
        diary.note("task");
        pending().await
    }
    async fn gone(State(diary): State<Diary>, _: Partitions) -> faustus::Result {
        diary.note("gone");
        Ok(())
    }
    simulate(1, async |cluster| {
        let (app, diary) = app(&cluster, "order");
        let noting = |name| Noting {
            name,
            diary: diary.clone(),
        };
        let app = app
            .task("task", task)
            .timer("slow", secs(10), slow)
            .service("web", |s| s.needs("pool").run(noting("web")))
            .service("pool", |s| s.run(noting("pool")))
            .service("last", |s| s.run(noting("last")))
            .on_partitions_revoked(gone)
            .on_shutdown(last)
            .on_start(first);
        let worker = cluster.worker(app, Settings::default());
        cluster.send("events", "", &"event".to_owned()).await;
        cluster.settle().await;
        while diary.times("tick").is_empty() {
            cluster.sleep(millis(100)).await;
        }
        assert_eq!(worker.shutdown().await.unwrap(), Ended::Drained);
        let expected = [
            "on_start",
            "start pool",
            "start web",
            "start last",
            "task",
            "event",
            "tick",
            "ticked",
            "agent ends",
            "gone",
            "stop last",
            "stop web",
            "stop pool",
            "on_shutdown",
        ];
        assert_eq!(diary.notes(), expected);
    });
}

#[test]
fn hooks_can_send_before_the_first_event_and_after_the_last() {
    async fn hello(State(events): State<Topic<String>>) -> faustus::Result {
        events.send(&(), &"hook".to_owned()).await.map(drop)
    }
    simulate(1, async |cluster| {
        let app = App::new("hooks");
        let events: Topic<String> = app.topic("events").partitions(1);
        let app = app.with_state(events).on_start(hello).on_shutdown(hello);
        let worker = cluster.worker(app, Settings::default());
        cluster.sleep(secs(5)).await;
        assert_eq!(cluster.records("events").await.len(), 1);
        worker.shutdown().await.unwrap();
        assert_eq!(cluster.records("events").await.len(), 2);
    });
}

#[test]
fn a_worker_whose_start_hook_fails_does_not_start_and_says_why() {
    async fn fail() -> faustus::Result {
        Err(failure())
    }
    async fn panic() -> faustus::Result {
        panic!("it panics")
    }
    async fn last(State(diary): State<Diary>) -> faustus::Result {
        diary.note("on_shutdown");
        Ok(())
    }
    simulate(1, async |cluster| {
        let (one, diary) = app(&cluster, "fail");
        let ended = cluster.worker(one.on_start(fail).on_shutdown(last), Settings::default());
        let error = ended.ended().await.unwrap_err().to_string();
        assert!(error.contains("::fail: as the test wants it"), "{error}");
        assert_eq!(diary.notes(), ["on_shutdown"]);
        let (other, _) = app(&cluster, "panic");
        let ended = cluster.worker(other.on_start(panic), Settings::default());
        let error = ended.ended().await.unwrap_err().to_string();
        assert!(error.contains("panic: it panics"), "{error}");
    });
}

#[test]
fn a_worker_can_be_ended_while_it_starts() {
    simulate(1, async |cluster| {
        let (app, diary) = app(&cluster, "hangs");
        let app = app.on_start(async || pending().await);
        let worker = cluster.worker(app, Settings::default());
        cluster.sleep(secs(100)).await;
        worker.shutdown().await.unwrap();
        assert!(diary.notes().is_empty());
    });
}

#[test]
fn what_does_not_end_at_shutdown_is_left_behind_within_bounds_and_named() {
    struct Stuck;
    impl Service for Stuck {
        async fn stop(&self) -> faustus::Result {
            pending().await
        }
    }
    async fn hangs() -> faustus::Result {
        pending().await
    }
    async fn hangs_over_partitions(_: Partitions) -> faustus::Result {
        pending().await
    }
    said::listen();
    simulate(1, async |cluster| {
        let (app, _) = app(&cluster, "stuck");
        let app = app
            .timer("stuck-timer", secs(1), hangs)
            .task("stuck-task", hangs)
            .service("stuck-service", |s| s.run(Stuck))
            .on_partitions_revoked(hangs_over_partitions)
            .on_shutdown(hangs);
        let worker = cluster.worker(app, Settings::default());
        cluster.settle().await;
        cluster.sleep(secs(5)).await;
        let begun = cluster.clock().monotonic();
        worker.shutdown().await.unwrap();
        let took = cluster.clock().monotonic() - begun;
        let drain = Settings::default().drain_timeout;
        assert!(took >= drain && took < drain * 5, "{took:?}");
        said::check(&[
            "timer stuck-timer",
            "job did not end in time and is left behind",
        ]);
        said::check(&["service=stuck-service", "did not stop in time"]);
        said::check(&["on_shutdown", "::hangs", "hook did not end in time"]);
        said::check(&["::hangs_over_partitions", "hook did not end in time"]);
    });
}

/// In production, with real threads.
#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_task_that_blocks_its_thread_at_shutdown_is_left_behind_and_named() {
    type Wall = Arc<Mutex<Option<mpsc::Receiver<()>>>>;
    async fn blocks(State((wall, here)): State<(Wall, Arc<Notify>)>) -> faustus::Result {
        here.notify_one();
        if let Some(wall) = wall.lock().take() {
            let _ = wall.recv();
        }
        Ok(())
    }
    said::listen();
    let (open, wall) = mpsc::channel();
    let (wall, here) = (Arc::new(Mutex::new(Some(wall))), Arc::<Notify>::default());
    let app = App::new("blocking")
        .with_state((wall, Arc::clone(&here)))
        .task("blocking-task", blocks);
    let settings = Settings {
        drain_timeout: millis(300),
        ..Settings::default()
    };
    let log = MemoryLog::new(Arc::new(TokioClock::real()), 1);
    let running = Running::start(app, &(Arc::new(log) as _), settings).await;
    here.notified().await;
    running.shutdown().await;
    said::check(&[
        "task blocking-task",
        "job did not end in time and is left behind",
    ]);
    drop(open);
}

#[test]
fn hooks_are_told_partitions_that_come_and_go() {
    async fn come(State(diary): State<Diary>, partitions: Partitions) -> faustus::Result {
        for partition in partitions {
            diary.note(&format!("+{partition}"));
        }
        Ok(())
    }
    async fn go(State(diary): State<Diary>, partitions: Partitions) -> faustus::Result {
        // Before it ends nobody else has them.
        tokio::time::sleep(secs(5)).await;
        for partition in partitions {
            diary.note(&format!("-{partition}"));
        }
        Ok(())
    }
    async fn pass(mut events: Stream<String>) -> faustus::Result {
        while events.next().await?.is_some() {}
        Ok(())
    }
    simulate(1, async |cluster| {
        let diary = Diary::new(cluster.clock());
        let start = |name| {
            let app = App::new("moves");
            let events = app.topic("events").partitions(2);
            let app = app
                .with_state(diary.by(name))
                .agent("pass", &events, |a| a.run(pass))
                .on_partitions_assigned(come)
                .on_partitions_revoked(go);
            cluster.worker(app, Settings::default())
        };
        let a = start("a");
        cluster.settle().await;
        cluster.sleep(secs(1)).await;
        let mut first = diary.notes();
        first.sort();
        assert_eq!(first, ["a+events/0", "a+events/1"]);
        let b = start("b");
        cluster.sleep(secs(60)).await;
        let moved = diary.notes().split_off(2);
        assert_eq!(moved.len(), 2, "{moved:?}");
        let partition = moved[0].strip_prefix("a-").unwrap();
        assert_eq!(
            moved[1],
            format!("b+{partition}"),
            "only then is it another's"
        );
        a.shutdown().await.unwrap();
        assert!(diary.notes()[4].starts_with("a-"), "{:?}", diary.notes());
        drop(b);
    });
}

#[test]
fn a_revoke_waits_for_its_hooks_a_bounded_time_only() {
    async fn go(State(diary): State<Diary>, _: Partitions) -> faustus::Result {
        diary.note(" goes");
        pending().await
    }
    async fn pass(mut events: Stream<String>) -> faustus::Result {
        while events.next().await?.is_some() {}
        Ok(())
    }
    simulate(1, async |cluster| {
        let diary = Diary::new(cluster.clock());
        let start = |name| {
            let app = App::new("moves");
            let events = app.topic("events").partitions(2);
            let app = app
                .with_state(diary.by(name))
                .agent("pass", &events, |a| a.run(pass))
                .on_partitions_revoked(go);
            cluster.worker(app, Settings::default())
        };
        let a = start("a");
        cluster.settle().await;
        let b = start("b");
        cluster.sleep(secs(60)).await;
        assert_eq!(diary.notes(), ["a goes"]);
        assert_eq!(a.status().await.len(), 1, "it was not lost by waiting");
        assert_eq!(b.status().await.len(), 1);
    });
}

/// A service that fails so often.
struct Failing {
    diary: Diary,
    times: AtomicUsize,
}

impl Service for Failing {
    async fn start(&self) -> faustus::Result {
        self.diary.note("start");
        Ok(())
    }

    async fn run(&self) -> faustus::Result {
        tokio::time::sleep(millis(500)).await;
        let left = self.times.load(Ordering::SeqCst);
        self.times.store(left.saturating_sub(1), Ordering::SeqCst);
        match left {
            0 => Ok(()),
            n if n % 2 == 0 => panic!("as the test wants it"),
            _ => Err(failure()),
        }
    }

    async fn stop(&self) -> faustus::Result {
        self.diary.note("stop");
        Ok(())
    }
}

/// The steps between starts in ten minutes with a service that fails `times` times.
async fn starts(cluster: &Cluster, restart: Restart, times: usize) -> (Diary, faustus::Result) {
    let diary = Diary::new(cluster.clock());
    let failing = Failing {
        diary: diary.clone(),
        times: times.into(),
    };
    let app = App::new(&format!("service-{restart:?}-{times}"));
    let app = app.service("failing", |s| s.restart(restart).run(failing));
    let worker = cluster.worker(app, Settings::default());
    cluster.sleep(secs(15)).await;
    let handle = worker.handle().clone();
    let ended = if handle.started().await.is_err() {
        worker.ended().await
    } else {
        worker.shutdown().await
    };
    (diary, ended.map(drop))
}

#[test]
fn a_service_that_failed_starts_again_after_growing_pauses_as_its_mode_says() {
    simulate(1, async |cluster| {
        let (diary, ended) = starts(&cluster, Restart::OnFailure, 3).await;
        assert_eq!(diary.steps("start"), [1_500, 2_500, 4_500].map(millis));
        // Stopped before it started again, and when it was done; not once more.
        assert_eq!(diary.times("stop").len(), 4);
        ended.unwrap();
        let (diary, ended) = starts(&cluster, Restart::Always, 0).await;
        assert_eq!(diary.steps("start"), [1_500, 2_500, 4_500].map(millis));
        ended.unwrap();
        let (diary, ended) = starts(&cluster, Restart::Never, 3).await;
        assert_eq!(diary.notes(), ["start", "stop"]);
        ended.unwrap();
    });
}

#[test]
fn a_service_that_crashes_the_worker_ends_it_with_its_error() {
    simulate(1, async |cluster| {
        let (diary, ended) = starts(&cluster, Restart::CrashWorker, 1).await;
        let error = ended.unwrap_err().to_string();
        assert_eq!(error, "service failing failed: as the test wants it");
        assert_eq!(diary.notes(), ["start", "stop"]);
        let (_, ended) = starts(&cluster, Restart::CrashWorker, 2).await;
        let error = ended.unwrap_err().to_string();
        assert_eq!(error, "service failing failed: panic: as the test wants it");
    });
}

#[test]
fn a_service_goes_on_while_it_is_told_to_stop() {
    struct Draining {
        diary: Diary,
        told: Arc<Notify>,
        done: Arc<Notify>,
    }
    impl Service for Draining {
        async fn run(&self) -> faustus::Result {
            self.told.notified().await;
            tokio::time::sleep(secs(2)).await;
            self.diary.note("drained");
            self.done.notify_one();
            Ok(())
        }
        async fn stop(&self) -> faustus::Result {
            self.told.notify_one();
            self.done.notified().await;
            self.diary.note("stopped");
            Ok(())
        }
    }
    simulate(1, async |cluster| {
        let (app, diary) = app(&cluster, "draining");
        let service = Draining {
            diary: diary.clone(),
            told: Arc::default(),
            done: Arc::default(),
        };
        let app = app.service("draining", |s| s.run(service));
        let worker = cluster.worker(app, Settings::default());
        cluster.settle().await;
        worker.shutdown().await.unwrap();
        assert_eq!(diary.notes().split_off(1), ["drained", "stopped"]);
    });
}

#[test]
fn services_that_started_stop_when_another_one_cannot_start() {
    struct Broken;
    impl Service for Broken {
        async fn start(&self) -> faustus::Result {
            Err(failure())
        }
    }
    simulate(1, async |cluster| {
        let (app, diary) = app(&cluster, "broken");
        let pool = Noting {
            name: "pool",
            diary: diary.clone(),
        };
        let app = app
            .service("pool", |s| s.run(pool))
            .service("broken", |s| s.run(Broken));
        let ended = cluster.worker(app, Settings::default()).ended().await;
        let error = ended.unwrap_err().to_string();
        assert_eq!(error, "service broken cannot start: as the test wants it");
        assert_eq!(diary.notes(), ["start pool", "stop pool"]);
    });
}

#[test]
fn a_service_may_be_held_by_others_too() {
    simulate(1, async |cluster| {
        let (app, diary) = app(&cluster, "shared");
        let service = Arc::new(Failing {
            diary: diary.clone(),
            times: AtomicUsize::new(1),
        });
        let app = app.service("shared", |s| s.run(Arc::clone(&service)));
        let worker = cluster.worker(app, Settings::default());
        cluster.sleep(secs(10)).await;
        assert_eq!(service.times.load(Ordering::SeqCst), 0);
        worker.shutdown().await.unwrap();
        let times = |what: &str| diary.times(what).len();
        assert_eq!(
            (times("start"), times("stop")),
            (2, 2),
            "{:?}",
            diary.notes()
        );
    });
}
