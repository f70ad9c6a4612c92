//! SIGHUP to master under load: the daemon hands over to its successor, loses nothing, and two never read at once.

use super::holders::Turns;
use super::server::{Server, catches};
use super::setup::{Form, Setup};
use super::stage::{LIMIT, Signal, wait_for};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

const HANG_UPS: usize = 20;
/// Master forks workers of a dlist service at any time, and whoever is just being executed dies of a hang-up, in every program.
/// What must not be is that master has enough of it ("too many failures"), and any other end.
const DIED_BEFORE_MAIN: [&str; 2] = [
    "signaled to death by signal 1 (Hangup)",
    "in READY state: terminated abnormally",
];

fn forgiven(form: Form) -> &'static [&'static str] {
    match form {
        Form::Datagram => &[],
        Form::Dlist => &DIED_BEFORE_MAIN,
    }
}

/// At least so many notifications of the flood are sent around each.
const FLOOD: usize = 30;
/// How long all that is owed may take at the end.
const DRAIN_LIMIT: Duration = Duration::from_secs(60);

/// What was accepted by the server, to be found again.
#[derive(Default)]
struct Sent {
    logs: Vec<usize>,
    mails: Vec<usize>,
    deliveries: Vec<usize>,
    logins: usize,
    /// The longest that a sender had to wait.
    longest: Duration,
}

/// Numbered notifications straight into the socket: to `log`, and each sixth to `mailto`. A blocking send that returns is accepted; so is an OK.
fn flood(server: &Server, stop: &AtomicBool, sending: &AtomicUsize, sent: &mut Sent) {
    for n in 0.. {
        if stop.load(Relaxed) {
            return;
        }
        let start = Instant::now();
        if n % 6 == 0 {
            server
                .notify("mailto", "FLOOD", Some(&format!("{n}@example.org")), "mail")
                .unwrap();
            sent.mails.push(n);
        } else {
            server
                .notify("log", "FLOOD", None, &format!("number {n};"))
                .unwrap();
            sent.logs.push(n);
        }
        sent.longest = sent.longest.max(start.elapsed());
        sending.store(n, Relaxed);
        std::thread::sleep(Duration::from_millis(1)); // a pace, so that the end comes soon after the last one
    }
}

/// Numbered mails that Sieve notifies of. lmtpd, too, is restarted by SIGHUP: then the mail is sent once more.
fn deliver(server: &Server, stop: &AtomicBool, sent: &mut Sent) {
    let mut lmtp = server.lmtp().ok();
    for n in 0.. {
        loop {
            if stop.load(Relaxed) {
                return;
            }
            let done = lmtp
                .as_mut()
                .is_some_and(|lmtp| lmtp.deliver("alice", &format!("number-{n}-")).is_ok());
            if done {
                sent.deliveries.push(n);
                break;
            }
            lmtp = server.lmtp().ok();
        }
    }
}

/// Logins, which Cyrus reports as events.
fn log_in(server: &Server, stop: &AtomicBool, sent: &mut Sent) {
    while !stop.load(Relaxed) {
        if server.try_imap("bob").is_ok() {
            sent.logins += 1;
        }
    }
}

/// Looks at the processes all the time: the most notifyds that lived at once, and who was the one that may read.
fn watch(server: &Server, stop: &AtomicBool) -> (usize, Turns) {
    let (mut most, mut turns) = (0, Turns::default());
    while !stop.load(Relaxed) {
        most = most.max(server.notifyds().len());
        turns.look(&server.lock());
    }
    (most, turns)
}

/// Numbers in texts like `number 17;`, with how often each came.
fn numbers(
    texts: impl Iterator<Item = Vec<u8>>,
    before: &str,
    after: &str,
) -> BTreeMap<usize, usize> {
    let mut counts = BTreeMap::new();
    for text in texts {
        let text = String::from_utf8_lossy(&text).into_owned();
        let number = text
            .split_once(before)
            .and_then(|(_, rest)| rest.split_once(after)?.0.parse().ok());
        if let Some(number) = number {
            *counts.entry(number).or_insert(0) += 1;
        }
    }
    counts
}

/// What came of each kind, by number.
struct Came {
    logs: BTreeMap<usize, usize>,
    mails: BTreeMap<usize, usize>,
    deliveries: BTreeMap<usize, usize>,
    logins: usize,
}

fn came(server: &Server) -> Came {
    let raw = server.log.raw();
    let login = |text: &&Vec<u8>| {
        let text = String::from_utf8_lossy(text);
        text.contains("\"event\":\"Login\"") && text.contains("\"user\":\"bob\"")
    };
    Came {
        logs: numbers(raw.iter().cloned(), "\"number ", ";"),
        mails: numbers(
            server
                .sendmail
                .runs()
                .into_iter()
                .filter_map(|mut run| run.argv.pop()),
            "",
            "@",
        ),
        deliveries: numbers(
            server.external.runs().into_iter().map(|run| run.stdin),
            "number-",
            "-",
        ),
        logins: raw.iter().filter(login).count(),
    }
}

/// One line about one kind: how many, and how many more than once. Panics when one is missing.
fn compare(what: &str, sent: &[usize], came: &BTreeMap<usize, usize>) {
    let missing: Vec<_> = sent.iter().filter(|n| !came.contains_key(n)).collect();
    let twice = came.values().filter(|count| **count > 1).count();
    println!(
        "  {what}: {} sent, {} missing, {twice} came more than once",
        sent.len(),
        missing.len()
    );
    assert!(missing.is_empty(), "{what} lost: {missing:?}");
    assert!(
        sent.len() > HANG_UPS,
        "hardly any load: {} of {what}",
        sent.len()
    );
}

fn loses_nothing(form: Form, prefork: u32, processes: usize) {
    let setup = Setup::new(form)
        .prefork(prefork)
        .conf("event_notifier", "log")
        .conf("event_groups", "access");
    let mut server = setup.start();
    let mut reader = server.wait_notifyds(processes);
    server.sieve(
        "alice",
        "require \"notify\"; notify :method \"external\" :message \"$subject$\";",
    );
    let (stop, sending) = (AtomicBool::new(false), AtomicUsize::new(0));
    let (mut sent, mut delivered, mut logged_in) =
        (Sent::default(), Sent::default(), Sent::default());
    let (most, turns) = std::thread::scope(|scope| {
        let (server, stop, sending) = (&server, &stop, &sending);
        scope.spawn(|| flood(server, stop, sending, &mut sent));
        scope.spawn(|| deliver(server, stop, &mut delivered));
        scope.spawn(|| log_in(server, stop, &mut logged_in));
        let watcher = scope.spawn(|| watch(server, stop));
        let stopped = StopAtEnd(stop);
        for n in 0..HANG_UPS {
            let before = sending.load(Relaxed);
            server.signal(Signal::HUP);
            reader = server.wait_successor(processes, reader);
            wait_for(&format!("load around hang-up {n}"), LIMIT, || {
                (sending.load(Relaxed) >= before + FLOOD).then_some(())
            });
        }
        drop(stopped);
        watcher.join().unwrap()
    });
    let last = server.wait_notifyds(processes);
    // Of several, one that waited for its turn may have had it for a moment, and left at the same hang-up.
    assert!(last == reader || processes > 1, "{reader} has gone");
    let wanted = (
        sent.logs.len(),
        sent.mails.len(),
        delivered.deliveries.len(),
    );
    // A datagram that was sent last may not be committed yet: that nothing is owed is not enough.
    wait_for("all that was sent", DRAIN_LIMIT, || {
        let now = came(&server);
        let got = (now.logs.len(), now.mails.len(), now.deliveries.len());
        let all = got.0 >= wanted.0 && got.1 >= wanted.1 && got.2 >= wanted.2;
        (all && server.owed("1") == 0).then_some(())
    });
    let came = came(&server);
    println!("{form:?}, prefork {prefork}: {HANG_UPS} hang-ups; at most {most} notifyds at a time");
    println!(
        "  the longest that a sender had to wait: {:?}",
        sent.longest
    );
    compare("log", &sent.logs, &came.logs);
    compare("mailto", &sent.mails, &came.mails);
    compare("Sieve deliveries", &delivered.deliveries, &came.deliveries);
    println!("  logins: {} made, {} came", logged_in.logins, came.logins);
    assert!(logged_in.logins > 0 && came.logins >= logged_in.logins);
    let turns = turns.count();
    // Those that came and went between two looks are missing.
    assert!(turns > HANG_UPS / 2, "{turns} turns in {HANG_UPS} hang-ups");
    if form == Form::Datagram {
        assert_eq!(most, 1, "never two of a datagram service");
    }
    server.stop();
    server.assert_master_content(forgiven(form));
}

/// Stops the load also when the test fails; else the scope would wait for ever.
struct StopAtEnd<'a>(&'a AtomicBool);

impl Drop for StopAtEnd<'_> {
    fn drop(&mut self) {
        self.0.store(true, Relaxed);
    }
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd, cyrus-caldav: run tests/run"]
fn loses_nothing_by_datagram() {
    loses_nothing(Form::Datagram, 1, 1);
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd, cyrus-caldav: run tests/run"]
fn loses_nothing_by_dlist() {
    loses_nothing(Form::Dlist, 1, 1);
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd, cyrus-caldav: run tests/run"]
fn loses_nothing_by_dlist_with_three_processes() {
    loses_nothing(Form::Dlist, 3, 3);
}

/// Hang-ups in pairs: the second comes when the successor catches signals but is not ready for them.
fn in_pairs(form: Form) {
    let mut server = Setup::new(form).start();
    let mut reader = server.wait_notifyds(1);
    for n in 0..HANG_UPS {
        server
            .notify("mailto", "PAIR", Some(&format!("{n}@example.org")), "mail")
            .unwrap();
        server.signal(Signal::HUP);
        let successor = wait_for("the successor's process", LIMIT, || {
            server
                .notifyds()
                .into_iter()
                .find(|pid| *pid != reader && catches(*pid))
        });
        server.signal(Signal::HUP);
        server
            .notify("mailto", "PAIR", Some(&format!("{n}b@example.org")), "mail")
            .unwrap();
        reader = server.wait_successor(1, successor);
    }
    server.sendmail.wait_count(2 * HANG_UPS);
    server.stop();
    server.assert_master_content(forgiven(form));
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd, cyrus-caldav: run tests/run"]
fn in_pairs_by_datagram() {
    in_pairs(Form::Datagram);
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd, cyrus-caldav: run tests/run"]
fn in_pairs_by_dlist() {
    in_pairs(Form::Dlist);
}
