use faustus::Record;

#[derive(Record, serde::Serialize, serde::Deserialize, garde::Validate)]
#[record(validate)]
struct Order {
    #[garde(range(min = 1))]
    quantity: u32,
}

#[derive(Record)]
#[record(validate)]
enum Event {
    Order(Order),
}

fn main() {}
