fn describe<R: faustus::Record>() -> &'static str {
    R::NAMESPACE
}

struct Order {}

fn main() {
    describe::<Order>();
}
