//! A queue of work, as Celery is one: functions that are called by name, by whichever worker is free.
//!
//! ```text
//! cargo run --bin task_queue
//! ```
//!
//! A call is a name and its arguments as JSON. What it gave goes to the topic `task-results`, under the
//! place of the call in the queue. A call that fails is tried again, and in the end it lies in the
//! topic `task-failures`; one of a function that does not exist lies there at once.

#![expect(clippy::print_stdout, reason = "to print is what it is for")]

use std::{collections::BTreeMap, future::Future, pin::Pin, process::ExitCode, sync::Arc};

use faustus::{Error, ErrorKind, prelude::*};
use serde::de::DeserializeOwned;
use serde_json::Value;

/// What somebody wants to have done.
#[derive(Serialize, Deserialize)]
struct Call {
    name: String,
    arguments: Value,
}

/// What a call gave.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Outcome {
    /// Where the call stood in the queue.
    call: String,
    result: Value,
}

/// A function that takes and gives JSON.
type Function =
    dyn Fn(Value) -> Pin<Box<dyn Future<Output = faustus::Result<Value>>>> + Send + Sync;

/// The functions that can be called, by name.
#[derive(Clone, Default)]
struct Functions(BTreeMap<&'static str, Arc<Function>>);

impl Functions {
    /// Adds an async function. Its one argument is made of JSON: a tuple of a list, a struct of an object.
    fn with<A, R, F>(
        mut self,
        name: &'static str,
        function: impl Fn(A) -> F + Send + Sync + 'static,
    ) -> Self
    where
        A: DeserializeOwned,
        R: Serialize,
        F: Future<Output = faustus::Result<R>> + 'static,
    {
        let function = move |arguments| -> Pin<Box<dyn Future<Output = _>>> {
            let started = serde_json::from_value(arguments).map(&function);
            Box::pin(async move { Ok(serde_json::to_value(started?.await?)?) })
        };
        self.0.insert(name, Arc::new(function));
        self
    }

    async fn call(&self, call: &Call) -> faustus::Result<Value> {
        // Of a kind that does not pass by itself, so it is not tried again.
        let missing = || {
            Error::new(
                ErrorKind::Configuration,
                format!("no function {}", call.name),
            )
        };
        let function = self.0.get(&*call.name).ok_or_else(missing)?;
        function(call.arguments.clone()).await
    }
}

/// Adds two numbers.
async fn add((a, b): (f64, f64)) -> faustus::Result<f64> {
    Ok(a + b)
}

/// Whom to greet, and how.
#[derive(Deserialize)]
struct Greeting {
    name: String,
    #[serde(default = "hello")]
    word: String,
}

fn hello() -> String {
    "hello".to_owned()
}

/// Greets somebody after a while.
async fn greet(greeting: Greeting) -> faustus::Result<String> {
    tokio::time::sleep(millis(50)).await;
    Ok(format!("{}, {}", greeting.word, greeting.name))
}

/// The handle through which work is given to the queue.
#[derive(Clone)]
struct Queue(Topic<Call>);

impl Queue {
    /// Has the function `name` called some time, and gives where the call stands.
    async fn delay(&self, name: &str, arguments: impl Serialize) -> faustus::Result<String> {
        let call = Call {
            name: name.to_owned(),
            arguments: serde_json::to_value(arguments)?,
        };
        // Without a key calls are spread over all partitions, and so over all workers.
        let (partition, offset) = self.0.send(&(), &call).await?;
        Ok(place(partition.partition, offset.0))
    }
}

fn place(partition: u32, offset: i64) -> String {
    format!("{partition}@{offset}")
}

/// What agents and tasks share.
#[derive(Clone)]
struct Work {
    queue: Queue,
    functions: Functions,
}

/// Does what is called for.
async fn work(State(work): State<Work>, mut calls: Stream<Call, Outcome>) -> faustus::Result {
    while let Some(call) = calls.next().await? {
        let result = work.functions.call(&call).await?;
        let call_place = place(call.partition(), call.offset().0);
        println!("{} at {call_place} gave {result}", call.name);
        call.reply(Outcome {
            call: call_place,
            result,
        });
    }
    Ok(())
}

/// Gives some work to the queue.
async fn produce(State(work): State<Work>) -> faustus::Result {
    for number in 0..10 {
        work.queue.delay("add", (number, number)).await?;
    }
    let ann = serde_json::json!({ "name": "Ann" });
    work.queue.delay("greet", ann).await?;
    work.queue.delay("divide", (1, 0)).await?;
    Ok(())
}

fn app() -> App<Work> {
    let app = App::new("task-queue");
    let calls = app.topic("tasks").partitions(4);
    let (results, failures) = (
        app.topic("task-results"),
        app.topic::<Call>("task-failures"),
    );
    let policy = FailurePolicy::retry(3, millis(100)).then_dead_letter(&failures);
    let work_state = Work {
        queue: Queue(calls.clone()),
        functions: Functions::default().with("add", add).with("greet", greet),
    };
    app.with_state(work_state)
        .agent("work", &calls, |a| {
            // One call waits for no other.
            a.unordered(10).sink(&results).on_failure(policy).run(work)
        })
        .task("produce", produce)
}

fn main() -> ExitCode {
    app().main()
}

#[cfg(test)]
mod tests {
    use faustus::{Settings, testing::simulate};
    use serde_json::json;

    use super::{Call, Outcome, app, place};

    #[test]
    fn calls_are_done_by_name_and_those_of_no_function_are_laid_aside() {
        simulate(1, async |cluster| {
            let start = || cluster.worker(app(), Settings::default());
            // Two workers, each of which gives work to the queue.
            let _workers = [start(), start()];
            cluster.settle().await;
            let results = cluster.records("task-results").await;
            let results: Vec<Outcome> = results.iter().map(|record| record.json()).collect();
            assert_eq!(results.len(), 2 * 11);
            for expected in [json!(0.0), json!(18.0), json!("hello, Ann")] {
                let given = results.iter().filter(|outcome| outcome.result == expected);
                assert_eq!(given.count(), 2, "{expected}");
            }
            let failures = cluster.records("task-failures").await;
            let names: Vec<String> = failures.iter().map(|f| f.json::<Call>().name).collect();
            assert_eq!(names, ["divide", "divide"]);
        });
    }

    #[test]
    fn a_result_names_the_call_it_belongs_to() {
        simulate(1, async |cluster| {
            cluster.worker(app(), Settings::default());
            cluster.settle().await;
            let calls = cluster.records("tasks").await;
            let called = |outcome: &Outcome| -> Call {
                let call = calls
                    .iter()
                    .find(|call| place(call.partition, call.offset.0) == outcome.call);
                call.unwrap().json()
            };
            let results = cluster.records("task-results").await;
            let mut sums = 0;
            for outcome in results.iter().map(|record| record.json::<Outcome>()) {
                let call = called(&outcome);
                if call.name == "add" {
                    let (a, b): (f64, f64) = serde_json::from_value(call.arguments).unwrap();
                    assert_eq!(outcome.result, json!(a + b));
                    sums += 1;
                }
            }
            assert_eq!(sums, 10);
        });
    }
}
