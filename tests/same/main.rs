//! The same test, two programs: what Debian's notifyd 3.6.1 does, ours does.
//!
//! `NOTIFYD_UNDER_TEST=stock cargo test --test same -- --ignored` runs every case against
//! `/usr/lib/cyrus/bin/notifyd`; without the variable against ours. A case that fails on stock
//! is a wrong case. Where ours differs on purpose, the case says so in an `if ours()` with the
//! reason; notifyd(8) lists the same differences.
//!
//! Each case has a stage of its own (see `stage`): it sends datagrams as Cyrus does, and looks
//! at what reaches syslog, sendmail and the external program.

#![allow(
    clippy::unwrap_used,
    reason = "a test that panics has failed, as it should"
)]

#[path = "../stage/mod.rs"]
mod stage;

mod config;
mod datagram;
mod external;
mod external_trouble;
mod log;
mod mailto;
mod mailto_text;
mod mailto_trouble;
mod master;
mod methods;
mod signals;
mod zephyr;

use stage::{LIMIT, Notifyd, Record, note, ours, wait_for};

/// A record by which our daemon complains: warning or worse.
fn complaint(record: &Record) -> bool {
    record.severity() <= 4
}

/// Sends a datagram that is no notification, and sees that one record is all it costs.
fn refused(n: &mut Notifyd, datagram: &[u8]) {
    let before = n.log.count(malformed);
    n.send(datagram);
    wait_for("the complaint", LIMIT, || {
        (n.log.count(malformed) > before).then_some(())
    });
    if ours() {
        // Stock leaves with status 0 and lets master start another; ours goes on.
        n.fence_log();
        assert!(n.running(), "the daemon ended");
    } else {
        let last = n
            .log
            .records()
            .into_iter()
            .rfind(|r| malformed(&r))
            .expect("counted above");
        assert_eq!(
            (last.pri, last.text.as_slice()),
            (19, &b"malformed notify request"[..])
        );
        assert_eq!(n.wait_exit().code(), Some(0));
        n.spawn();
        n.fence_log();
    }
    assert_eq!(
        n.log.count(malformed),
        before + 1,
        "one record for one bad datagram"
    );
}

/// Stock: an error with just these words. Ours: a warning that begins with them and says what is wrong.
fn malformed(record: &&Record) -> bool {
    record.text.starts_with(b"malformed notify request")
        && record.severity() == if ours() { 4 } else { 3 }
}

/// Waits until the daemon has read all that was sent before. Where a program can't be executed, stock sometimes
/// dies of SIGPIPE; as master does, this starts the next one then. Ours must live.
fn fence_that_may_kill_stock(n: &mut Notifyd) {
    if ours() {
        n.fence_log();
        assert!(n.running());
        return;
    }
    n.notify(&note("log").class("LAST"));
    wait_for("the last record", LIMIT, || {
        if !n.running() {
            n.spawn();
        }
        n.log
            .records()
            .into_iter()
            .find(|r| r.text == b"LAST, , , ,  \"\"")
    });
}
