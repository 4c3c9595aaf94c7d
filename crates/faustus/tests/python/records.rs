//! Records with fields of every type, and keys of several types, from one to the other and back.

use std::time::Duration;

use faustus::{Json, JsonKey, JsonRecord, Settings, prelude::*};
use faustus_core::partition_for_key;
use serde_json::{Map, Value, json};

use crate::{
    asking::{PARTITIONS, log, make_topics},
    common::{Running, until},
    every::{Every, OPTIONAL, Point, bare, full},
    faust::Faust,
};

/// What is wrong with a record in the eyes of Python, compared with its `FULL` and its `BARE`.
type Wrong = (Map<String, Value>, Map<String, Value>);

#[tokio::test(flavor = "multi_thread")]
async fn records_and_keys_are_the_same_in_python_and_come_back() {
    let bootstrap = kafka_testbed::shared().bootstrap();
    let name = "records-to-python";
    let log = log(&bootstrap).await;
    let ends = [
        "every",
        "wrong",
        "blob",
        "key-int",
        "key-bytes",
        "key-record",
        "key-json",
    ];
    make_topics(&log, name, &ends).await;
    let mut python = Faust::worker(&bootstrap, name);

    let app = App::new(&format!("{name}-rust"));
    let topic = |end| format!("{name}.py-{end}");
    let records = app.topic::<Every>(&topic("every"));
    // With and without the metadata of Faust: it needs none but that of polymorphic fields.
    let with_metadata = records.clone().codec(Json.with_metadata());
    let (every, every_with) = (records.agent::<Every>(), with_metadata.agent::<Every>());
    let wrong = app.topic::<Value>(&topic("wrong")).agent::<Wrong>();
    let blob = app
        .topic::<Value>(&topic("blob"))
        .agent::<(Vec<u8>, String)>();
    let key = |end| app.topic::<u8>(&topic(end)).agent::<(u32, String)>();
    let [ints, bytes, points, json_keys] =
        ["key-int", "key-bytes", "key-record", "key-json"].map(key);
    let app = app.task("none", async || Ok(()));
    let worker = Running::start(app, &log, Settings::default()).await;

    let point = JsonKey::<_, JsonRecord>::new(Point { x: 1, y: 2 }).unwrap();
    let pair = JsonKey::<_>::new(("a".to_owned(), 1)).unwrap();
    // While its worker starts, Faust may pass over what waits for it.
    let soon = Duration::from_secs(5);
    let as_json = serde_json::to_value(full()).unwrap();
    until(async || {
        let awake: faustus::Result = async {
            every.clone().timeout(soon).ask("k", &full()).await?;
            wrong.clone().timeout(soon).ask("k", &as_json).await?;
            blob.clone()
                .timeout(soon)
                .ask("k", &json!({"data": ""}))
                .await?;
            ints.clone().timeout(soon).ask(&0, &0).await?;
            bytes.clone().timeout(soon).ask("k", &0).await?;
            points.clone().timeout(soon).ask(&point, &0).await?;
            json_keys.clone().timeout(soon).ask(&pair, &0).await?;
            Ok(())
        }
        .await;
        awake.map_err(|error| format!("{error}: {}", python.said()))
    })
    .await;

    // In an envelope Faust gives its agent a record only if it has its metadata, else a dictionary.
    let enveloped = every_with.clone().envelope();
    for sent in [full(), bare()] {
        for agent in [&every, &every_with, &enveloped] {
            let came_back = agent.ask("k", &sent).await;
            let came_back = came_back.map_err(|error| format!("{error}: {}", python.said()));
            assert_eq!(came_back, Ok(sent.clone()));
        }
    }
    assert_eq!(wrong.ask("k", &as_json).await.unwrap().0, Map::new());
    let mut sent = serde_json::to_value(bare()).unwrap();
    assert_eq!(wrong.ask("k", &sent).await.unwrap().1, Map::new());
    for field in OPTIONAL {
        sent.as_object_mut().unwrap().remove(field).unwrap();
    }
    assert_eq!(wrong.ask("k", &sent).await.unwrap().1, Map::new());

    // A defect of Faust: bytes that it writes it cannot read, for they are what `repr` shows. It reads
    // text as the bytes of its UTF-8. Bytes as base64 text go both ways: see `Every`.
    let (read, written) = blob.ask("k", &json!({"data": "é"})).await.unwrap();
    assert_eq!(read, "é".as_bytes());
    assert_eq!(
        written,
        r#"{"data":"b'\\xc3\\xa9'","__faust":{"ns":"test.Blob"}}"#
    );

    let there = |raw: &str, python: &str| {
        let partition = partition_for_key(raw.as_bytes(), PARTITIONS);
        (partition, python.to_owned())
    };
    assert_eq!(ints.ask(&-17, &0).await.unwrap(), there("-17", "-17"));
    assert_eq!(
        bytes.ask("é", &0).await.unwrap(),
        there("é", r"b'\xc3\xa9'")
    );
    let raw = r#"{"x":1,"y":2,"__faust":{"ns":"test.Point"}}"#;
    let seen = points.ask(&point, &0).await.unwrap();
    assert_eq!(seen, there(raw, "<Point: x=1, y=2>"));
    let seen = json_keys.ask(&pair, &0).await.unwrap();
    assert_eq!(seen, there(r#"["a",1]"#, "['a', 1]"));
    worker.shutdown().await;
}
