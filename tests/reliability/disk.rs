//! A disk that refuses: a limit on the size of files, a spool that may only be read. (The full disk is in tests/trouble.rs.)
//! Intake and delivery go on, and what came meanwhile is on the disk as soon as it can be.

use super::stage::{LIMIT, Notifyd, Signal, note, wait_for};
use super::{complaints, external, limit, runs, wait_line, wait_owed};
use std::fs;
use std::os::unix::fs::PermissionsExt;

const MENDED: &str = "spool: can be written again; ";

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn a_limit_on_file_sizes() {
    let mut n = Notifyd::start();
    n.external.set("hold", 1.0);
    n.fence_log();
    limit(&n, "fsize=131072");
    let large = |i: usize| {
        note("external")
            .class("N")
            .user(i.to_string())
            .message("m".repeat(5000))
            .bytes()
    };
    for i in 0..100 {
        n.send(&large(i));
    }
    n.fence_log();
    wait_line(&n, "spool: cannot write: ");
    assert!(
        n.running(),
        "a write beyond the limit ends a process that does not expect it"
    );
    limit(&n, "fsize=unlimited");
    wait_line(&n, MENDED);
    wait_owed(&n, 100);
    n.signal(Signal::KILL);
    n.wait_exit();
    n.external.set("hold", 0.0);
    n.spawn();
    wait_for("all runs", LIMIT, || (runs(&n).len() == 100).then_some(()));
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn a_spool_that_may_only_be_read() {
    let mut n = Notifyd::start();
    n.fence_log();
    n.signal(Signal::TERM);
    n.wait_exit();
    let spool = n.path("conf/notifyd");
    let mode = |file: u32, folder: u32| {
        for name in fs::read_dir(&spool).unwrap() {
            let path = name.unwrap().path();
            if path.is_file() {
                fs::set_permissions(path, PermissionsExt::from_mode(file)).unwrap();
            }
        }
        fs::set_permissions(&spool, PermissionsExt::from_mode(folder)).unwrap();
    };
    mode(0o400, 0o500);
    n.spawn();
    wait_line(&n, "keeping deliveries in memory until it can");
    n.send(&external(0));
    n.external.wait_count(1);
    n.external.set("hold", 1.0);
    (1..6).for_each(|i| n.send(&external(i)));
    n.fence_log();
    mode(0o600, 0o700);
    wait_line(&n, MENDED);
    wait_owed(&n, 5);
    let lines = complaints(&n);
    let said = lines
        .iter()
        .filter(|line| line.contains("keeping deliveries in memory"));
    assert_eq!(said.count(), 1, "{lines:#?}");
}
