//! Reliability runs: what notifyd(8) promises for bad days, under load and again and again.
//!
//! Each run prints its seed and what it counted. `NOTIFYD_SEED=N` repeats one; without it the clock gives the seed.
//! They are short by default; `tests/reliability/run` makes them long (`NOTIFYD_LONG=MINUTES`).
//! No run asserts a time, and none sleeps to wait.

#![allow(
    clippy::unwrap_used,
    reason = "a test that panics has failed, as it should"
)]

#[path = "../common/mod.rs"]
mod common;
#[path = "../common/holders.rs"]
mod holders;
#[path = "../common/retry.rs"]
mod retry;
#[path = "../stage/mod.rs"]
mod stage;

mod clock;
mod descriptors;
mod disk;
mod flood;
mod hand_over;
mod kill;
mod programs;
mod removed;
mod soak;

use rusqlite::Connection;
use stage::{LIMIT, Notifyd, Record, note, wait_for};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// Minutes that long runs were asked to take; `None` for the short ones.
fn minutes() -> Option<u64> {
    let text = std::env::var("NOTIFYD_LONG").ok()?;
    Some(text.parse().expect("NOTIFYD_LONG is a number of minutes"))
}

/// How often a thing is done in a short and in a long run.
fn times(short: usize, long: usize) -> usize {
    if minutes().is_some() { long } else { short }
}

/// Knuth's linear congruential generator.
struct Random(u64);

impl Random {
    /// With the seed of this run, which it prints.
    fn new(run: &str) -> Random {
        let clock = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let seed = std::env::var("NOTIFYD_SEED").map_or_else(
            |_| u64::from(clock().subsec_nanos()),
            |text| text.parse().expect("NOTIFYD_SEED is a number"),
        );
        println!("{run}: NOTIFYD_SEED={seed}");
        Random(seed)
    }

    /// A number below `end`.
    fn below(&mut self, end: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % end
    }
}

/// A notification that leaves a numbered run of the external program.
fn external(number: usize) -> Vec<u8> {
    note("external")
        .class("N")
        .user(number.to_string())
        .message("m")
        .bytes()
}

/// A notification that leaves a numbered record in syslog.
fn logged(number: usize) -> Vec<u8> {
    note("log")
        .class("N")
        .user(number.to_string())
        .message("m")
        .bytes()
}

/// The number in a record that [`logged`] leaves.
fn number(record: &Record) -> Option<usize> {
    let text = str::from_utf8(&record.text).ok()?;
    text.strip_prefix("N, , ")?
        .strip_suffix(", ,  \"m\"")?
        .parse()
        .ok()
}

/// How often each number was logged.
fn records(n: &Notifyd) -> BTreeMap<usize, usize> {
    count(n.log.records().iter().filter_map(number))
}

/// How often the external program has run for each number.
fn runs(n: &Notifyd) -> BTreeMap<usize, usize> {
    let numbers = n.externals().into_iter();
    count(numbers.map(|run| str::from_utf8(&run.argv[6]).unwrap().parse().unwrap()))
}

fn count(numbers: impl Iterator<Item = usize>) -> BTreeMap<usize, usize> {
    let mut counts = BTreeMap::new();
    for number in numbers {
        *counts.entry(number).or_default() += 1;
    }
    counts
}

/// Panics when one of `sent` is missing; how many came more often than once.
fn none_missing(
    what: &str,
    sent: impl IntoIterator<Item = usize>,
    came: &BTreeMap<usize, usize>,
) -> usize {
    let missing: Vec<usize> = sent.into_iter().filter(|n| !came.contains_key(n)).collect();
    assert!(
        missing.is_empty(),
        "{what}: {} lost: {missing:?}",
        missing.len()
    );
    came.values().filter(|count| **count > 1).count()
}

/// Lines by which the daemon says that all is not well: warning or worse.
fn complaints(n: &Notifyd) -> Vec<String> {
    let bad = n.log.records().into_iter().filter(|r| r.severity() <= 4);
    bad.map(|r| String::from_utf8_lossy(&r.text).into_owned())
        .collect()
}

/// Waits for the line of the log that holds `part`.
fn wait_line(n: &Notifyd, part: &str) -> String {
    let record = n.log.wait(part, |r| r.has(part));
    String::from_utf8_lossy(&record.text).into_owned()
}

/// The spool's table as it is on disk, in a copy: SQLite can't go where only the daemon's mounts lead.
fn with_spool<T>(spool: &Path, look: impl FnOnce(&Connection) -> T) -> T {
    let copy = tempfile::tempdir().unwrap();
    for name in ["spool.db", "spool.db-wal"] {
        if spool.join(name).exists() {
            std::fs::copy(spool.join(name), copy.path().join(name)).unwrap();
        }
    }
    look(&Connection::open(copy.path().join("spool.db")).unwrap())
}

/// Makes due at once what waits for its next attempt.
fn flush(n: &Notifyd) {
    ctl(n, &["flush".into()]);
}

/// Releases what is on hold because it was under way, by chance, at three kills.
fn release_unlucky(n: &Notifyd) {
    let unlucky = |db: &Connection| -> Vec<i64> {
        let sql =
            "SELECT id FROM delivery WHERE state = 'hold' AND error LIKE 'the daemon died in %'";
        let ids = db.prepare(sql).and_then(|mut select| {
            let ids = select.query_map([], |row| row.get(0))?;
            ids.collect()
        });
        ids.unwrap_or_default() // torn, as below
    };
    let ids = with_spool(&n.path("conf/notifyd"), unlucky);
    if !ids.is_empty() {
        let ids = ids.into_iter().map(cyrus_notifyd::spool::id_text);
        ctl(
            n,
            &["release".into()]
                .into_iter()
                .chain(ids)
                .collect::<Vec<String>>(),
        );
    }
}

fn ctl(n: &Notifyd, arguments: &[String]) {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_notifyctl"));
    let output = command
        .args(arguments)
        .arg("-C")
        .arg(n.path("imapd.conf"))
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// Ends the senders of a run also when it fails.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// Waits until so many deliveries are on the disk: a datagram that was read is not yet committed.
fn wait_owed(n: &Notifyd, wanted: i64) {
    let count = |db: &Connection| {
        db.query_row("SELECT count(*) FROM delivery", [], |row| row.get(0))
            .ok()
    };
    wait_for(&format!("{wanted} deliveries on the disk"), LIMIT, || {
        (with_spool(&n.path("conf/notifyd"), count) == Some(wanted)).then_some(())
    });
}

/// Waits until nothing is owed any more, but to the one who is not there: zephyr's host manager.
fn wait_drained(n: &Notifyd) {
    let count = |db: &Connection| {
        let sql = "SELECT count(*) FROM delivery WHERE state <> 'failed' AND method <> 'zephyr'";
        // A file that is copied while it is written may be torn: then it is looked at again.
        db.query_row(sql, [], |row| row.get::<_, i64>(0)).ok()
    };
    let limit = LIMIT * 8;
    wait_for("the end of the backlog", limit, || {
        release_unlucky(n);
        (with_spool(&n.path("conf/notifyd"), count) == Some(0)).then_some(())
    });
}

/// A number from /proc/PID/status, such as `VmRSS`, in kB.
fn status(pid: u32, key: &str) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(key))
        .unwrap();
    let digits: String = line.chars().filter(char::is_ascii_digit).collect();
    digits.parse().unwrap()
}

/// How many descriptors a process has open.
fn open_files(pid: u32) -> usize {
    std::fs::read_dir(format!("/proc/{pid}/fd"))
        .unwrap()
        .count()
}

/// Changes a soft limit of a running daemon, as prlimit(1) names it; with the daemon's own rights, as root may lack that to other users' limits.
fn limit(n: &Notifyd, what: &str) {
    let mut command = std::process::Command::new("setpriv");
    command.args([
        "--reuid",
        "cyrus",
        "--regid",
        "mail",
        "--clear-groups",
        "prlimit",
        "--pid",
    ]);
    let done = command
        .arg(n.pid().to_string())
        .arg(format!("--{what}:"))
        .status();
    assert!(done.unwrap().success(), "prlimit {what}");
}
