//! The command `faustus`.

use std::process::ExitCode;

fn main() -> ExitCode {
    faustus_cli::main()
}
