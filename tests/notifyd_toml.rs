//! notifyd.toml under Cyrus' master: a file with mistakes stops neither the intake nor the hand-over to a good one.

#![allow(
    clippy::unwrap_used,
    reason = "a test that panics has failed, as it should"
)]

mod stage;

use stage::{Notifyd, Program, Setup, Signal, note};
use std::fs;

fn say(n: &Notifyd, user: &str) {
    n.notify(&note("external").class("C").user(user).message("m"));
}

fn errors(n: &Notifyd) -> usize {
    n.log.count(|record| record.severity() < 4)
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn a_mistake_is_told_and_the_process_stays_until_the_file_is_good() {
    let setup = Setup::new().program(Program::Ours);
    let mut n = setup.conf("notifyd_config", "{dir}/notifyd.toml").start();
    n.log.wait("the file that is not there", |r| {
        r.severity() == 3 && r.has("notifyd.toml: cannot be read: notifyd_config names it")
    });
    say(&n, "one");
    n.external.wait_count(1);
    let file = n.path("notifyd.toml");
    fs::write(&file, "[spool\npath = '/x'\n[retry]\nfrist = '1s'\n").unwrap();
    let before = errors(&n);
    n.signal(Signal::HUP);
    n.log.wait("that it stays", |r| {
        r.severity() == 3
            && r.has("notifyd.toml has 2 mistakes; going on with the configuration as it was")
    });
    assert_eq!(errors(&n), before + 3, "both mistakes, and what follows");
    say(&n, "two");
    n.external.wait_count(2);
    assert!(n.running());
    // Somebody kills it: the next process finds the same file, and goes on all the same.
    n.signal(Signal::KILL);
    n.wait_exit();
    n.spawn();
    n.log.wait("the next one's complaint", |r| {
        r.has("notifyd.toml has 2 mistakes: the default is in force where the mistake is")
    });
    say(&n, "three");
    n.external.wait_count(3);
    fs::write(&file, "[retry]\nfirst = '1s'\n").unwrap();
    let before = errors(&n);
    n.signal(Signal::HUP);
    assert_eq!(n.wait_exit().code(), Some(0), "the file is good: hand over");
    n.spawn();
    say(&n, "four");
    n.external.wait_count(4);
    assert_eq!(errors(&n), before, "nothing to complain of");
}
