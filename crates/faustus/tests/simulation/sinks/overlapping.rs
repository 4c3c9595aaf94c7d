//! Functions as sinks of events that are taken together, or end outside of the loop.

use faustus::{ManualEvent, TopicPartition};

use super::*;

#[test]
fn functions_are_called_for_all_events_of_a_batch_and_failures_part_it() {
    async fn together(
        State(diary): State<Diary>,
        mut numbers: Stream<u64, u64>,
    ) -> faustus::Result {
        while let Some(batch) = numbers.take(3, Duration::from_secs(1)).await? {
            diary.note(format!("batch of {}", batch.len()));
            for number in &batch {
                number.reply(**number);
            }
        }
        Ok(())
    }
    for_seeds(async |cluster, guarantee| {
        let diary = Diary::default();
        let app = App::new("app");
        let numbers = app.topic::<u64>("numbers").partitions(1);
        let to = app.topic::<u64>("said").partitions(1);
        let app = app
            .with_state(diary.clone())
            .agent("together", &numbers, |a| {
                a.sink(&to)
                    .sink(noting(&diary, usize::MAX))
                    .on_failure(FailurePolicy::skip())
                    .run(together)
            });
        let _worker = cluster.worker(app, settings(guarantee));
        send(&cluster, [1, 2, 3, 4, 13, 5]).await;
        cluster.settle().await;
        assert_eq!(said(&cluster).await, [1, 2, 3, 4, 5]);
        let diary = diary.take();
        assert_eq!(
            diary[..4],
            ["batch of 3", "function 1", "function 2", "function 3"]
        );
        assert_eq!(
            diary.iter().filter(|line| *line == "batch of 1").count(),
            3,
            "{diary:?}"
        );
    });
}

/// Events that the program keeps.
type Kept = Arc<Mutex<Vec<ManualEvent<u64, u64>>>>;

async fn keep(State(kept): State<Kept>, numbers: Stream<u64, u64>) -> faustus::Result {
    let mut numbers = numbers.manual();
    while let Some(number) = numbers.next().await? {
        kept.lock().push(number);
    }
    Ok(())
}

fn keeper<M>(
    kept: &Kept,
    policy: FailurePolicy,
    function: impl faustus::Sink<u64, M>,
) -> App<Kept> {
    let app = App::new("app");
    let numbers = app.topic::<u64>("numbers").partitions(1);
    let to = app.topic::<u64>("said").partitions(1);
    app.with_state(Arc::clone(kept))
        .agent("keep", &numbers, |a| {
            a.sink(&to).sink(function).on_failure(policy).run(keep)
        })
}

fn acknowledge(kept: &Kept) {
    for mut event in kept.lock().drain(..) {
        let value = *event;
        event.reply(value);
        event.ack();
    }
}

#[test]
fn an_event_that_is_acknowledged_is_complete_when_its_functions_are() {
    for_seeds(async |cluster, guarantee| {
        let (kept, gate) = (Kept::default(), Arc::new(Semaphore::new(0)));
        let worker = cluster.worker(keeper(&kept, retry(), gated(&gate)), settings(guarantee));
        send(&cluster, [1, 2]).await;
        moment(&cluster).await;
        acknowledge(&kept);
        moment(&cluster).await;
        assert_eq!(said(&cluster).await, [0_u64; 0]);
        gate.add_permits(1);
        moment(&cluster).await;
        let one = said(&cluster).await.len();
        assert!(
            one <= 1,
            "they end in any order and are stored in that of the log"
        );
        gate.add_permits(1);
        cluster.settle().await;
        assert_eq!(said(&cluster).await, [1, 2]);
        assert_eq!(worker.shutdown().await.unwrap(), Ended::Drained);
    });
}

#[test]
fn an_acknowledged_event_whose_function_fails_meets_the_policy() {
    for_seeds(async |cluster, guarantee| {
        let (kept, diary) = (Kept::default(), Diary::default());
        let app = keeper(&kept, FailurePolicy::park(), noting(&diary, 1));
        let worker = cluster.worker(app, settings(guarantee));
        send(&cluster, [1, 13, 2]).await;
        moment(&cluster).await;
        acknowledge(&kept);
        moment(&cluster).await;
        check_parked(&worker, "sink: told to fail").await;
        worker
            .handle()
            .skip(&TopicPartition::new("numbers", 0), Offset(1));
        moment(&cluster).await;
        acknowledge(&kept);
        cluster.settle().await;
        assert_eq!(said(&cluster).await, [1, 2]);
    });
}

#[test]
fn a_function_that_panics_after_the_acknowledgement_harms_its_event_alone() {
    for_seeds(async |cluster, guarantee| {
        let kept = Kept::default();
        let panics = |number: u64| assert!(number != 13, "told to panic");
        let app = keeper(&kept, FailurePolicy::skip(), panics);
        let _worker = cluster.worker(app, settings(guarantee));
        send(&cluster, [1, 13, 2]).await;
        moment(&cluster).await;
        acknowledge(&kept);
        cluster.settle().await;
        assert_eq!(said(&cluster).await, [1, 2]);
    });
}
