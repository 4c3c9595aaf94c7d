//! The command `faustus`, for the tests that run it beside programs.

use std::process::ExitCode;

fn main() -> ExitCode {
    faustus_cli::main()
}
