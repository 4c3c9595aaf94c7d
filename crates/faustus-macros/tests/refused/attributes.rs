use faustus::Record;

#[derive(Record)]
#[record(name = "shop.Order")]
struct Unknown {
    id: u8,
}

#[derive(Record)]
#[record(namespace = "a", namespace = "b")]
struct Twice {
    id: u8,
}

#[derive(Record)]
#[record(namespace = 7)]
struct NoText {
    id: u8,
}

#[derive(Record)]
struct OnField {
    #[record(namespace = "a")]
    id: u8,
}

#[derive(Record)]
struct Flattened {
    #[record(flatten)]
    inner: u8,
}

#[derive(Record)]
struct Secret {
    #[record(sensitive)]
    password: String,
}

#[derive(Record)]
#[allow(non_snake_case)]
struct SameConstant {
    id: u8,
    ID: u8,
}

fn main() {}
