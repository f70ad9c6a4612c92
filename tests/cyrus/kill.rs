//! The daemon is killed while it owes deliveries: master's next one makes them.

use super::server::kill;
use super::setup::{Form, Setup};
use super::stage::{LIMIT, Signal, wait_for};
use std::collections::BTreeSet;

const MAILS: usize = 24;

fn delivers_what_was_spooled(form: Form, prefork: u32, processes: usize) {
    let mut server = Setup::new(form).prefork(prefork).start();
    let first = server.wait_notifyds(processes);
    server.sieve(
        "alice",
        "require \"enotify\"; notify :message \"m\" \"mailto:$subject$@example.org\";",
    );
    server.sendmail.set("hold", 1.0);
    for n in 0..MAILS {
        server
            .notify("mailto", "K", Some(&format!("{n}@example.org")), "text")
            .unwrap();
    }
    server.lmtp().unwrap().deliver("alice", "sieve").unwrap();
    wait_for("everything in the spool", LIMIT, || {
        (server.owed("1") == MAILS + 1).then_some(())
    });
    // Some of them may have been begun without having said so yet.
    let under_way = cyrus_notifyd::method::find(b"mailto").unwrap().permits;
    assert!(under_way <= MAILS / 2 && server.sendmail.runs().is_empty());

    kill(first, Signal::KILL);
    // Let what the dead one has started hang for ever: it counts for nothing.
    wait_for("another reader", LIMIT, || {
        let readers = server.readers();
        (readers.len() == 1 && readers[0] != first).then_some(())
    });
    let second = server.wait_notifyds(processes);
    assert_ne!(second, first);
    server.sendmail.set("hold", 0.0);
    let wanted: BTreeSet<String> = (0..MAILS).map(|n| format!("{n}@example.org")).collect();
    wait_for("every mail", LIMIT, || {
        let runs = server.sendmail.runs();
        let got: BTreeSet<String> = runs.iter().filter_map(|run| run.args().pop()).collect();
        (wanted.is_subset(&got) && got.len() == MAILS + 1 && server.owed("1") == 0).then_some(())
    });
    let dead_ones = server.sendmail.runs().len() - (MAILS + 1);
    println!(
        "{form:?}: {} mails, {dead_ones} of them twice: {under_way} may have been under way at the kill",
        MAILS + 1
    );
    // The last datagram may have been committed and not yet taken out of the socket.
    assert!(
        dead_ones <= under_way + usize::from(form == Form::Datagram),
        "only what was under way may come twice"
    );
    assert_eq!(server.wait_notifyds(processes), second);
    server.stop();
    // A dlist service that dies was ready, and master says so; that is the kill itself.
    server.assert_master_content(&[&format!("pid:{first} "), &format!("pid {first} ")]);
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd, cyrus-caldav: run tests/run"]
fn delivers_what_was_spooled_by_datagram() {
    delivers_what_was_spooled(Form::Datagram, 1, 1);
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd, cyrus-caldav: run tests/run"]
fn delivers_what_was_spooled_by_dlist() {
    delivers_what_was_spooled(Form::Dlist, 1, 1);
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd, cyrus-caldav: run tests/run"]
fn a_waiting_worker_takes_over() {
    delivers_what_was_spooled(Form::Dlist, 3, 3);
}

/// Kills the reader again and again, as often as master may count; false when master starts no other.
fn killed_often(server: &super::server::Server) -> bool {
    let mut before = 0;
    for n in 0..6 {
        let gave_up = || {
            server
                .log
                .count(|r| r.has("too many failures for service notify"))
                > 0
        };
        let reader = wait_for("a reader, or the end of it", LIMIT, || {
            let readers = server.readers();
            let fresh = readers.into_iter().find(|reader| *reader != before);
            fresh.map(Some).or_else(|| gave_up().then_some(None))
        });
        let Some(reader) = reader else { return false };
        // It serves.
        let class = format!("SERVES{n}");
        server.notify("log", &class, None, "m").unwrap();
        server.log.wait("the log", |r| r.has(&class));
        kill(reader, Signal::KILL);
        before = reader;
    }
    true
}

/// Master gives a service up after five deaths within seconds while it seems ready. So a process that follows others that
/// died young does not seem ready.
#[test]
#[ignore = "needs root and Debian's cyrus-imapd, cyrus-caldav: run tests/run"]
fn deaths_do_not_make_master_disable_the_service() {
    for form in [Form::Datagram, Form::Dlist] {
        let server = Setup::new(form).start();
        server.wait_notifyds(1);
        assert!(killed_often(&server));
        server.notify("log", "AFTER", None, "m").unwrap();
        server.log.wait("the log", |r| r.has("AFTER"));
        server.signal(Signal::HUP);
        server.notify("log", "RELOADED", None, "m").unwrap();
        server.log.wait("the log", |r| r.has("RELOADED"));
    }
}
