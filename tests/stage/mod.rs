//! The house's own stage for a notification daemon: [`Setup`] and [`Notifyd`] play Cyrus'
//! master, [`Syslog`] plays syslogd, [`Recorder`] plays sendmail and the external program,
//! [`Note`] writes datagrams, [`Mail`] reads what sendmail got.
//!
//! The daemon on the stage is ours or the stock one, by the environment variable
//! `NOTIFYD_UNDER_TEST` (`ours`, the default, or `stock`). Each stage is a directory and
//! a mount namespace of its own, so tests run side by side and touch nothing outside.
//! A test that fails prints the log records and the runs its stage has seen.
//!
//! Needs root (namespaces, user cyrus), Debian's cyrus-imapd, a C compiler.
#![allow(
    dead_code,
    unused_imports,
    unreachable_pub,
    reason = "each test program uses a part of it"
)]

mod mail;
mod note;
mod notifyd;
mod recorder;
mod setup;
mod syslog;

pub use mail::Mail;
pub use note::{Note, note};
pub use notifyd::{Notifyd, Status};
pub use recorder::{Recorder, Run};
pub use rustix::process::Signal;
pub use setup::{Program, Setup};
pub use syslog::{Record, Syslog};

use std::time::{Duration, Instant};

/// How long a condition may take to come true before a test fails. Generous, for loaded machines; a passing test never waits for it.
pub const LIMIT: Duration = Duration::from_secs(15);

/// True when the daemon under test is ours, false when it is Debian's.
pub fn ours() -> bool {
    match std::env::var("NOTIFYD_UNDER_TEST").as_deref() {
        Err(_) | Ok("ours") => true,
        Ok("stock") => false,
        Ok(other) => panic!("NOTIFYD_UNDER_TEST is '{other}': want ours or stock"),
    }
}

/// Asks `condition` again and again until it has an answer; panics with `what` after `limit`.
pub fn wait_for<T>(what: &str, limit: Duration, mut condition: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + limit;
    loop {
        if let Some(answer) = condition() {
            return answer;
        }
        assert!(Instant::now() < end, "waited {limit:?} in vain for {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Bytes for the eye: printable ASCII as it is, the rest escaped, long ones cut.
pub fn show(bytes: &[u8]) -> String {
    const SHOWN: usize = 400;
    let text = bytes[..bytes.len().min(SHOWN)].escape_ascii().to_string();
    if bytes.len() > SHOWN {
        format!("{text}… ({} bytes)", bytes.len())
    } else {
        text
    }
}
