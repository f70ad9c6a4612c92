//! Signals, and what is left when the daemon ends.

use super::stage::{Notifyd, Signal, note, ours};
use std::os::unix::process::ExitStatusExt;

const ENDING: [Signal; 3] = [Signal::TERM, Signal::INT, Signal::QUIT];

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn end_before_the_first_datagram() {
    for signal in ENDING {
        let mut n = Notifyd::start();
        n.wait_ready();
        n.signal(signal);
        let code = n.wait_exit().code();
        if ours() {
            assert_eq!(code, Some(0), "an orderly end is no failure");
        } else {
            assert_eq!(code, Some(75));
            n.log
                .wait("the end", |r| r.pri == 21 && r.text == b"graceful shutdown");
        }
    }
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn end_while_idle() {
    for signal in ENDING {
        let mut n = Notifyd::start();
        n.fence_log();
        n.wait_asleep();
        n.signal(signal);
        // Stock's 4 is EINTR from its receive call.
        assert_eq!(n.wait_exit().code(), Some(if ours() { 0 } else { 4 }));
    }
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn hangup_before_the_first_datagram() {
    let mut n = Notifyd::start();
    n.wait_ready();
    n.signal(Signal::HUP);
    assert_eq!(n.wait_exit().code(), Some(0));
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn hangup_while_idle() {
    let mut n = Notifyd::start();
    n.fence_log();
    n.wait_asleep();
    n.signal(Signal::HUP);
    if !ours() {
        // Stock serves one more notification with its old configuration before it goes.
        n.fence_log();
    }
    assert_eq!(n.wait_exit().code(), Some(0));
    n.spawn();
    n.fence_log();
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn end_while_sendmail_runs() {
    let mut n = Notifyd::start();
    n.sendmail.set("delay", 0.5);
    n.notify(
        &note("mailto")
            .class("C")
            .option("bob@example.org")
            .message("m"),
    );
    n.sendmail.wait_started(1);
    n.signal(Signal::TERM);
    assert_eq!(n.wait_exit().code(), Some(if ours() { 0 } else { 75 }));
    assert_eq!(n.sendmail.runs().len(), 1, "it has waited for sendmail");
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn hangup_while_sendmail_runs() {
    let mut n = Notifyd::start();
    n.sendmail.set("delay", 0.5);
    n.notify(
        &note("mailto")
            .class("C")
            .option("bob@example.org")
            .message("m"),
    );
    n.sendmail.wait_started(1);
    n.signal(Signal::HUP);
    assert_eq!(n.wait_exit().code(), Some(0));
    assert_eq!(n.sendmail.runs().len(), 1, "it has waited for sendmail");
}

/// Six mails, then `signal` while the first is under way; a successor: each mail was sent, and just once.
fn hand_over(signal: Signal) {
    let mut n = Notifyd::start();
    n.sendmail.set("delay", 0.2);
    for i in 0..6 {
        n.notify(
            &note("mailto")
                .class("C")
                .option(format!("bob{i}@example.org"))
                .message("m"),
        );
    }
    n.sendmail.wait_started(1);
    n.signal(signal);
    n.wait_exit();
    n.sendmail.set("delay", 0.0);
    n.spawn();
    n.sendmail.wait_count(6);
    let mut to: Vec<String> = n
        .fence_mailto()
        .iter()
        .map(|run| run.args()[5].clone())
        .collect();
    to.sort();
    assert_eq!(
        to,
        [0, 1, 2, 3, 4, 5].map(|i| format!("bob{i}@example.org"))
    );
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn hangup_with_work_left() {
    hand_over(Signal::HUP);
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn end_with_work_left() {
    hand_over(Signal::TERM);
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn end_waits_for_the_external_program() {
    let mut n = Notifyd::start();
    n.external.set("delay", 0.5);
    n.notify(&note("external").class("C").message("m"));
    n.external.wait_started(1);
    n.signal(Signal::TERM);
    n.wait_exit();
    assert_eq!(n.external.runs().len(), 1);
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn usr1() {
    let mut n = Notifyd::start();
    n.fence_log();
    n.signal(Signal::USR1);
    if ours() {
        // It toggles debug logging, as in Cyrus 3.13.
        n.fence_log();
        assert!(n.running());
    } else {
        // Stock 3.6.1 has no handler.
        assert_eq!(n.wait_exit().signal(), Some(10));
    }
}
