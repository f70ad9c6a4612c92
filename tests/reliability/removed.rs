//! The spool is removed, moved, replaced or spoilt while the daemon uses it.

use super::stage::{LIMIT, Notifyd, Setup, Signal, wait_for};
use super::{complaints, external, none_missing, runs, wait_line, wait_owed};
use std::fs;
use std::path::Path;

/// A daemon that owes 20 deliveries meets with `accident`, says so by a line with `said`, gets 5 more, and dies. How many of each came.
fn survives(accident: impl FnOnce(&Path), said: &str) -> Notifyd {
    let mut n = Notifyd::start();
    n.external.set("hold", 1.0);
    (0..20).for_each(|i| n.send(&external(i)));
    wait_owed(&n, 20);
    n.external.wait_started(1);
    accident(&n.path("conf/notifyd"));
    wait_line(&n, said);
    (20..25).for_each(|i| n.send(&external(i)));
    wait_owed(&n, 25);
    assert!(n.running());
    n.signal(Signal::KILL);
    n.wait_exit();
    n.external.set("hold", 0.0);
    n.spawn();
    n
}

fn loses_nothing(accident: impl FnOnce(&Path)) {
    let said = "was removed or replaced while in use; written anew with 20 deliveries";
    let n = survives(accident, said);
    n.external
        .wait("the last one", |run| run.args().contains(&"24".to_owned()));
    wait_for("all runs", LIMIT, || (runs(&n).len() == 25).then_some(()));
    none_missing("runs", 0..25, &runs(&n));
    let lines = complaints(&n);
    assert_eq!(
        lines.iter().filter(|line| line.contains(said)).count(),
        1,
        "{lines:#?}"
    );
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn the_file_is_removed() {
    loses_nothing(|spool| fs::remove_file(spool.join("spool.db")).unwrap());
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn the_folder_is_removed() {
    loses_nothing(|spool| fs::remove_dir_all(spool).unwrap());
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn the_folder_is_moved_away() {
    loses_nothing(|spool| fs::rename(spool, spool.with_extension("old")).unwrap());
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn a_copy_is_put_in_its_place() {
    loses_nothing(|spool| {
        fs::copy(spool.join("spool.db"), spool.join("copy")).unwrap();
        fs::rename(spool.join("copy"), spool.join("spool.db")).unwrap();
    });
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn the_lock_is_removed() {
    let mut n = Notifyd::start();
    n.fence_log();
    let first = n.pid();
    fs::remove_dir_all(n.path("conf/notifyd")).unwrap();
    wait_line(&n, "was removed; locked anew");
    n.spawn();
    n.wait_ready();
    // The second one waits: all is read by the first.
    for i in 0..50 {
        n.send(&super::logged(i));
    }
    // (On a busy machine some may come by the spool.)
    wait_for("all records", LIMIT, || {
        (super::records(&n).len() == 50).then_some(())
    });
    let readers: Vec<u32> = n
        .log
        .records()
        .iter()
        .filter(|r| super::number(r).is_some())
        .map(|r| r.pid)
        .collect();
    assert_eq!(readers, [first; 50]);
    n.signal_to(first, Signal::TERM);
    assert_eq!(n.wait_exit_of(first, LIMIT).code(), Some(0));
    n.fence_log();
    assert!(n.running());
}

/// Overwrites all but the first page of a file.
fn spoil(path: &Path) {
    use std::os::unix::fs::FileExt;
    let file = fs::File::options().write(true).open(path).unwrap();
    let length = file.metadata().unwrap().len() as usize;
    if length > 4096 {
        file.write_all_at(&vec![0xa5; length - 4096], 4096).unwrap();
    }
}

fn asides(spool: &Path) -> usize {
    let names = fs::read_dir(spool)
        .unwrap()
        .map(|entry| entry.unwrap().file_name());
    names
        .filter(|name| {
            name.to_string_lossy().starts_with("spool.db.corrupt-")
                && !name.to_string_lossy().ends_with("-wal")
                && !name.to_string_lossy().ends_with("-shm")
        })
        .count()
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn a_spoilt_file_is_kept_aside_at_the_start() {
    let mut n = Setup::new().build();
    let spool = n.path("conf/notifyd");
    n.spawn();
    n.fence_log();
    n.signal(Signal::TERM);
    n.wait_exit();
    fs::write(spool.join("spool.db"), vec![b'x'; 20_000]).unwrap();
    fs::remove_file(spool.join("spool.db-wal")).unwrap(); // it has all that counts once more
    n.spawn();
    let line = wait_line(&n, "a new one is begun");
    assert!(
        line.starts_with("spool: ")
            && line.contains("/spool.db: ")
            && line.contains("kept aside as "),
        "{line}"
    );
    assert_eq!(asides(&spool), 1);
    n.send(&external(0));
    n.external.wait_count(1);
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn a_spoilt_file_is_kept_aside_when_it_is_found_in_use() {
    let mut n = Notifyd::start();
    n.external.set("hold", 1.0);
    for i in 0..2000 {
        n.send(&external(i));
    }
    wait_owed(&n, 2000);
    let spool = n.path("conf/notifyd");
    n.signal(Signal::KILL);
    n.wait_exit();
    // What is in SQLite's log, and in the daemon's cache, would hide the damage.
    let db = rusqlite::Connection::open(spool.join("spool.db")).unwrap();
    db.pragma_update_and_check(None, "journal_mode", "DELETE", |_| Ok(()))
        .unwrap();
    drop(db);
    spoil(&spool.join("spool.db"));
    n.external.set("hold", 0.0);
    n.spawn();
    wait_line(&n, "a new one is begun");
    assert!(asides(&spool) >= 1);
    for i in 5000..5020 {
        n.send(&external(i));
    }
    wait_for("the new ones", LIMIT, || {
        (5000..5020)
            .all(|i| runs(&n).contains_key(&i))
            .then_some(())
    });
    assert!(n.running());
}
