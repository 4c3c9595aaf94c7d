mod shop {
    #[derive(faustus::Record)]
    pub struct Order {
        pub id: u8,
        secret: u8,
    }
}

fn main() {
    let _ = shop::Order::ID;
    let _ = shop::Order::SECRET;
}
