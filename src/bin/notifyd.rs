//! The program `notifyd` (see notifyd(8)): arguments, library, exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    ExitCode::from(cyrus_notifyd::daemon::main(&arguments))
}
