//! Cyrus does not wait: neither for a sendmail that sleeps nor for one that fails.
//!
//! Sendmail is held until the test lets it go, so what was accepted before was accepted without waiting
//! for it, however long that took. The times are printed.

use super::clients::Lmtp;
use super::server::Server;
use super::setup::{Form, Setup};
use super::stage::{LIMIT, wait_for};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

const SENT: usize = 200;
const DELIVERIES: usize = 60;
/// A deferred delivery is tried again after some ten seconds.
const RETRY_LIMIT: Duration = Duration::from_secs(60);

/// Sends so many mailto notifications, one after the other; how long it took.
fn send(server: &Server, count: usize) -> Duration {
    let start = Instant::now();
    for n in 0..count {
        server
            .notify("mailto", "W", Some(&format!("{n}@example.org")), "text")
            .unwrap();
    }
    start.elapsed()
}

/// The addresses of mails whose sendmail has ended.
fn recipients(server: &Server) -> BTreeSet<String> {
    server
        .sendmail
        .runs()
        .iter()
        .filter_map(|run| run.args().pop())
        .collect()
}

fn senders_do_not_wait(form: Form) {
    let mut server = Setup::new(form).alone().start();
    let reader = server.wait_notifyds(1);
    server.sendmail.set("hold", 1.0);
    let took = send(&server, SENT);
    println!("{form:?}: {SENT} notifications accepted in {took:?} while sendmail sleeps");
    assert_eq!(
        server.sendmail.runs().len(),
        0,
        "accepted before the first sendmail ended"
    );
    wait_for("all in the spool", LIMIT, || {
        (server.owed("1") == SENT).then_some(())
    });
    server.sendmail.set("hold", 0.0);
    wait_for("every mail", LIMIT, || {
        (recipients(&server).len() == SENT && server.owed("1") == 0).then_some(())
    });
    assert_eq!(server.sendmail.runs().len(), SENT, "each once");
    assert_eq!(server.wait_notifyds(1), reader);
    server.stop();
    server.assert_master_content(&[]);
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd, cyrus-caldav: run tests/run"]
fn senders_of_datagrams() {
    senders_do_not_wait(Form::Datagram);
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd, cyrus-caldav: run tests/run"]
fn senders_of_dlist() {
    senders_do_not_wait(Form::Dlist);
}

/// How long each of the deliveries took.
fn deliver(lmtp: &mut Lmtp, user: &str) -> Vec<Duration> {
    let one = |n| {
        let start = Instant::now();
        lmtp.deliver(user, &format!("number-{n}-")).unwrap();
        start.elapsed()
    };
    let mut times: Vec<Duration> = (0..DELIVERIES).map(one).collect();
    times.sort_unstable();
    times
}

fn lmtpd_does_not_wait(form: Form) {
    let mut server = Setup::new(form).alone().start();
    server.wait_notifyds(1);
    server.sieve("alice", "require \"notify\"; notify :method \"mailto\" :options [\"a@example.org\"] :message \"m\";");
    server.sieve("bob", "keep;");
    let mut lmtp = server.lmtp().unwrap();
    for user in ["alice", "bob"] {
        lmtp.deliver(user, "first").unwrap();
    }
    server.sendmail.wait_count(1);
    server.sendmail.set("hold", 1.0);
    let (without, with) = (deliver(&mut lmtp, "bob"), deliver(&mut lmtp, "alice"));
    assert_eq!(
        server.sendmail.runs().len(),
        1,
        "all delivered before one of their sendmails ended"
    );
    for (what, times) in [("without", &without), ("with", &with)] {
        let (median, longest) = (times[DELIVERIES / 2], times[DELIVERIES - 1]);
        println!(
            "{form:?}: LMTP delivery {what} a Sieve notify: median {median:?}, longest {longest:?}"
        );
    }
    server.sendmail.set("hold", 0.0);
    server.sendmail.wait_count(1 + DELIVERIES);
    server.stop();
    server.assert_master_content(&[]);
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd, cyrus-caldav: run tests/run"]
fn lmtpd_by_datagram() {
    lmtpd_does_not_wait(Form::Datagram);
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd, cyrus-caldav: run tests/run"]
fn lmtpd_by_dlist() {
    lmtpd_does_not_wait(Form::Dlist);
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd, cyrus-caldav: run tests/run"]
fn a_sendmail_that_fails_for_now() {
    const TEMPFAIL: f64 = 75.0;
    let mut server = Setup::new(Form::Datagram).start();
    let reader = server.wait_notifyds(1);
    server.sendmail.set("exitcode", TEMPFAIL);
    let took = send(&server, SENT);
    println!("{SENT} notifications accepted in {took:?} while sendmail fails");
    let tried = "state = 'deferred' AND attempts > 0 AND error IS NOT NULL";
    wait_for("an attempt at each", LIMIT, || {
        (server.owed(tried) == SENT).then_some(())
    });
    assert_eq!(server.owed("1"), SENT, "all still there");
    assert_eq!(recipients(&server).len(), SENT);
    let failed = server.sendmail.runs().len();
    server.sendmail.set("exitcode", 0.0);
    wait_for("every mail", RETRY_LIMIT, || {
        (server.owed("1") == 0).then_some(())
    });
    let again: BTreeSet<String> = server
        .sendmail
        .runs()
        .split_off(failed)
        .iter()
        .filter_map(|run| run.args().pop())
        .collect();
    assert_eq!(again.len(), SENT, "and arrived");
    assert_eq!(server.wait_notifyds(1), reader);
    server.stop();
    server.assert_master_content(&[]);
}
