//! What is made for an application.

use super::*;
use crate::App;

#[test]
fn topics_are_kept_on_as_many_brokers_as_the_settings_say() {
    let app = App::new("bank");
    let orders = app.topic::<String>("orders");
    let totals: crate::Table<String, u64> = app.table("totals");
    let app = app.agent("total", &orders, |a| {
        a.table(&totals)
            .run(|_: crate::Stream<String>| async { Ok(()) })
    });
    let def = app.into_def();
    let settings = Settings {
        topic_replicas: Some(3),
        ..Settings::default()
    };
    let missing = Missing::of(&def, &settings, &def.sub_topologies(), &HashMap::new());
    let Missing { topics, followers } = missing.unwrap();
    let replicas = topics.iter().chain(&followers).map(|topic| topic.replicas);
    assert_eq!(replicas.collect::<Vec<_>>(), [Some(3), Some(3)]);
}
