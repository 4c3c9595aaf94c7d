//! The agent replies with what has no form in JSON, in which whoever asks gets it.

use faustus::prelude::*;

struct Total(u64);

async fn add(mut numbers: Stream<u64, Total>) -> faustus::Result {
    while let Some(number) = numbers.next().await? {
        number.reply(Total(*number));
    }
    Ok(())
}

fn main() {
    let app = App::new("app");
    let numbers = app.topic("numbers");
    let _ = app.agent("add", &numbers, |a| a.run(add));
}
