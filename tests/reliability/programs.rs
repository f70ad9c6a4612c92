//! Programs that misbehave, all sorts at once. (One by one they are in tests/same.)

use super::stage::{LIMIT, Notifyd, Signal, note, wait_for};
use super::{external, flush, logged, open_files, records, runs};

fn mail(n: &Notifyd, i: usize) {
    n.notify(
        &note("mailto")
            .class("C")
            .option(format!("{i}@example.org"))
            .message("m"),
    );
}

fn mailed(n: &Notifyd, i: usize) -> usize {
    let to = format!("{i}@example.org").into_bytes();
    n.sendmail
        .runs()
        .iter()
        .filter(|run| run.argv.last() == Some(&to))
        .count()
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn a_sendmail_that_hangs_holds_up_mail_only() {
    let mut n = Notifyd::start();
    n.sendmail.set("hold", 1.0);
    (0..20).for_each(|i| mail(&n, i));
    n.sendmail.wait_started(4);
    for i in 0..20 {
        n.send(&logged(i));
        n.send(&external(i));
    }
    wait_for("the others", LIMIT, || {
        (runs(&n).len() == 20 && records(&n).len() == 20).then_some(())
    });
    assert_eq!(
        (n.sendmail.started().len(), n.sendmail.runs().len()),
        (4, 0),
        "four at once, and no more"
    );
    // Whoever ends us does not wait for it for ever: it is killed, and run again by the next process.
    n.signal(Signal::TERM);
    assert_eq!(n.wait_exit().code(), Some(0));
    n.sendmail.set("hold", 0.0);
    n.spawn();
    wait_for("all mails", LIMIT, || {
        (0..20).all(|i| mailed(&n, i) == 1).then_some(())
    });
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn a_sendmail_that_is_killed_is_run_again() {
    let n = Notifyd::start();
    n.sendmail.set("hold", 1.0);
    mail(&n, 0);
    n.sendmail.wait_started(1);
    let pid = rustix::process::Pid::from_raw(n.sendmail.started()[0]).unwrap();
    rustix::process::kill_process(pid, Signal::KILL).unwrap();
    n.log.wait("the attempt", |r| {
        r.has("status=deferred") && r.has("signal")
    });
    n.sendmail.set("hold", 0.0);
    flush(&n);
    wait_for("the second attempt", LIMIT, || {
        (mailed(&n, 0) == 1).then_some(())
    });
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn floods_and_children_leave_nothing_behind() {
    let n = Notifyd::start();
    mail(&n, 0);
    n.sendmail.wait_count(1);
    wait_for("the end of the first", LIMIT, || {
        n.log
            .records()
            .iter()
            .any(|r| r.has("status=delivered"))
            .then_some(())
    });
    let before = open_files(n.pid());
    n.sendmail.set("flood", 1e6);
    (1..20).for_each(|i| mail(&n, i));
    n.sendmail.wait_count(20);
    n.sendmail.set("flood", 0.0);
    // Children that hold the output and outlive their parent.
    n.sendmail.set("fork", 1.0);
    (20..60).for_each(|i| mail(&n, i));
    n.sendmail.wait_count(60);
    n.sendmail.set("fork", 0.0);
    wait_for("its descriptors", LIMIT, || {
        (open_files(n.pid()) <= before + 8).then_some(())
    });
    assert!((0..60).all(|i| mailed(&n, i) == 1));
    let children = format!("/proc/{0}/task/{0}/children", n.pid());
    wait_for("no zombies", LIMIT, || {
        std::fs::read_to_string(&children)
            .unwrap()
            .is_empty()
            .then_some(())
    });
}
