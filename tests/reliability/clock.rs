//! The clock jumps. No test may set the machine's clock; the spool is told the times that it would have had instead.

use super::stage::{LIMIT, Notifyd, Signal, wait_for};
use super::{external, runs, wait_line, wait_owed};
use rusqlite::Connection;
use std::os::unix::fs::chown;

/// A daemon owes five deliveries when it dies; while it is dead the clock goes `ahead` by so many seconds, or back.
fn clock_moves(ahead: i64) -> Notifyd {
    let mut n = Notifyd::start();
    n.external.set("hold", 1.0);
    (0..5).for_each(|i| n.send(&external(i)));
    wait_owed(&n, 5);
    n.signal(Signal::KILL);
    n.wait_exit();
    n.external.set("hold", 0.0);
    let spool = n.path("conf/notifyd");
    let owner = std::fs::metadata(&spool).unwrap();
    let db = Connection::open(spool.join("spool.db")).unwrap();
    // An id is the time at which its row was received.
    let sql = "UPDATE delivery SET id = id - ?1, due = due - ?1, received = received - ?1";
    assert_eq!(db.execute(sql, [ahead * 1_000_000]).unwrap(), 5);
    drop(db);
    for entry in std::fs::read_dir(&spool).unwrap() {
        use std::os::unix::fs::MetadataExt;
        chown(entry.unwrap().path(), Some(owner.uid()), Some(owner.gid())).unwrap();
    }
    n.spawn();
    n
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn back_by_a_day() {
    let n = clock_moves(-86_400);
    // Their due times are a day off now. No delivery waits longer than it was deferred for.
    wait_line(
        &n,
        "deliveries have times in the future: the clock was set back while no notifyd ran",
    );
    wait_for("all runs", LIMIT, || (runs(&n).len() == 5).then_some(()));
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn ahead_by_a_year() {
    let n = clock_moves(365 * 86_400);
    // Older than any lifetime, but each has its attempt before it is given up.
    wait_for("all runs", LIMIT, || (runs(&n).len() == 5).then_some(()));
    n.log.wait("a delivery", |r| r.has("status=delivered"));
    assert_eq!(n.log.count(|r| r.has("status=expired")), 0);
}
