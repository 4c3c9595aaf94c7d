//! Every agent of a channel gets each value, so values must be cloned.

use faustus::prelude::*;

struct Connection;

fn main() {
    let app = App::new("app");
    let _: Channel<Connection> = app.channel("connections");
}
