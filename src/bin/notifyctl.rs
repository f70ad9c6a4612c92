//! The program `notifyctl` (see notifyctl(8)).

use std::ffi::OsString;
use std::io::{stderr, stdout};
use std::process::ExitCode;

use cyrus_notifyd::ctl::{self, Streams};

fn main() -> ExitCode {
    let args: Vec<OsString> = std::env::args_os().skip(1).collect();
    let mut streams = Streams {
        out: &mut stdout().lock(),
        err: &mut stderr().lock(),
    };
    ExitCode::from(ctl::run(&args, &mut streams))
}
