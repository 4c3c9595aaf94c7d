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

#[derive(Record)]
enum Nothing {}

#[derive(Record)]
enum Two {
    Both(Inner, Inner),
}

#[derive(Record)]
#[serde(untagged)]
enum Tagged {
    Inner(Inner),
}

#[derive(Record)]
union Bits {
    a: u8,
}

#[derive(Record)]
struct Inner {
    id: u8,
}

fn main() {}
