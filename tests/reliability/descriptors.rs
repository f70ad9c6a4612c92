//! No descriptors left, and descriptors that master took away.

use super::stage::{LIMIT, Notifyd, Setup, Signal, note, wait_for};
use super::{complaints, external, flush, limit, open_files, wait_line};
use std::os::unix::net::UnixStream;

const REQUEST: &[u8] =
    b"NOTIFY %(METHOD log CLASS C PRIORITY NIL USER u MAILBOX NIL OPTIONS () MESSAGE m FILEPATH NIL)\r\n";

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn clients_wait_when_there_are_no_descriptors() {
    let mut n = Setup::new().stream().start();
    assert_eq!(n.converse(REQUEST).unwrap(), b"OK %()\r\n");
    let before = open_files(n.pid());
    limit(&n, &format!("nofile={}", before + 10));
    let mut silent: Vec<UnixStream> = (0..30)
        .map(|_| UnixStream::connect(n.path("notify")).unwrap())
        .collect();
    wait_line(&n, "cannot accept a connection: Too many open files");
    // Who says nothing has to go after 2 seconds when others wait; so those behind it are served without our closing any.
    assert_eq!(n.converse(REQUEST).unwrap(), b"OK %()\r\n");
    silent.clear();
    assert_eq!(n.converse(REQUEST).unwrap(), b"OK %()\r\n");
    assert!(n.running());
    wait_for("its descriptors", LIMIT, || {
        (open_files(n.pid()) <= before + 4).then_some(())
    });
    let lines = complaints(&n);
    let said = lines
        .iter()
        .filter(|line| line.contains("cannot accept"))
        .count();
    assert_eq!(said, 1, "once a minute: {lines:#?}");
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn a_program_that_cannot_be_run_for_want_of_descriptors_is_run_later() {
    let mut n = Notifyd::start();
    n.fence_log();
    limit(&n, &format!("nofile={}", open_files(n.pid())));
    n.send(&external(0));
    let line = wait_line(&n, "status=deferred");
    assert!(line.contains("Too many open files"), "{line}");
    n.notify(&note("log").class("C").message("m"));
    n.log.wait("intake", |r| r.text == b"C, , , ,  \"m\"");
    limit(&n, "nofile=1000");
    flush(&n);
    n.external.wait_count(1);
    assert!(n.running());
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn it_goes_on_when_nobody_reads_the_status_pipe() {
    // What a master that has died leaves behind: a pipe without a reader. All else goes on.
    let mut n = Notifyd::start();
    n.wait_status(2);
    n.close_status();
    n.send(&external(0));
    n.external.wait_count(1);
    n.signal(Signal::HUP);
    assert_eq!(n.wait_exit().code(), Some(0));
    n.spawn();
    n.send(&external(1));
    n.external.wait_count(2);
    assert_eq!(complaints(&n), [""; 0]);
}
