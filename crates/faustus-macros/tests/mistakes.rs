//! What the compiler says of wrong programs.
//!
//! The programs stand with the crate they are about. They are built from here because whatever builds
//! them builds all of its crate's features and test dependencies once more, and those of this crate
//! need no C compiler and no Kafka.

#[test]
fn the_compiler_says_in_our_words_what_to_do() {
    trybuild::TestCases::new().compile_fail("../faustus/tests/mistakes/*.rs");
}
