//! Requests and replies between both.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use faustus::{
    Error, ErrorKind, FailurePolicy, Settings, TokioClock, TopicConfig, open_log, prelude::*,
};
use faustus_core::{NewTopic, Transport, partition_for_key};
use serde_json::{Value, json};

use crate::{
    common::{Running, check, until},
    every::{Every, Point, bare, full},
    faust::Faust,
};

/// How many partitions all topics have.
pub(crate) const PARTITIONS: u32 = 4;

pub(crate) async fn log(bootstrap: &str) -> Arc<dyn Transport> {
    let clock = Arc::new(TokioClock::real());
    let log = open_log(&format!("kafka://{bootstrap}"), clock).await;
    log.unwrap()
}

/// Makes the topics of Python's agents. One that Faust makes itself it may not see yet when it starts to
/// read, and then never does.
pub(crate) async fn make_topics(log: &Arc<dyn Transport>, name: &str, ends: &[&str]) {
    let topics = ends.iter().map(|end| NewTopic {
        name: format!("{name}.py-{end}").into(),
        partitions: PARTITIONS,
        replicas: None,
        config: TopicConfig::default(),
    });
    let topics: Vec<_> = topics.collect();
    let made = log.admin().create_topics(&topics).await.unwrap();
    assert!(made.iter().all(Result::is_ok), "{made:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn agents_of_python_answer() {
    let bootstrap = kafka_testbed::shared().bootstrap();
    let name = "answered-by-python";
    let log = log(&bootstrap).await;
    let ends = ["double", "where", "untyped", "mirror", "casts"];
    make_topics(&log, name, &ends).await;
    let mut python = Faust::worker(&bootstrap, name);

    let app = App::new(&format!("{name}-rust"));
    let topic = |end| format!("{name}.py-{end}");
    let double = app.topic::<i64>(&topic("double")).agent::<i64>();
    let places = app
        .topic::<String>(&topic("where"))
        .agent::<(u32, String, String)>();
    let untyped = app.topic::<Value>(&topic("untyped")).agent::<Value>();
    let mirror = app.topic::<Value>(&topic("mirror")).agent::<Point>();
    let casts = app.topic::<String>(&topic("casts")).agent::<Vec<String>>();
    let app = app.task("none", async || Ok(()));
    let worker = Running::start(app, &log, Settings::default()).await;

    // While its worker starts, Faust may pass over what waits for it.
    let point = json!({"x": 1, "y": 2, "__faust": {"ns": "test.Point"}});
    let soon = Duration::from_secs(5);
    until(async || {
        let awake: faustus::Result = async {
            double.clone().timeout(soon).ask("k", &1).await?;
            places
                .clone()
                .timeout(soon)
                .ask("k", &String::new())
                .await?;
            untyped.clone().timeout(soon).ask("k", &Value::Null).await?;
            mirror.clone().timeout(soon).ask("k", &point).await?;
            casts
                .clone()
                .timeout(soon)
                .ask("k", &"zero".to_owned())
                .await?;
            Ok(())
        }
        .await;
        awake.map_err(|error| format!("{error}: {}", python.said()))
    })
    .await;

    assert_eq!(double.ask("k", &21).await.unwrap(), 42);
    assert_eq!(double.ask(&(), &-4).await.unwrap(), -8);
    assert_eq!(
        double.join(0..50).await.unwrap(),
        (0..50).map(|n| 2 * n).collect::<Vec<_>>()
    );
    for key in ["a", "b", "k", "é", "account-17"] {
        let (partition, seen, value) = places.ask(key, &"here".to_owned()).await.unwrap();
        let expected = (partition_for_key(key.as_bytes(), PARTITIONS), key, "here");
        assert_eq!((partition, &*seen, &*value), expected);
    }
    for style in [untyped.clone(), untyped.envelope()] {
        let got = style.ask("k", &json!(["é", 1.5, null])).await.unwrap();
        assert_eq!(got, json!({"got": "['é', 1.5, None]"}));
    }
    for style in [mirror.clone(), mirror.envelope()] {
        assert_eq!(style.ask("k", &point).await.unwrap(), Point { x: 2, y: 1 });
    }
    for text in ["one", "two"] {
        casts.cast("k", &text.to_owned()).await.unwrap();
    }
    let noted = casts.ask("k", &"three".to_owned()).await.unwrap();
    assert!(
        noted.ends_with(&["one", "two", "three"].map(str::to_owned)),
        "{noted:?}"
    );
    worker.shutdown().await;
}

async fn double(
    State(seen): State<Arc<Mutex<Vec<i64>>>>,
    mut numbers: Stream<i64, i64>,
) -> faustus::Result {
    while let Some(number) = numbers.next().await? {
        seen.lock().unwrap().push(*number);
        number.reply(*number * 2);
    }
    Ok(())
}

async fn mirror(mut points: Stream<Point, Point>) -> faustus::Result {
    while let Some(point) = points.next().await? {
        point.reply(Point {
            x: point.y,
            y: point.x,
        });
    }
    Ok(())
}

async fn fail(mut texts: Stream<String, String>) -> faustus::Result {
    match texts.next().await? {
        Some(_) => Err(Error::new(ErrorKind::Application, "on purpose")),
        None => Ok(()),
    }
}

async fn place(mut texts: Stream<String, (u32, String)>) -> faustus::Result {
    while let Some(text) = texts.next().await? {
        let key = String::from_utf8_lossy(text.key().unwrap_or_default());
        text.reply((text.partition(), key.into_owned()));
    }
    Ok(())
}

async fn every(
    State(seen): State<Arc<Mutex<Vec<Every>>>>,
    mut records: Stream<Every, Every>,
) -> faustus::Result {
    while let Some(record) = records.next().await? {
        seen.lock().unwrap().push(record.clone());
        record.reply(record.clone());
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn python_asks() {
    let bootstrap = kafka_testbed::shared().bootstrap();
    let name = "asked-by-python";
    let seen: Arc<Mutex<Vec<i64>>> = Arc::default();
    let app = App::new(&format!("{name}-rust"));
    let topic = |end| format!("{name}.rs-{end}");
    let numbers = app.topic::<i64>(&topic("double")).partitions(PARTITIONS);
    let points = app.topic::<Point>(&topic("mirror")).partitions(PARTITIONS);
    let doomed = app.topic::<String>(&topic("fail")).partitions(PARTITIONS);
    let texts = app.topic::<String>(&topic("where")).partitions(PARTITIONS);
    let more = app.topic::<String>(&topic("where-json"));
    let more = more.partitions(PARTITIONS);
    let records = app.topic::<Every>(&topic("every")).partitions(PARTITIONS);
    let seen_records: Arc<Mutex<Vec<Every>>> = Arc::default();
    let app = app
        .agent("mirror", &points, |a| a.run(mirror))
        .agent("fail", &doomed, |a| {
            a.on_failure(FailurePolicy::skip()).run(fail)
        })
        .agent("where", &texts, |a| a.run(place))
        .agent("where-json", &more, |a| a.run(place))
        .with_state(Arc::clone(&seen_records))
        .agent("every", &records, |a| a.run(every))
        .with_state(Arc::clone(&seen))
        .agent("double", &numbers, |a| a.run(double));
    let log = log(&bootstrap).await;
    let worker = Running::start(app, &log, Settings::default()).await;

    let mut python = Faust::asker(&bootstrap, name);
    let answers = until(async || python.answers()).await;
    let expected = [
        ("headers", json!(42)),
        ("no key", json!(44)),
        ("envelope", json!(46)),
        ("record", json!({"x": 2, "y": 1})),
        ("record in an envelope", json!({"x": 4, "y": 3})),
        ("failure", Value::Null),
        ("join", json!([2, 4, 6])),
        ("kvjoin", json!([8, 10])),
        ("cast", Value::Null),
        ("cast in an envelope", Value::Null),
        // Nothing is wrong with the records that came back.
        ("every, full", json!({})),
        ("every, bare", json!({})),
    ];
    for (what, answer) in expected {
        assert_eq!(answers[what], answer, "{what}: {}", python.said());
    }
    for key in ["a", "b", "k", "é", "account-17", ""] {
        let partition = partition_for_key(key.as_bytes(), PARTITIONS);
        assert_eq!(answers[format!("where {key}")], json!([partition, key]));
    }
    let partition = partition_for_key(b"\xff\0", PARTITIONS);
    assert_eq!(answers["where bytes"], json!([partition, "\u{fffd}\0"]));
    let json_keys = [
        ("int", "5"),
        ("float", "1.5"),
        ("tuple", r#"["a",1]"#),
        ("é", r#""\u00e9""#),
        ("record", r#"{"x":1,"y":2,"__faust":{"ns":"test.Point"}}"#),
    ];
    for (what, key) in json_keys {
        let expected = json!([partition_for_key(key.as_bytes(), PARTITIONS), key]);
        assert_eq!(answers[format!("where JSON {what}")], expected, "{what}");
    }
    assert_eq!(*seen_records.lock().unwrap(), [full(), bare()]);
    until(async || {
        let seen = seen.lock().unwrap();
        check(seen.contains(&1000) && seen.contains(&1001), &*seen)
    })
    .await;
    worker.shutdown().await;
}
