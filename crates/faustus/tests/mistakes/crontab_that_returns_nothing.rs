//! A crontab gives nothing back, where an error would go.

use faustus::prelude::*;

async fn close_day() {}

fn main() {
    let _ = App::new("app").crontab("close-day", "@daily", close_day);
}
