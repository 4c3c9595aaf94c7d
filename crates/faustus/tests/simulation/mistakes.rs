//! What a worker says that cannot start.

use std::sync::Arc;

use faustus::{
    ErrorKind, Offset, Settings, TaskState, TaskStatus, TopicPartition, prelude::*,
    testing::simulate,
};
use parking_lot::Mutex;

use crate::common::said;

#[derive(Record, Serialize, Deserialize)]
struct Order {
    account: String,
}

async fn total(_: Stream<Order, u64>) -> faustus::Result {
    Ok(())
}

struct Pool;

impl faustus::Service for Pool {}

#[test]
fn the_report_of_a_start_tells_all_mistakes_and_what_to_do() {
    simulate(1, async |cluster| {
        let app = App::new("bank");
        let orders = app.topic::<Order>("orders");
        let said = app.topic("total said");
        let totals: Table<String, u64> = app.table("totals");
        let changes = app.topic::<Order>("bank-totals-changelog");
        let policy = FailurePolicy::dead_letter(&orders);
        let app = app
            .agent("total", orders.group_by(Order::ACCOUNT), |a| {
                a.table(&totals).sink(&said).run(total)
            })
            .agent("total", &orders, |a| a.on_failure(policy).run(total))
            .agent("copy", &changes, |a| {
                a.table(&totals).concurrency(4).run(total)
            })
            .timer("tick", secs(0), async || Ok(()))
            .service("pool", |s| s.run(Pool))
            .service("web", |s| s.needs("pol").run(Pool));
        let ended = cluster.worker(app, Settings::default()).ended().await;
        let report = ended.unwrap_err().to_string();
        assert_eq!(report, REPORT, "{report}");
    });
}

#[test]
fn an_agent_that_binds_a_table_it_was_not_given_is_told_of_the_one_it_has() {
    async fn add(State(wrong): State<Table<String, u64>>, numbers: Stream<u64>) -> faustus::Result {
        let _ = numbers.bind(&wrong);
        Ok(())
    }
    simulate(1, async |cluster| {
        let app = App::new("app");
        let (sums, sum) = (app.table::<String, u64>("sums"), app.table("sum"));
        let numbers = app.topic("numbers").partitions(1);
        let app = app.with_state(sum);
        let said = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&said);
        let app = app.agent("add", &numbers, |a| {
            a.table(&sums)
                .on_error(move |failure| heard.lock().push(failure.error.to_string()))
                .run(add)
        });
        let worker = cluster.worker(app, Settings::default());
        cluster.send("numbers", "", &1_u64).await;
        cluster.sleep(minutes(1)).await;
        let said = said.lock().clone();
        let [said] = &said[..] else {
            panic!("told {} times", said.len());
        };
        let parts = [
            "agent add binds table sum",
            "add .table(&sum)",
            "did you mean",
        ];
        for part in parts {
            assert!(said.contains(part), "{part}\n{said}");
        }
        let tasks = worker.status().await;
        let is_parked =
            |task: &TaskStatus| matches!(&task.state, TaskState::Parked(why) if why.contains(said));
        assert!(tasks.iter().all(is_parked), "{tasks:?}");
    });
}

#[test]
fn a_task_that_is_parked_says_how_it_goes_on_and_a_record_that_is_passed_over_is_told() {
    async fn sum(mut numbers: Stream<u64>) -> faustus::Result {
        while numbers.next().await?.is_some() {}
        Ok(())
    }
    said::listen();
    simulate(1, async |cluster| {
        let app = App::new("told-app");
        let numbers = app.topic("told-numbers").partitions(1);
        let app = app.agent("sum", &numbers, |a| a.run(sum));
        let worker = cluster.worker(app, Settings::default());
        cluster.send("told-numbers", "", &"no number").await;
        cluster.settle().await;
        let remedy = "remedy=mend the cause, then `resume`, or `skip told-numbers/0@0`";
        said::check(&["record=told-numbers/0@0", "task parked", remedy]);
        worker
            .handle()
            .skip(&TopicPartition::new("told-numbers", 0), Offset(0));
        cluster.settle().await;
        said::check(&["agent=sum record=told-numbers/0@0", "record is passed over"]);

        let later = Offset(1);
        worker
            .handle()
            .skip(&TopicPartition::new("told-numbers", 0), later);
        cluster.send("told-numbers", "", &7_u64).await;
        cluster.settle().await;
        said::check(&["agent=sum record=told-numbers/0@1", "record is passed over"]);
    });
}

#[test]
fn who_waits_for_an_application_that_cannot_start_hears_why() {
    simulate(1, async |cluster| {
        let app = App::new("bank");
        let orders = app.topic::<u64>("orders");
        let app = app.service("web", |s| s.needs("pol").run(Pool));
        let worker = cluster.worker(app, Settings::default());
        let waited = worker.handle().started().await.unwrap_err();
        let sent = orders.send("", &1).await.unwrap_err();
        for error in [waited, sent] {
            assert_eq!(error.kind(), ErrorKind::Configuration);
            assert!(error.to_string().contains("service web needs"), "{error}");
        }
    });
}

const REPORT: &str = r#"application bank cannot start:
  - topic name "total said": use 1 to 249 letters, digits, '.', '_' and '-', as in "total-said"
  - two agents are named "total": names are identities, give each its own
  - agent total sends its dead letters to topic orders, which it reads: what fails would come back for ever; give them a topic of their own
  - topic bank-totals-changelog is the changelog of table totals: read the table by its handle, or give the topic another name
  - timer tick has an interval of zero: give it how long it is from tick to tick
  - service web needs "pol", but there is no such service: did you mean "pool"?
  - agents that write table totals must have the same concurrency: total with 1; copy with 4"#;
