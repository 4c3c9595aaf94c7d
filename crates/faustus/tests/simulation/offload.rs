//! Work that agents hand over: results, failures, and that nothing of it outlives who waits for it.

use std::{future::pending, sync::Arc, thread};

use faustus::{
    Ended, FailurePolicy, MemoryLog, Settings, TokioClock, prelude::*, testing::simulate,
};
use parking_lot::Mutex;

use crate::common::{Running, check, diary::Diary, until};

/// Tells when it is dropped.
struct Told(Diary, &'static str);

impl Drop for Told {
    fn drop(&mut self) {
        self.0.note(self.1);
    }
}

#[test]
fn an_agent_in_a_simulation_waits_for_io_and_blocking_work_in_virtual_time() {
    async fn work(State(diary): State<Diary>, mut events: Stream<u64>) -> faustus::Result {
        while let Some(event) = events.next().await? {
            let seconds = *event;
            let twice = faustus::io(async move {
                tokio::time::sleep(secs(seconds)).await;
                // Also from there.
                faustus::blocking(move || seconds * 2).await
            });
            diary.note(&format!("{}", twice.await));
        }
        Ok(())
    }
    simulate(1, async |cluster| {
        let diary = Diary::new(cluster.clock());
        let app = App::new("io");
        let events = app.topic("events").partitions(1);
        let app = app
            .with_state(diary.clone())
            .agent("work", &events, |a| a.run(work));
        let worker = cluster.worker(app, Settings::default());
        for seconds in [100, 50] {
            cluster.send("events", "", &seconds).await;
        }
        cluster.settle().await;
        assert_eq!(diary.notes(), ["200", "100"]);
        let between = diary.times("100")[0] - diary.times("200")[0];
        assert_eq!(between, secs(50));
        worker.shutdown().await.unwrap();
    });
}

#[test]
fn a_panic_in_what_was_handed_over_fails_the_event() {
    async fn work(State(diary): State<Diary>, mut events: Stream<u64>) -> faustus::Result {
        while let Some(event) = events.next().await? {
            match *event {
                0 => faustus::io(async { panic!("in io") }).await,
                1 => faustus::blocking(|| panic!("in blocking")).await,
                n => diary.note(&format!("{n}")),
            }
        }
        Ok(())
    }
    simulate(1, async |cluster| {
        let diary = Diary::new(cluster.clock());
        let app = App::new("io");
        let events = app.topic("events").partitions(1);
        let app = app.with_state(diary.clone()).agent("work", &events, |a| {
            a.on_failure(FailurePolicy::skip()).run(work)
        });
        let worker = cluster.worker(app, Settings::default());
        for n in 0..4_u64 {
            cluster.send("events", "", &n).await;
        }
        cluster.settle().await;
        assert_eq!(diary.notes(), ["2", "3"]);
        worker.shutdown().await.unwrap();
    });
}

#[test]
fn io_ends_with_the_event_that_waits_for_it() {
    async fn work(State(diary): State<Diary>, mut events: Stream<u64>) -> faustus::Result {
        while events.next().await?.is_some() {
            let told = Told(diary.clone(), "dropped");
            faustus::io(async move {
                let _told = told;
                pending::<()>().await;
            })
            .await;
        }
        Ok(())
    }
    simulate(1, async |cluster| {
        let diary = Diary::new(cluster.clock());
        let app = App::new("io");
        let events = app.topic("events").partitions(1);
        let app = app
            .with_state(diary.clone())
            .agent("work", &events, |a| a.run(work));
        let worker = cluster.worker(app, Settings::default());
        cluster.send("events", "", &1_u64).await;
        cluster.sleep(secs(20)).await;
        assert!(diary.notes().is_empty());
        assert_eq!(worker.shutdown().await.unwrap(), Ended::Cut);
        cluster.sleep(millis(1)).await;
        assert_eq!(diary.notes(), ["dropped"]);
    });
}

#[test]
fn tasks_timers_and_hooks_hand_work_over_as_agents_do() {
    async fn work(State(diary): State<Diary>) -> faustus::Result {
        diary.note(faustus::blocking(|| "blocking").await);
        diary.note(faustus::io(async { "io" }).await);
        Ok(())
    }
    simulate(1, async |cluster| {
        let diary = Diary::new(cluster.clock());
        let app = App::new("io")
            .with_state(diary.clone())
            .on_start(work)
            .task("work", work)
            .timer("tick", hours(1), work);
        let worker = cluster.worker(app, Settings::default());
        cluster.sleep(minutes(61)).await;
        assert_eq!(diary.notes(), ["blocking", "io"].repeat(3));
        worker.crash();
    });
}

/// In production, with real threads.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn io_and_blocking_work_leave_the_agents_thread() {
    type Names = Arc<Mutex<Vec<String>>>;
    async fn work(State(names): State<Names>, mut events: Stream<u64>) -> faustus::Result {
        let name = || thread::current().name().unwrap_or_default().to_owned();
        while events.next().await?.is_some() {
            let io = faustus::io(async move { name() }).await;
            let blocking = faustus::blocking(name).await;
            *names.lock() = vec![name(), io, blocking];
        }
        Ok(())
    }
    let (log, names) = (
        MemoryLog::new(Arc::new(TokioClock::real()), 1),
        Names::default(),
    );
    let app = App::new("io");
    let events = app.topic("events").partitions(1);
    let app = app
        .with_state(Arc::clone(&names))
        .agent("work", &events, |a| a.run(work));
    let running = Running::start(app, &(Arc::new(log) as _), Settings::default()).await;
    events.send(&(), &1).await.unwrap();
    let names = until(async || {
        let names = names.lock().clone();
        check(!names.is_empty(), "no event").map(|()| names)
    });
    let names = names.await;
    assert!(names[0].starts_with("faustus-worker"), "{names:?}");
    assert!(!names[1].starts_with("faustus-worker"), "{names:?}");
    assert!(!names[2].starts_with("faustus-worker"), "{names:?}");
    running.shutdown().await;
}
