//! Timers, crontabs and tasks: when they run, and what their failures are.

use std::time::Duration;

use faustus::{Settings, prelude::*, testing::simulate};

use crate::common::diary::Diary;

/// An application without agents.
fn app(name: &str, diary: &Diary) -> App<Diary> {
    App::new(name).with_state(diary.clone())
}

async fn tick(State(diary): State<Diary>) -> faustus::Result {
    diary.note("tick");
    Ok(())
}

#[test]
fn a_timer_ticks_at_a_fixed_rate_after_one_interval() {
    async fn slow(State(diary): State<Diary>) -> faustus::Result {
        diary.note("tick");
        tokio::time::sleep(millis(9_999)).await;
        Ok(())
    }
    simulate(1, async |cluster| {
        let diary = Diary::new(cluster.clock());
        let app = app("timers", &diary).timer("slow", secs(10), slow);
        let worker = cluster.worker(app, Settings::default());
        cluster.sleep(secs(9)).await;
        assert!(diary.notes().is_empty());
        cluster.sleep(secs(3600)).await;
        assert!(diary.times("tick").len() >= 359, "{:?}", diary.notes());
        assert!(diary.steps("tick").iter().all(|step| *step == secs(10)));
        worker.crash();
    });
}

#[test]
fn a_tick_that_takes_longer_than_the_interval_leaves_ticks_out_and_never_overlaps() {
    async fn slow(State(diary): State<Diary>) -> faustus::Result {
        diary.note("begin");
        tokio::time::sleep(secs(25)).await;
        diary.note("end");
        Ok(())
    }
    simulate(1, async |cluster| {
        let diary = Diary::new(cluster.clock());
        let app = app("timers", &diary).timer("slow", secs(10), slow);
        let worker = cluster.worker(app, Settings::default());
        cluster.sleep(secs(600)).await;
        let notes = diary.notes();
        assert!(notes.len() > 30);
        let pairs = notes.chunks_exact(2);
        assert!(pairs.into_iter().all(|two| two == ["begin", "end"]));
        assert!(diary.steps("begin").iter().all(|step| *step == secs(30)));
        worker.crash();
    });
}

#[test]
fn a_timer_that_fails_or_panics_goes_on_at_its_next_tick() {
    async fn fail(State(diary): State<Diary>) -> faustus::Result {
        diary.note("fail");
        Ok("seven".parse::<u32>().map(drop)?)
    }
    async fn panic(State(diary): State<Diary>) -> faustus::Result {
        diary.note("panic");
        panic!("as the test wants it");
    }
    simulate(1, async |cluster| {
        let diary = Diary::new(cluster.clock());
        let app = app("timers", &diary)
            .timer("fail", secs(10), fail)
            .timer("panic", secs(10), panic)
            .timer("other", secs(10), tick);
        let worker = cluster.worker(app, Settings::default());
        cluster.sleep(secs(61)).await;
        for what in ["fail", "panic", "tick"] {
            assert_eq!(diary.times(what).len(), 6, "{what}");
        }
        // Nor does the worker mind.
        worker.shutdown().await.unwrap();
    });
}

#[test]
fn jitter_delays_ticks_and_makes_them_not_drift() {
    simulate(1, async |cluster| {
        let diary = Diary::new(cluster.clock());
        let app = app("timers", &diary)
            .timer("exact", secs(10), async |State(diary): State<Diary>| {
                diary.note("exact");
                Ok(())
            })
            .timer("jitter", every(secs(10)).jitter(secs(5)), tick);
        let worker = cluster.worker(app, Settings::default());
        cluster.sleep(secs(1009)).await;
        let delays: Vec<Duration> = diary
            .times("exact")
            .into_iter()
            .zip(diary.times("tick"))
            .map(|(exact, tick)| tick - exact)
            .collect();
        assert!(delays.len() >= 100);
        assert!(delays.iter().all(|delay| *delay < secs(5)), "{delays:?}");
        assert!(delays.iter().any(|delay| *delay > secs(4)), "{delays:?}");
        assert!(delays.iter().any(|delay| *delay < secs(1)), "{delays:?}");
        worker.crash();
    });
}

#[test]
fn a_crontab_runs_when_the_clock_shows_its_time() {
    // The simulation begins at midnight.
    simulate(1, async |cluster| {
        let diary = Diary::new(cluster.clock());
        let app = app("timers", &diary)
            .crontab("quarters", "*/15 * * * *", tick)
            .crontab(
                "two",
                "0 3 * * * Europe/Berlin",
                async |State(diary): State<Diary>| {
                    diary.note("two");
                    Ok(())
                },
            );
        let worker = cluster.worker(app, Settings::default());
        cluster.sleep(hours(3)).await;
        let expected: Vec<_> = (1..=11).map(|n| minutes(15 * n)).collect();
        assert_eq!(diary.times("tick")[..11], expected);
        assert_eq!(diary.times("two"), [hours(2)]);
        worker.crash();
    });
}

#[test]
fn a_crontab_that_names_no_zone_is_in_that_of_the_application() {
    simulate(1, async |cluster| {
        let diary = Diary::new(cluster.clock());
        // Three o'clock is at two in Berlin's winter, and at ten in New York the evening before.
        let app = app("timers", &diary)
            .crontab("before", "0 3 * * *", tick)
            .timezone("Europe/Berlin")
            .crontab("after", "30 3 * * *", tick)
            .crontab("elsewhere", "30 22 * * * America/New_York", tick);
        let worker = cluster.worker(app, Settings::default());
        cluster.sleep(hours(24)).await;
        let expected = [hours(2), minutes(150), minutes(210)];
        assert_eq!(diary.times("tick"), expected);
        worker.crash();
    });
}

#[test]
fn a_time_zone_of_the_application_that_is_none_is_a_mistake() {
    simulate(1, async |cluster| {
        let diary = Diary::new(cluster.clock());
        let app = app("timers", &diary).timezone("Europe/Berlim");
        let ended = cluster.worker(app, Settings::default()).ended().await;
        let report = ended.unwrap_err().to_string();
        let mistake = "the application's time zone: there is no time zone \"Europe/Berlim\": did you mean \"Europe/Berlin\"?";
        assert!(report.contains(mistake), "{report}");
    });
}

#[test]
fn a_crontab_that_panics_runs_again_at_its_next_time() {
    async fn panic(State(diary): State<Diary>) -> faustus::Result {
        diary.note("panic");
        panic!("as the test wants it");
    }
    simulate(1, async |cluster| {
        let diary = Diary::new(cluster.clock());
        let app = app("timers", &diary).crontab("panic", "@hourly", panic);
        let worker = cluster.worker(app, Settings::default());
        cluster.sleep(hours(3) + secs(1)).await;
        assert_eq!(diary.times("panic"), [hours(1), hours(2), hours(3)]);
        worker.crash();
    });
}

#[test]
fn what_was_due_while_the_worker_stood_still_runs_once() {
    simulate(1, async |cluster| {
        let diary = Diary::new(cluster.clock());
        let app = app("timers", &diary)
            .crontab("hours", "0 * * * *", tick)
            .timer("timer", minutes(1), async |State(diary): State<Diary>| {
                diary.note("timer");
                Ok(())
            });
        let worker = cluster.worker(app, Settings::default());
        cluster.sleep(minutes(30) + secs(30)).await;
        let before = diary.times("timer").len();
        worker.freeze();
        cluster.sleep(hours(5)).await;
        worker.thaw();
        cluster.sleep(secs(1)).await;
        assert_eq!(diary.times("tick").len(), 1);
        assert_eq!(diary.times("timer").len(), before + 1);
        cluster.sleep(minutes(31)).await;
        assert_eq!(diary.times("tick").len(), 2);
        worker.crash();
    });
}

#[test]
fn mistakes_of_timers_crontabs_and_services_are_told_at_once() {
    struct Nothing;
    impl faustus::Service for Nothing {}
    simulate(1, async |cluster| {
        let diary = Diary::new(cluster.clock());
        let app = app("timers", &diary)
            .timer("never", secs(0), tick)
            .timer("shaken", every(secs(1)).jitter(secs(1)), tick)
            .crontab("feb", "0 0 30 2 *", tick)
            .crontab("seconds", "*/5 * * * * *", tick)
            .crontab("mars", "0 0 * * * Mars/Olympus", tick)
            .crontab("late", "0 25 * * *", tick)
            .task("twin", tick)
            .timer("twin", secs(1), tick)
            .service("web", |s| s.needs("pool").run(Nothing));
        let ended = cluster.worker(app, Settings::default()).ended().await;
        let report = ended.unwrap_err().to_string();
        for part in [
            "timer never has an interval of zero",
            "timer shaken has a jitter of 1s",
            "crontab feb has \"0 0 30 2 *\": it never fires",
            "crontab seconds has \"*/5 * * * * *\": there is no time zone \"*\"",
            "crontab mars has \"0 0 * * * Mars/Olympus\": there is no time zone \"Mars/Olympus\"",
            "crontab late has \"0 25 * * *\"",
            "are named \"twin\"",
            "service web needs \"pool\"",
        ] {
            assert!(report.contains(part), "{part}\n{report}");
        }
        assert_eq!(report.lines().count(), 9, "{report}");
        assert!(diary.notes().is_empty());
    });
}

#[test]
fn a_task_that_fails_or_panics_starts_again_after_growing_pauses() {
    async fn fail(State(diary): State<Diary>) -> faustus::Result {
        diary.note("fail");
        match diary.times("fail").len() {
            // It ran well for long: what comes then is another failure.
            5 => {
                tokio::time::sleep(secs(300)).await;
                panic!("as the test wants it")
            }
            7 => Ok(()),
            n if n % 2 == 0 => panic!("as the test wants it"),
            _ => Ok("seven".parse::<u32>().map(drop)?),
        }
    }
    simulate(1, async |cluster| {
        let diary = Diary::new(cluster.clock());
        let app = app("tasks", &diary).task("fail", fail);
        let worker = cluster.worker(app, Settings::default());
        cluster.sleep(secs(600)).await;
        let expected = [1, 2, 4, 8, 301, 2].map(secs);
        assert_eq!(diary.steps("fail"), expected, "and it is done");
        worker.crash();
    });
}
