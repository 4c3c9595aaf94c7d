//! A topic of plain values is grouped by a field.

use faustus::{Field, prelude::*};

const LENGTH: Field<String, String> = Field::new("text", |text| text);

fn main() {
    let app = App::new("app");
    let names: Topic<String> = app.topic("names");
    let _ = names.group_by(LENGTH);
}
