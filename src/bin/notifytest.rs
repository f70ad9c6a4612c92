//! The program `notifytest` (see notifytest(1)): arguments, library, exit code.

use std::io::{stderr, stdout};
use std::process::ExitCode;

use cyrus_notifyd::ctl::{Streams, notifytest};

fn main() -> ExitCode {
    let args: Vec<_> = std::env::args_os().skip(1).collect();
    let mut streams = Streams {
        out: &mut stdout().lock(),
        err: &mut stderr().lock(),
    };
    ExitCode::from(notifytest::run(&args, &mut streams))
}
