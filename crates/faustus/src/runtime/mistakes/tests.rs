//! What is found wrong or suspicious, one mistake a test.

use crate::{App, FailurePolicy, Operators, Stream, Table, Topic};

async fn nothing(_: Stream<u32>) -> crate::Result {
    Ok(())
}

async fn reply(_: Stream<u32, u32>) -> crate::Result {
    Ok(())
}

fn mistakes(app: App) -> Vec<String> {
    app.into_def().mistakes()
}

fn hints(app: App, existing: &[&str]) -> Vec<String> {
    let existing: Vec<_> = existing.iter().map(|&name| name.into()).collect();
    app.into_def().hints(&existing)
}

/// There is one mistake, and it is told with all of `parts`.
fn check(app: App, parts: &[&str]) {
    let found = mistakes(app);
    assert_eq!(found.len(), 1, "{found:#?}");
    for part in parts {
        assert!(found[0].contains(part), "{part}\n{found:#?}");
    }
}

#[test]
fn all_mistakes_are_told_at_once() {
    let app = App::new("my app");
    let topic = app.topic("a b");
    let table: Table<String, u32> = app.table("t");
    let app = app
        .agent("x", &topic, |a| a.table(&table).run(nothing))
        .agent("x", &topic, |a| a.table(&table).concurrency(4).run(nothing));
    let found = mistakes(app);
    assert_eq!(found.len(), 4, "{found:?}");
}

#[test]
fn an_agent_that_would_take_no_event_is_told() {
    let app = App::new("app");
    let topic = app.topic("topic");
    let app = app.agent("x", &topic, |a| a.concurrency(0).run(nothing));
    check(app, &["agent x has a concurrency of 0", "give it 1"]);
}

#[test]
fn a_topic_in_two_codecs_is_suspicious_and_one_whose_bytes_are_taken_as_they_are_is_not() {
    async fn take(_: Vec<u8>) -> crate::Result {
        Ok(())
    }
    async fn read(_: String) -> crate::Result {
        Ok(())
    }
    let app = App::new("app");
    let (plain, bytes) = (
        app.topic::<u32>("numbers"),
        app.topic_with("numbers", crate::Binary),
    );
    let app = app
        .agent("x", &plain, |a| a.run(nothing))
        .agent("copy", &bytes, |a| a.each(take));
    assert_eq!(hints(app, &["numbers"]), Vec::<String>::new());

    let app = App::new("app");
    let plain = app.topic::<String>("numbers");
    let text = plain.clone().codec(crate::Text);
    let app = app
        .agent("plain", &plain, |a| a.each(read))
        .agent("text", &text, |a| a.each(read));
    let told = hints(app, &["numbers"]);
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(
        told[0].contains("topic numbers in the codecs json and text"),
        "{told:?}"
    );
}

#[test]
fn two_agents_of_one_name_are_told() {
    let app = App::new("app");
    let (one, two) = (app.topic("one"), app.topic("two"));
    let app = app
        .agent("x", &one, |a| a.run(nothing))
        .agent("x", &two, |a| a.run(nothing));
    check(app, &["two agents are named \"x\"", "give each its own"]);
}

#[test]
fn a_wrong_name_is_told_with_one_like_it() {
    check(
        App::new("my app"),
        &["application name \"my app\"", "as in \"my-app\""],
    );
    let app = App::new("app");
    let _: Topic<u32> = app.topic("orders/of today");
    check(
        app,
        &[
            "topic name \"orders/of today\"",
            "as in \"orders-of-today\"",
        ],
    );
    let app = App::new("app");
    let _: Table<String, u32> = app.table("sums per day");
    check(
        app,
        &["table name \"sums per day\"", "as in \"sums-per-day\""],
    );
}

#[test]
fn a_name_that_cannot_be_corrected_is_told_alone() {
    let app = App::new("app");
    let _: Topic<u32> = app.topic("");
    let found = mistakes(app);
    assert_eq!(found.len(), 1);
    assert!(!found[0].contains("as in"), "{found:?}");
}

#[test]
fn what_a_pattern_takes_of_its_own_agents_sinks_and_dead_letters_is_told() {
    let app = App::new("app");
    let (said, all) = (app.topic("said"), app.topic_pattern("all", ".*"));
    let parts = ["agent x sends to topic said", "pattern all takes"];
    check(app.agent("x", &all, |a| a.sink(&said).run(reply)), &parts);
    let app = App::new("app");
    let (bad, all) = (app.topic::<u32>("bad"), app.topic_pattern("all", ".*"));
    let grouped = all.group_by_key("all", |n| *n);
    let policy = FailurePolicy::dead_letter(&bad);
    let app = app.agent("x", grouped, |a| a.on_failure(policy).run(nothing));
    check(app, &["agent x sends to topic bad", "pattern all takes"]);
    // What has another agent for its source is not taken back.
    let app = App::new("app");
    let (said, some) = (app.topic("said"), app.topic_pattern("some", "in-.*"));
    let app = app.agent("x", &some, |a| a.sink(&said).run(reply));
    assert_eq!(mistakes(app), Vec::<String>::new());
}

#[test]
fn a_pattern_is_told_that_is_none_or_is_called_as_another_one_or_a_topic() {
    let app = App::new("app");
    let _ = app.topic_pattern::<u32>("orders", "orders-(eu|us");
    check(app, &["pattern orders", "unclosed group"]);
    let app = App::new("app");
    let (_, _) = (
        app.topic_pattern::<u32>("a", "a.*"),
        app.topic_pattern::<u32>("a", "b.*"),
    );
    check(app, &["pattern a", "a name of its own"]);
    let app = App::new("app");
    let (_, _) = (app.topic_pattern::<u32>("a", "a.*"), app.topic::<u32>("a"));
    check(app, &["both named \"a\""]);
    let app = App::new("app");
    let none: [&str; 0] = [];
    let _ = app.topics::<u32>(none);
    check(app, &["app.topics is given no names"]);
}

#[test]
fn names_of_the_log_itself_are_refused() {
    let app = App::new("app");
    let _: Topic<u32> = app.topic("__consumer_offsets");
    check(app, &["__consumer_offsets", "the log itself"]);
}

#[test]
fn a_repartition_topic_of_too_long_a_name_is_told() {
    let app = App::new("app");
    let numbers = app.topic::<u32>(&"n".repeat(240));
    let numbers = numbers.group_by_key("parity", |n| n % 2);
    let app = app.agent("count", numbers, |a| a.run(nothing));
    let found = mistakes(app);
    assert_eq!(found.len(), 1, "{found:#?}");
    assert!(
        found[0].contains("265 characters, and 249 are allowed"),
        "{found:#?}"
    );
}

#[test]
fn a_group_by_of_a_name_that_no_topic_has_is_told() {
    let app = App::new("app");
    let numbers = app.topic::<u32>("numbers");
    let numbers = numbers.group_by_key("is it even?", |n| n % 2);
    let app = app.agent("count", numbers, |a| a.run(nothing));
    check(app, &["count-numbers-is it even?-repartition", "the key"]);
}

#[test]
fn topics_that_kafka_cannot_tell_apart_are_told() {
    let app = App::new("app");
    let _: [Topic<u32>; 3] = ["shop.orders", "shop_orders", "shop-orders"].map(|n| app.topic(n));
    check(app, &["topics shop.orders and shop_orders"]);
}

#[test]
fn an_agent_that_reads_its_own_dead_letters_is_told() {
    let app = App::new("app");
    let numbers = app.topic("numbers");
    let policy = FailurePolicy::dead_letter(&numbers);
    let app = app.agent("count", &numbers, |a| a.on_failure(policy).run(nothing));
    check(
        app,
        &["agent count sends its dead letters to topic numbers, which it reads"],
    );
}

#[test]
fn an_agent_that_reads_its_own_sink_is_told() {
    let app = App::new("app");
    let numbers = app.topic("numbers");
    let app = app.agent("count", &numbers, |a| a.sink(&numbers).run(reply));
    check(
        app,
        &[
            "agent count",
            "to topic numbers, which it reads",
            "event.send",
        ],
    );
}

#[test]
fn a_source_that_goes_through_itself_is_told() {
    let app = App::new("app");
    let numbers = app.topic::<u32>("numbers");
    let app = app.agent("count", numbers.through(&numbers), |a| a.run(nothing));
    check(app, &["count-numbers-numbers", "which it reads"]);
}

#[test]
fn a_changelog_that_is_used_as_a_topic_is_told() {
    let app = App::new("app");
    let _: Table<String, u32> = app.table("sums");
    let changes = app.topic("app-sums-changelog");
    let app = app.agent("look", &changes, |a| a.run(nothing));
    check(
        app,
        &["topic app-sums-changelog is the changelog of table sums"],
    );
}

#[test]
fn a_repartition_topic_is_its_agents_alone() {
    let app = App::new("app");
    let numbers = app.topic::<u32>("numbers");
    let own = app.topic("count-numbers-parity-repartition");
    let grouped = numbers.group_by_key("parity", |n| n % 2);
    let app = app
        .agent("count", grouped, |a| a.run(nothing))
        .agent("look", &own, |a| a.run(nothing))
        .agent("echo", &numbers, |a| a.sink(&own).run(reply));
    let found = mistakes(app);
    let agents: Vec<_> = found.iter().map(|it| it.split(' ').nth(1)).collect();
    assert_eq!(agents, [Some("look"), Some("echo")], "{found:#?}");
}

#[test]
fn sources_that_are_grouped_and_led_through_topics_are_right() {
    let app = App::new("app");
    let (numbers, named) = (app.topic::<u32>("numbers"), app.topic("named"));
    let source = numbers
        .group_by_key("parity", |n| n % 2)
        .group_by_key("digit", |n| n % 10)
        .through(&named)
        .group_by_key("parity", |n| n % 2);
    let app = app.agent("count", source, |a| a.run(nothing));
    assert_eq!(mistakes(app), Vec::<String>::new());
}

#[test]
fn a_topic_that_is_made_is_compared_to_those_that_exist() {
    let app = || {
        let app = App::new("app");
        let _: Topic<u32> = app.topic("odrers");
        app
    };
    let found = hints(app(), &["orders", "offers-of-today"]);
    assert_eq!(found.len(), 1, "{found:#?}");
    assert!(
        found[0]
            .contains("topic odrers does not exist and is made now, and there is a topic orders")
    );
    let both_exist = hints(app(), &["orders", "odrers"]);
    assert_eq!(both_exist, Vec::<String>::new());
}

#[test]
fn topics_that_differ_in_case_alone_are_suspicious() {
    let app = App::new("app");
    let _: [Topic<u32>; 2] = ["orders", "Orders"].map(|name| app.topic(name));
    let found = hints(app, &[]);
    assert_eq!(found.len(), 1, "{found:#?}");
    assert!(
        found[0].contains("topic Orders") && found[0].contains("topic orders"),
        "{found:#?}"
    );
}

#[test]
fn a_table_that_no_agent_writes_is_suspicious() {
    let app = App::new("app");
    let _: Table<String, u32> = app.table("sums");
    let numbers = app.topic("numbers");
    let app = app.agent("add", &numbers, |a| a.run(nothing));
    let found = hints(app, &["numbers"]);
    assert_eq!(found.len(), 1, "{found:#?}");
    assert!(
        found[0].contains("no agent writes table sums"),
        "{found:#?}"
    );
}
