//! What `faustus new` writes is compiled here as it stands, and its own test is run: its name fits.

#[expect(
    dead_code,
    clippy::print_stdout,
    reason = "it is a program, and to print is what it does"
)]
#[path = "../template/src/main.rs"]
mod template;
