//! What a look at a directory shows, and that it changes nothing.

use super::*;

fn look(path: &Path) -> Result<DirectoryReader, TransportError> {
    DirectoryReader::open(path)
}

#[tokio::test]
async fn a_look_shows_topics_records_and_commits() {
    let directory = tempfile::tempdir().unwrap();
    let log = open(directory.path());
    create(&log, TopicConfig::default()).await;
    for number in 1..=3 {
        epoch(&log, number).await.unwrap();
    }
    let before = [(at(1), Offset(2))];
    log.admin().delete_records(&before).await.unwrap();
    drop(log);
    let seen = look(directory.path()).unwrap();
    let topic = seen.topic("topic").unwrap();
    assert_eq!(seen.topics(), std::slice::from_ref(topic));
    assert_eq!(topic.config["cleanup.policy"], "delete");
    let bounds = topic.partitions.iter().map(|held| (held.start, held.end));
    // Each record is followed by the marker of its transaction.
    let expected = [(Offset(0), Offset(6)), (Offset(2), Offset(6))];
    assert_eq!(bounds.collect::<Vec<_>>(), expected);
    assert_eq!(seen.partition(&at(1)), Some(topic.partitions[1]));
    assert_eq!(seen.partition(&at(2)), None);
    let mut values = Vec::new();
    for batch in seen.batches(topic, 0, Offset(2)) {
        let batch = batch.unwrap();
        assert!(batch.end > Offset(2) && batch.base < batch.end);
        values.extend(
            batch
                .batch
                .iter()
                .map(|record| record.value().map(<[u8]>::to_vec)),
        );
    }
    assert_eq!(values, [Some(b"2".to_vec()), Some(b"3".to_vec())]);
    let commits = seen.commits().unwrap();
    assert_eq!(commits.len(), 1);
    assert_eq!((&*commits[0].0, commits[0].1.offset), ("group", Offset(3)));
    assert_eq!(seen.lost(), 0);
}

#[test]
fn a_look_makes_nothing_where_there_is_no_log() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    let missing = look(&path.join("none")).unwrap_err();
    assert!(missing.to_string().ends_with("none does not exist"));
    // Other programs have directories of this name too.
    fs::create_dir(path.join("data")).unwrap();
    let other = look(path).unwrap_err().to_string();
    assert!(other.ends_with("holds no log of Faustus"), "{other}");
    let left: Vec<_> = fs::read_dir(path).unwrap().collect();
    assert_eq!(left.len(), 1);
    assert_eq!(fs::read_dir(path.join("data")).unwrap().count(), 0);
}

#[test]
fn a_look_and_a_log_exclude_each_other_and_say_who_has_the_directory() {
    let directory = tempfile::tempdir().unwrap();
    let log = open(directory.path());
    let holder = format!("process {} ", std::process::id());
    let error = look(directory.path()).unwrap_err().to_string();
    assert!(error.contains(&holder), "{error}");
    drop(log);
    let seen = look(directory.path()).unwrap();
    let error = try_open(directory.path(), options()).unwrap_err();
    assert!(error.to_string().contains(&holder), "{error}");
    drop(seen);
    open(directory.path());
}

#[tokio::test]
async fn a_look_tells_of_lost_operations_and_leaves_the_decision() {
    let directory = copy(&thirty_epochs().await, |bytes| {
        bytes.truncate(bytes.len() - 333)
    });
    let head = fs::read(directory.path().join("HEAD")).unwrap();
    for _ in 0..2 {
        assert!(look(directory.path()).unwrap().lost() > 0);
    }
    assert_eq!(fs::read(directory.path().join("HEAD")).unwrap(), head);
    let error = try_open(directory.path(), options()).unwrap_err();
    assert!(error.to_string().contains("accept_loss"), "{error}");
}
