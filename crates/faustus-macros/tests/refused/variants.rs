use faustus::Record;

#[derive(serde::Serialize, serde::Deserialize)]
struct NoRecord {
    id: u8,
}

#[derive(Record)]
enum Event {
    Opened(NoRecord),
}

fn main() {}
