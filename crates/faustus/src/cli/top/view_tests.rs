//! What is made of two moments.

use super::{
    super::{
        example::{BEGIN, at_time, because, history, lane, recovering, since, worker},
        snapshot::{History, Seen},
    },
    *,
};

fn view(before: Vec<Seen>, now: Vec<Seen>) -> View {
    View::new(&history(before, now))
}

fn counted(total: u64, per_second: f64) -> Counted {
    Counted {
        total,
        per_second: Some(per_second),
    }
}

#[test]
fn counts_of_all_workers_are_added_and_so_are_their_rates() {
    let before = vec![worker(1, 0..2, 1_000), worker(2, 2..3, 500)];
    let now = vec![worker(1, 0..2, 1_300), worker(2, 2..3, 600)];
    let view = view(before, now);
    assert_eq!(view.workers, [1, 2]);
    assert_eq!(view.interval_seconds, Some(1.0));
    assert_eq!(view.agents[0].agent, "total");
    assert_eq!(view.agents[0].events, counted(3_200, 700.0));
    assert_eq!(view.agents[0].failures, counted(19, 4.0));
    assert_eq!(view.agents[1].events, counted(0, 0.0));
    assert_eq!(view.tables[0].writes, counted(3_200, 700.0));
    assert_eq!(view.received.records, counted(3_220, 700.0));
    assert_eq!(view.received.bytes, counted(3_220 * 120, 700.0 * 120.0));
    assert_eq!(view.sent.records, counted(4_800, 1_050.0));
    let topics: Vec<_> = view.topics.iter().map(|topic| &*topic.topic).collect();
    assert_eq!(topics, ["orders", "receipts", "shop-totals-changelog"]);
    assert_eq!(view.topics[1].sent.records, counted(1_600, 350.0));
    assert_eq!(view.records_held, 30);
    assert_eq!(view.epochs.committed, counted(19, 4.0));
}

#[test]
fn rates_are_of_the_time_that_passed() {
    let mut history = History::default();
    history.push(at_time(BEGIN, vec![worker(1, 0..1, 1_000)]));
    history.push(at_time(BEGIN + 500, vec![worker(1, 0..1, 1_300)]));
    let view = View::new(&history);
    assert_eq!(view.interval_seconds, Some(0.5));
    assert_eq!(view.agents[0].events, counted(1_300, 600.0));
}

#[test]
fn before_there_are_two_moments_no_rate_is_known() {
    let mut history = History::default();
    history.push(at_time(BEGIN, vec![worker(1, 0..1, 1_000)]));
    let view = View::new(&history);
    let unknown = Counted {
        total: 1_000,
        per_second: None,
    };
    assert_eq!(view.agents[0].events, unknown);
    assert_eq!(view.partitions[0].done_per_second, None);
    assert_eq!(view.epochs.whole, Spread::default());
}

#[test]
fn a_worker_that_starts_anew_or_comes_later_has_no_rate_yet() {
    let before = vec![worker(1, 0..1, 1_000)];
    let now = vec![worker(1, 0..1, 1_100), worker(2, 1..2, 50_000)];
    let view = view(before, now);
    assert_eq!(view.agents[0].events, counted(51_100, 100.0));
    assert_eq!(view.partitions[1].done_per_second, None);
}

#[test]
fn lag_is_known_by_partition_and_in_all() {
    let view = view(vec![worker(1, 0..3, 900)], vec![worker(1, 0..3, 1_000)]);
    let lags: Vec<_> = view
        .partitions
        .iter()
        .map(|of| (of.lag_records, of.lag_seconds))
        .collect();
    let expected = [
        (Some(0), Some(0.0)),
        (Some(10), Some(3.5)),
        (Some(20), Some(6.0)),
    ];
    assert_eq!(lags, expected);
    assert_eq!(view.lag_records(), Some(30));
    assert_eq!(view.lag_seconds(), Some(6.0));
    assert_eq!(view.partitions[2].done_per_second, Some(100.0));
    let nothing = View::new(&history(vec![worker(1, 0..0, 0)], vec![worker(1, 0..0, 0)]));
    assert_eq!((nothing.lag_records(), nothing.lag_seconds()), (None, None));
}

#[test]
fn the_worst_lanes_come_first_and_of_them_the_longest() {
    let mut now = worker(1, 0..1, 1_000);
    now.lanes = vec![
        since(lane(0, "in event"), 0),
        since(lane(1, "in event"), 3),
        lane(2, "paused"),
        since(lane(3, "in event"), 60),
        lane(4, "waiting"),
        lane(5, "blocked"),
        because(lane(6, "parked"), "thirteen"),
        since(lane(7, "blocking"), 5),
        since(lane(8, "retrying"), -4),
    ];
    let view = view(vec![worker(1, 0..1, 900)], vec![now]);
    let interest = view.lanes.of_interest.iter();
    let told: Vec<_> = interest
        .map(|one| (&*one.lane.task, &*one.lane.state, one.seconds))
        .collect();
    let expected = [
        ("total/6", "parked", None),
        ("total/7", "blocking", Some(5.0)),
        ("total/8", "retrying", Some(4.0)),
        ("total/3", "in event", Some(60.0)),
        ("total/1", "in event", Some(3.0)),
        ("total/2", "paused", None),
        ("total/5", "blocked", None),
    ];
    assert_eq!(told, expected);
    assert_eq!(view.lanes.states["in event"], 3);
    assert_eq!(view.lanes.states["waiting"], 1);
}

#[test]
fn a_recovery_tells_how_much_is_done_how_fast_and_how_long_it_will_take() {
    let before = vec![recovering(worker(1, 0..2, 1_000), 1, 21_000)];
    let now = vec![recovering(worker(1, 0..2, 1_000), 1, 26_000)];
    let expected = Recovery {
        table: "totals".to_owned(),
        partition: 1,
        done: 0.25,
        remaining_records: 75_000,
        records_per_second: Some(5_000.0),
        seconds_left: Some(15.0),
    };
    assert_eq!(view(before.clone(), now).recoveries, [expected]);
    let stands = view(before.clone(), before.clone());
    assert_eq!(stands.recoveries[0].seconds_left, None, "nobody knows");
    let done = vec![recovering(worker(1, 0..2, 1_000), 1, 101_000)];
    assert_eq!(view(before, done).recoveries, []);
}

#[test]
fn times_are_those_of_the_last_ten_seconds() {
    let mut history = History::default();
    history.push(at_time(BEGIN, vec![worker(1, 0..1, 0)]));
    for second in 1..=5 {
        history.push(at_time(BEGIN + 1000 * second, vec![worker(1, 0..1, 400)]));
    }
    let p99 = |history: &History| View::new(history).epochs.whole.p99_seconds;
    let slow = p99(&history).unwrap();
    assert!((1.0..=2.5).contains(&slow), "the first took long: {slow}");
    for second in 6..=15 {
        let events = 400 + 100 * u64::try_from(second).unwrap();
        history.push(at_time(
            BEGIN + 1000 * second,
            vec![worker(1, 0..1, events)],
        ));
    }
    let fast = p99(&history).unwrap();
    assert!((0.01..=0.025).contains(&fast), "{fast}");
    history.push(at_time(BEGIN + 3_600_000, vec![worker(1, 0..1, 9_000)]));
    assert!(
        p99(&history).is_some(),
        "at least those of the last interval"
    );
}
