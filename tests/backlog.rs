//! A backlog that is worked off by a method which is done at once: such a lane takes many rows ahead.

#![allow(
    clippy::unwrap_used,
    reason = "a test that panics has failed, as it should"
)]

mod stage;

use cyrus_notifyd::spool::{Kept, NewRow, Spool, now};
use stage::{LIMIT, Notifyd, Program, Setup, Signal, note, wait_for};
use std::process::Command;

/// More than a lane takes ahead, several times.
const ROWS: usize = 5000;

/// Puts rows into the spool of a daemon that does not run.
fn fill(n: &Notifyd) {
    let folder = n.path("conf/notifyd");
    let spool = Spool::open(&folder).unwrap();
    let row = |number: usize| NewRow {
        id: spool.new_id(now()),
        method: "log".into(),
        received: now(),
        uid: Some(0),
        file: None,
        notification: note("log").class("N").message(number.to_string()).bytes(),
        user: None,
    };
    let rows: Vec<NewRow> = (0..ROWS).map(row).collect();
    assert_eq!(spool.commit(&rows), Kept::Disk);
    drop(spool);
    let mut chown = Command::new("chown");
    chown.args(["-R", "cyrus:mail"]).arg(&folder);
    assert!(chown.status().unwrap().success());
}

/// The numbers that `log` has delivered, in their order.
fn delivered(n: &Notifyd) -> Vec<usize> {
    let number = |text: &[u8]| {
        let text = text.strip_prefix(b"N, , , ,  \"")?.strip_suffix(b"\"")?;
        String::from_utf8_lossy(text).parse().ok()
    };
    n.records().iter().filter_map(|r| number(&r.text)).collect()
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn a_backlog_goes_in_order_and_once_across_a_stop() {
    let mut n = Setup::new().program(Program::Ours).build();
    fill(&n);
    n.spawn();
    wait_for("a part of the backlog", LIMIT, || {
        (n.log.count_all() > 200).then_some(())
    });
    n.signal(Signal::TERM);
    assert!(n.wait_exit().success());
    let before = delivered(&n).len();
    n.spawn();
    wait_for("the whole backlog", LIMIT * 4, || {
        (delivered(&n).len() >= ROWS).then_some(())
    });
    n.fence_log();
    let all = delivered(&n);
    assert!((1..ROWS).contains(&before), "stopped in between: {before}");
    assert!(all.iter().copied().eq(0..ROWS), "{} delivered", all.len());
}
