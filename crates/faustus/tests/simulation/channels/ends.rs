//! What becomes of values in channels when a worker ends.

use super::*;

/// Passes numbers on to its sink, slowly.
async fn pass(mut numbers: Stream<u64, u64>) -> faustus::Result {
    while let Some(number) = numbers.next().await? {
        tokio::time::sleep(Duration::from_millis(20)).await;
        number.reply(*number);
    }
    Ok(())
}

#[test]
fn an_orderly_end_finishes_what_is_in_all_channels() {
    for_seeds(async |cluster, guarantee| {
        let app = App::new("app");
        let (one, two, state) = (app.channel("one"), app.channel("two"), Numbers::new(&app));
        let app = app
            .agent("first", &one, |a| a.sink(&two).run(pass))
            .agent("second", &two, |a| a.sink(&state.numbers).run(pass))
            .with_state(state.clone())
            .agent("third", &state.numbers, |a| a.run(note));
        let worker = cluster.worker(app, settings(guarantee));
        worker.handle().started().await.unwrap();
        for number in 0..20 {
            one.put(number).await.unwrap();
        }
        assert_eq!(worker.shutdown().await.unwrap(), Ended::Drained);
        assert_eq!(state.seen(), (0..20).collect::<Vec<_>>());
    });
}

#[test]
fn what_is_not_finished_in_time_is_lost_and_said_to_be() {
    for_seeds(async |cluster, guarantee| {
        let (app, state) = app();
        let worker = cluster.worker(app, settings(guarantee));
        worker.handle().started().await.unwrap();
        let _shut = state.shut();
        state.numbers.put(1).await.unwrap();
        state.numbers.put(2).await.unwrap();
        let before = cluster.clock().monotonic();
        assert_eq!(worker.shutdown().await.unwrap(), Ended::Cut);
        let took = cluster.clock().monotonic() - before;
        assert!(took < Duration::from_secs(45), "{took:?}");
        assert!(state.seen().is_empty());
    });
}

#[test]
fn an_end_does_not_wait_for_values_that_no_agent_reads() {
    for_seeds(async |cluster, guarantee| {
        let app = App::new("app");
        let (numbers, left) = (app.channel("numbers"), app.channel::<u64>("left"));
        let app = app.agent("pass", &numbers, |a| a.sink(&left).run(pass));
        let worker = cluster.worker(app, settings(guarantee));
        worker.handle().started().await.unwrap();
        numbers.put(1).await.unwrap();
        let before = cluster.clock().monotonic();
        assert_eq!(worker.shutdown().await.unwrap(), Ended::Drained);
        assert!(cluster.clock().monotonic() - before < Duration::from_secs(5));
        assert_eq!(left.get().await.unwrap(), Some(1));
        assert_eq!(left.get().await.unwrap(), None);
    });
}

#[test]
fn a_channel_is_used_while_its_application_runs() {
    for_seeds(async |cluster, guarantee| {
        let (app, state) = app();
        let early = state.numbers.put(1).await.unwrap_err().to_string();
        assert!(
            early.contains("can be used once the application runs"),
            "{early}"
        );
        let worker = cluster.worker(app, settings(guarantee));
        worker.handle().started().await.unwrap();
        worker.shutdown().await.unwrap();
        let late = state.numbers.put(1).await.unwrap_err().to_string();
        assert!(late.contains("the application has ended"), "{late}");
    });
}

#[test]
fn what_was_in_a_channel_when_the_worker_died_is_gone_and_all_else_goes_on() {
    for_seeds(async |cluster, guarantee| {
        let (first_app, first) = app();
        let worker = cluster.worker(first_app, settings(guarantee));
        worker.handle().started().await.unwrap();
        let _shut = first.shut();
        send(&cluster, 0..3).await;
        moment(&cluster).await;
        worker.crash();
        let (second_app, second) = app();
        let _second = cluster.worker(second_app, settings(guarantee));
        send(&cluster, 3..5).await;
        cluster.settle().await;
        assert_eq!(
            second.seen(),
            [3, 4],
            "its events were committed: a channel is volatile"
        );
    });
}
