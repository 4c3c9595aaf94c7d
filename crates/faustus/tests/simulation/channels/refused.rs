//! What cannot be done with channels, and what is said of it.

use super::*;

async fn nothing(_: Stream<u64, u64>) -> faustus::Result {
    Ok(())
}

async fn report<S: Clone + Send + Sync + 'static>(cluster: &Cluster, app: App<S>) -> String {
    let ended = cluster.worker(app, Settings::default()).ended().await;
    ended.unwrap_err().to_string()
}

#[test]
fn the_start_tells_what_channels_cannot_do() {
    faustus::testing::simulate(1, async |cluster| {
        let app = App::new("app");
        let (numbers, again) = (app.channel::<u64>("numbers"), app.channel::<u64>("again"));
        let _texts = app.channel::<String>("numbers");
        let (topic, letters) = (app.topic::<u64>("again"), app.topic::<u64>("letters"));
        let sums = app.table::<String, u64>("sums");
        let policy = FailurePolicy::dead_letter(&letters);
        let app = app
            .agent("both", numbers.combine(&topic), |a| a.run(nothing))
            .agent("sum", &numbers, |a| a.table(&sums).run(nothing))
            .agent("letter", &numbers, |a| a.on_failure(policy).run(nothing))
            .agent("forth", &numbers, |a| a.sink(&again).run(nothing))
            .agent("back", &again, |a| a.sink(&numbers).run(nothing))
            .agent("self", &numbers, |a| a.sink(&numbers).run(nothing));
        let said = report(&cluster, app).await;
        assert_eq!(said, REPORT, "{said}");
    });
}

const REPORT: &str = "\
application app cannot start:
  - channel numbers is made twice, for values of different types: give each a name of its own
  - a channel and a topic are both named \"again\": give one of them another name
  - agent both reads channel numbers together with a topic: every worker has a channel of its own, and \
partitions of a topic are shared; give each an agent, or put what is in the topic into the channel
  - agent sum reads channel numbers and writes table sums: what is in a channel belongs to no partition and is \
gone after a crash; send it through a topic with group_by or through
  - agent letter reads channel numbers and sends dead letters to topic letters: values of a channel are no \
records; skip what fails and tell of it in on_error, or send it on in the agent
  - agent back: channels form a cycle: numbers -> again -> numbers; once they are full nothing moves any more: \
let one step go through a topic
  - agent self: channels form a cycle: numbers -> numbers; once they are full nothing moves any more: let one \
step go through a topic";

#[test]
fn a_cycle_that_only_an_event_shows_fails_that_event() {
    for_seeds(async |cluster, guarantee| {
        async fn back(State(to): State<Channel<u64>>, mut numbers: Stream<u64>) -> faustus::Result {
            while let Some(number) = numbers.next().await? {
                number.put(&to, *number)?;
            }
            Ok(())
        }
        let app = App::new("app");
        let (one, two) = (app.channel::<u64>("one"), app.channel::<u64>("two"));
        let app = app
            .with_state(two.clone())
            .agent("forth", &one, |a| a.run(back))
            .with_state(one.clone())
            .agent("back", &two, |a| a.run(back));
        let worker = cluster.worker(app, settings(guarantee));
        worker.handle().started().await.unwrap();
        one.put(1).await.unwrap();
        moment(&cluster).await;
        let statuses = worker.status().await;
        let parked = |state: &TaskState| match state {
            TaskState::Parked(why) => Some(why.clone()),
            _ => None,
        };
        let why: Vec<_> = statuses
            .iter()
            .filter_map(|status| parked(&status.state))
            .collect();
        assert_eq!(why.len(), 1, "{statuses:?}");
        assert!(
            why[0].contains("channels form a cycle: two -> one -> two")
                || why[0].contains("one -> two -> one"),
            "{why:?}"
        );
    });
}

#[test]
fn a_value_of_a_channel_is_not_forwarded() {
    for_seeds(async |cluster, guarantee| {
        async fn forward(
            State(to): State<Topic<u64>>,
            mut numbers: Stream<u64>,
        ) -> faustus::Result {
            while let Some(number) = numbers.next().await? {
                number.forward(&to, "key")?;
            }
            Ok(())
        }
        let app = App::new("app");
        let (numbers, topic) = (app.channel::<u64>("numbers"), app.topic::<u64>("topic"));
        let app = app
            .with_state(topic)
            .agent("forward", &numbers, |a| a.run(forward));
        let worker = cluster.worker(app, settings(guarantee));
        worker.handle().started().await.unwrap();
        numbers.put(1).await.unwrap();
        moment(&cluster).await;
        crate::scenario::check_parked(&worker, "is no record that could be forwarded").await;
    });
}

#[test]
fn a_channel_that_an_agent_reads_gives_nobody_else_values() {
    for_seeds(async |cluster, guarantee| {
        let (app, state) = app();
        let worker = cluster.worker(app, settings(guarantee));
        worker.handle().started().await.unwrap();
        let refused = state.numbers.get().await.unwrap_err().to_string();
        assert!(
            refused.starts_with("channel numbers is read by agent note"),
            "{refused}"
        );
    });
}
