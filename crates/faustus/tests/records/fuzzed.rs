//! The entry points of the fuzzer, with bytes that are nearly right and bytes that are anything.

use std::{fs, path::Path};

use proptest::{collection::vec, prelude::*, sample::Index};

#[expect(unreachable_pub, reason = "for the fuzzer it is a crate of its own")]
#[path = "../../../../fuzz/src/lib.rs"]
mod entry;

/// A seed of the fuzzer with a few bytes changed, cut out or put in; or any bytes.
fn bytes(target: &str) -> impl Strategy<Value = Vec<u8>> + use<> {
    let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds");
    let seeds: Vec<Vec<u8>> = fs::read_dir(seeds.join(target))
        .unwrap()
        .map(|seed| fs::read(seed.unwrap().path()).unwrap())
        .collect();
    let change = (any::<Index>(), any::<u8>(), 0..3_u8);
    let nearly = (any::<Index>(), vec(change, 0..4)).prop_map(move |(seed, changes)| {
        let mut bytes = seed.get(&seeds).clone();
        for (at, byte, how) in changes {
            let at = at.index(bytes.len() + 1);
            match how {
                0 => bytes.insert(at, byte),
                1 if at < bytes.len() => bytes[at] = byte,
                _ => bytes.truncate(at),
            }
        }
        bytes
    });
    prop_oneof![4 => nearly, 1 => vec(any::<u8>(), 0..64)]
}

macro_rules! returns {
    ($($name:ident: $target:ident,)*) => { proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]
        $(
            #[test]
            fn $name(bytes in bytes(stringify!($target))) {
                entry::$target(&bytes);
            }
        )*
    }};
}

returns! {
    json_of_any_bytes_is_a_value_or_an_error: json,
    msgpack_of_any_bytes_is_a_value_or_an_error: msgpack,
    yaml_of_any_bytes_is_a_value_or_an_error: yaml,
    chains_of_any_bytes_give_a_value_or_an_error: chain,
    keys_of_any_bytes_are_keys_or_an_error: key,
    requests_of_any_bytes_are_read_or_an_error: request,
    replies_of_any_bytes_are_read_or_an_error: reply,
}
