//! What passes between the daemon and Cyrus' master, other than signals.

use super::refused;
use super::stage::{Notifyd, Setup, Signal, Status, note, ours};

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn two_messages_on_the_status_pipe() {
    let mut n = Notifyd::start();
    if !ours() {
        // Stock reports at the first datagram; ours at start, so that a crash before it counts as the crash of a busy process, which master forgives.
        n.wait_ready();
        assert_eq!(n.status(), []);
        n.fence_log();
    }
    let pid = n.pid();
    assert_eq!(
        n.wait_status(2),
        [(Status::Unavailable, pid), (Status::Connection, pid)]
    );
    for _ in 0..5 {
        n.fence_log();
    }
    assert_eq!(n.status().len(), 2, "and nothing ever after");
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn nothing_on_the_status_pipe_at_the_end() {
    let mut n = Notifyd::start();
    n.fence_log();
    n.wait_status(2);
    n.signal(Signal::TERM);
    n.wait_exit();
    assert_eq!(n.status().len(), 2);
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn successor_on_the_same_socket() {
    let mut n = Notifyd::start();
    n.fence_log();
    let first = n.pid();
    n.signal(Signal::TERM);
    n.wait_exit();
    n.notify(&note("log").class("C").message("between"));
    n.spawn();
    let record = n.log.wait("what was sent between the two", |r| {
        r.text == b"C, , , ,  \"between\""
    });
    assert!(record.pid == n.pid() && record.pid != first);
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn successor_after_a_kill() {
    let mut n = Notifyd::start();
    n.fence_log();
    n.signal(Signal::KILL);
    n.wait_exit();
    for i in 0..5 {
        n.notify(&note("log").class("C").message(i.to_string()));
    }
    n.spawn();
    n.fence_log();
    assert_eq!(
        n.records()
            .iter()
            .filter(|r| r.text.starts_with(b"C, "))
            .count(),
        5
    );
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn datagrams_sent_before_the_start() {
    let mut n = Setup::new().build();
    for i in 0..5 {
        n.notify(&note("log").class("C").message(i.to_string()));
    }
    n.spawn();
    n.fence_log();
    assert_eq!(
        n.records()
            .iter()
            .filter(|r| r.text.starts_with(b"C, "))
            .count(),
        5
    );
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn successor_after_a_bad_datagram_reads_the_rest() {
    let mut n = Setup::new().build();
    n.notify(&note("log").class("C").message("1"));
    n.send(b"bad\0");
    n.notify(&note("log").class("C").message("2"));
    n.spawn();
    if !ours() {
        assert_eq!(n.wait_exit().code(), Some(0));
        n.spawn();
    }
    n.fence_log();
    let texts: Vec<_> = n
        .records()
        .into_iter()
        .map(|r| r.text)
        .filter(|t| t.starts_with(b"C, "))
        .collect();
    assert_eq!(texts, [b"C, , , ,  \"1\"", b"C, , , ,  \"2\""]);
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn the_socket_stays() {
    let mut n = Notifyd::start();
    let inode =
        || std::os::unix::fs::MetadataExt::ino(&std::fs::metadata(n.path("notify")).unwrap());
    let before = inode();
    n.signal(Signal::KILL);
    assert_eq!(inode(), before);
    n.wait_exit();
    n.spawn();
    n.fence_log();
    refused(&mut n, b"bad");
    n.signal(Signal::TERM);
    n.wait_exit();
    assert_eq!(
        std::os::unix::fs::MetadataExt::ino(&std::fs::metadata(n.path("notify")).unwrap()),
        before
    );
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn many_senders() {
    let mut n = Notifyd::start();
    std::thread::scope(|scope| {
        for sender in 0..4 {
            let n = &n;
            scope.spawn(move || {
                for i in 0..25 {
                    n.notify(&note("log").class("C").message(format!("{sender} {i}")));
                }
            });
        }
    });
    n.fence_log();
    assert_eq!(
        n.records()
            .iter()
            .filter(|r| r.text.starts_with(b"C, "))
            .count(),
        100
    );
}
