//! A broker that asks for permissions, and who gives and takes them there.

use std::sync::OnceLock;

use kafka_testbed::Cluster;

use crate::{
    broker::{ask, text},
    common::{check, until},
};

/// What is taken from everybody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    /// To write to a topic; to see and to read it is allowed.
    Writing,
    /// To do anything with it, even to see that it is there.
    Everything,
}

/// The broker that the tests of permissions share: what nobody forbids is allowed.
pub(crate) fn guarded() -> &'static Cluster {
    static GUARDED: OnceLock<Cluster> = OnceLock::new();
    let authorizer = "org.apache.kafka.metadata.authorizer.StandardAuthorizer";
    GUARDED.get_or_init(|| {
        let cluster = Cluster::builder()
            .property("authorizer.class.name", authorizer)
            .property("allow.everyone.if.no.acl.found", "true")
            .heap_mb(256);
        cluster.start().unwrap()
    })
}

const TOPIC: u8 = 2;
const LITERAL: u8 = 3;
const ANY: u8 = 1;

/// Takes a permission; comes back when the broker knows.
pub(crate) async fn take(topic: &str, taken: Taken) {
    const CREATE_ACLS: i16 = 30;
    const ALL: u8 = 2;
    const WRITE: u8 = 4;
    const DENY: u8 = 2;
    const ALLOW: u8 = 3;
    // Where there is any rule for a topic, what is not allowed is forbidden.
    let rules = match taken {
        Taken::Writing => &[(ALL, ALLOW), (WRITE, DENY)][..],
        Taken::Everything => &[(ALL, DENY)],
    };
    let mut body = i32::try_from(rules.len()).unwrap().to_be_bytes().to_vec();
    for (operation, permission) in rules {
        body.extend([TOPIC]);
        body.extend(text(topic));
        body.extend([LITERAL]);
        body.extend(text("User:*"));
        body.extend(text("*"));
        body.extend([*operation, *permission]);
    }
    change(CREATE_ACLS, &body);
    wait_for(topic, 1).await;
}

/// Gives everything back; comes back when the broker knows.
pub(crate) async fn give_back(topic: &str) {
    const DELETE_ACLS: i16 = 31;
    let body = [&1_i32.to_be_bytes()[..], &rules_of(topic)].concat();
    change(DELETE_ACLS, &body);
    wait_for(topic, 0).await;
}

/// A filter for all rules of a topic.
fn rules_of(topic: &str) -> Vec<u8> {
    let anybody = (-1_i16).to_be_bytes();
    let filter = [
        &[TOPIC][..],
        &text(topic),
        &[LITERAL],
        &anybody,
        &anybody,
        &[ANY, ANY],
    ];
    filter.concat()
}

fn change(kind: i16, body: &[u8]) {
    let answer = ask(&guarded().bootstrap(), (kind, 1), body).unwrap();
    // Throttle time, the number of results, the code of the first.
    let code = i16::from_be_bytes([answer[8], answer[9]]);
    assert_eq!(code, 0, "the broker's error code");
}

/// Waits until the broker has rules for a topic (1) or none (0).
async fn wait_for(topic: &str, resources: i32) {
    const DESCRIBE_ACLS: i16 = 29;
    until(async || {
        let answer = ask(&guarded().bootstrap(), (DESCRIBE_ACLS, 1), &rules_of(topic)).unwrap();
        // Throttle time, code, no text, the number of resources.
        let found = i32::from_be_bytes([answer[8], answer[9], answer[10], answer[11]]);
        check(found == resources, &answer)
    })
    .await;
}
