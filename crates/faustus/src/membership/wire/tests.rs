//! What is written can be read, also by Kafka's layout; anything else is refused without harm.

use proptest::prelude::*;

use super::*;

fn tasks() -> impl Strategy<Value = BTreeSet<TaskId>> {
    prop::collection::btree_set(("[a-c]", 0..40_u32), 0..20)
        .prop_map(|set| set.into_iter().map(|(s, p)| TaskId::new(s, p)).collect())
}

fn subtopologies() -> impl Strategy<Value = Vec<SubTopology>> {
    let sub = (
        "[a-d]{1,3}",
        prop::collection::btree_map("[a-z.]{1,9}", prop::option::of(0..50_u32), 0..3),
        0..50_u32,
        any::<bool>(),
    );
    let sub = sub.prop_map(|(name, topics, partitions, stateful)| SubTopology {
        name: name.into(),
        topics: topics.keys().map(|topic| topic.as_str().into()).collect(),
        smaller: topics
            .into_iter()
            .filter_map(|(topic, n)| Some((topic.into(), n?)))
            .collect(),
        partitions,
        stateful,
    });
    prop::collection::vec(sub, 0..4)
}

fn subscription() -> impl Strategy<Value = Subscription> {
    let sets = (tasks(), tasks(), tasks());
    (
        subtopologies(),
        sets,
        any::<i32>(),
        prop::option::of("http://[a-z]{3}"),
    )
        .prop_map(
            |(subtopologies, (owned, promised, standbys), generation, url)| Subscription {
                digest: digest(&subtopologies),
                subtopologies,
                generation,
                owned,
                promised,
                standbys,
                url,
            },
        )
}

fn assigned() -> impl Strategy<Value = Assigned> {
    let peers = prop::collection::vec(
        ("[a-z]{3}", tasks()).prop_map(|(url, active)| Peer { url, active }),
        0..3,
    );
    let flags = (any::<bool>(), any::<bool>(), any::<u32>());
    (tasks(), tasks(), tasks(), flags, peers).prop_map(
        |(active, standby, promised, (gives_up, stale, digest), peers)| Assigned {
            tasks: RoundTasks {
                active,
                standby,
                promised,
                gives_up,
                stale,
            },
            digest,
            peers,
        },
    )
}

proptest! {
    #[test]
    fn a_subscription_comes_back(subscription in subscription()) {
        prop_assert_eq!(Subscription::decode(&subscription.encode()), Ok(subscription));
    }

    #[test]
    fn an_assignment_comes_back(assigned in assigned(), subs in subtopologies()) {
        prop_assert_eq!(Assigned::decode(&assigned.encode(&subs)), Ok(assigned));
    }

    #[test]
    fn any_bytes_are_taken_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = Subscription::decode(&bytes);
        let _ = Assigned::decode(&bytes);
    }

    #[test]
    fn spoilt_messages_are_taken_without_a_panic(
        subscription in subscription(),
        assigned in assigned(),
        spoil in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..5),
        cut in any::<prop::sample::Index>(),
    ) {
        for mut bytes in [subscription.encode(), assigned.encode(&subscription.subtopologies)] {
            for (at, byte) in &spoil {
                let at = at.index(bytes.len());
                bytes[at] = *byte;
            }
            bytes.truncate(cut.index(bytes.len()) + 1);
            let _ = Subscription::decode(&bytes);
            let _ = Assigned::decode(&bytes);
        }
    }
}

fn two() -> Vec<SubTopology> {
    vec![SubTopology {
        name: "bank".into(),
        topics: vec!["b".into(), "a".into()],
        smaller: BTreeMap::default(),
        partitions: 2,
        stateful: true,
    }]
}

#[test]
fn a_frame_names_no_partition_of_a_topic_that_has_fewer_than_there_are_tasks() {
    let mut subtopologies = two();
    subtopologies[0].smaller = [("a".into(), 1)].into();
    let subscription = Subscription {
        subtopologies,
        owned: [TaskId::new("bank", 0), TaskId::new("bank", 1)].into(),
        ..Subscription::default()
    };
    let (_, owned) = frame::read_subscription(&subscription.encode()).unwrap();
    let partition = |topic: &str, partition| TopicPartition::new(topic, partition);
    let expected = [partition("a", 0), partition("b", 0), partition("b", 1)];
    assert_eq!(owned, expected);
}

#[test]
fn frames_have_the_layout_of_kafka() {
    let subscription = Subscription {
        subtopologies: two(),
        generation: 7,
        owned: [TaskId::new("bank", 1)].into(),
        ..Subscription::default()
    };
    let json = br#"{"v":1,"subtopologies":[{"name":"bank","topics":["b","a"],"partitions":2,"stateful":true}],"digest":0,"generation":7,"owned":{"bank":"1"},"promised":{},"standbys":{}}"#;
    let owned = b"\0\0\0\x02\0\x01a\0\0\0\x01\0\0\0\x01\0\x01b\0\0\0\x01\0\0\0\x01";
    let mut expected = b"\0\x01\0\0\0\x02\0\x01a\0\x01b\0\0\0".to_vec();
    expected.push(json.len().try_into().unwrap());
    expected.extend_from_slice(json);
    expected.extend_from_slice(owned);
    assert_eq!(subscription.encode(), expected);

    let mut assigned = Assigned::default();
    assigned.tasks.active = [TaskId::new("bank", 1)].into();
    let bytes = assigned.encode(&two());
    assert!(bytes.starts_with(b"\0\x01"));
    assert_eq!(&bytes[2..2 + owned.len()], owned);
}

#[test]
fn ranges_are_short_and_bounded() {
    let set: BTreeSet<_> = [0, 1, 2, 3, 7].map(|p| TaskId::new("a", p)).into();
    assert_eq!(data::by_name(&set)["a"], "0-3,7");
    for (data, reason) in [
        (
            r#"{"v":1,"active":{"a":"0-4294967295"}}"#,
            "more than 200000 tasks",
        ),
        (
            r#"{"v":1,"active":{"a":"x"}}"#,
            "\"x\" is no range of partitions",
        ),
        (r#"{"v":0,"active":{}}"#, "the user data has version 0"),
    ] {
        let bytes = frame::assignment(&BTreeMap::new(), data.as_bytes());
        assert_eq!(Assigned::decode(&bytes), Err(reason.into()));
    }
}

#[test]
fn later_versions_and_unknown_fields_are_read() {
    let data = br#"{"v":9,"active":{"a":"1"},"new":[1]}"#;
    let mut bytes = frame::assignment(&BTreeMap::new(), data);
    bytes.extend_from_slice(b"more");
    let assigned = Assigned::decode(&bytes).unwrap();
    assert_eq!(assigned.tasks.active, [TaskId::new("a", 1)].into());
}

#[test]
fn a_foreign_member_still_tells_what_it_owns() {
    let owned = [("a", [3].into())].into();
    let bytes = frame::subscription(&BTreeSet::new(), b"not ours", &owned);
    let refused = Subscription::decode(&bytes).unwrap_err();
    assert_eq!(refused.owned, [TopicPartition::new("a", 3)]);
}
