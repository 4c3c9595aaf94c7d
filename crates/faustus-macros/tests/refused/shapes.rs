use faustus::Record;

#[derive(Record)]
enum Event {
    Opened,
}

#[derive(Record)]
struct Pair(u8, u8);

#[derive(Record)]
struct Tick;

#[derive(Record)]
struct Envelope<T> {
    body: T,
}

#[derive(Record)]
struct View<'a> {
    name: &'a str,
}

fn main() {}
