//! Master starts ours: as a datagram and as a dlist service, with one and with three processes wanted.

use super::server::Server;
use super::setup::{Form, Setup};
use super::stage::Record;

/// A mail with a Sieve script that notifies, and a login; both must be noticed.
fn works(server: &Server) {
    server.sieve(
        "alice",
        "require \"notify\"; notify :method \"external\" :message \"$subject$\";",
    );
    server.lmtp().unwrap().deliver("alice", "first").unwrap();
    let run = server
        .external
        .wait("the Sieve notification", |run| run.args()[2] == "SIEVE");
    assert!(run.stdin.starts_with(b"first\n"));
    assert!(run.ids.iter().all(|id| *id != 0), "not root: {:?}", run.ids);
    server.imap("bob").command("LOGOUT");
    server.log.wait("the login", |r| {
        event(r, "Login") && r.has("\"user\":\"bob\"")
    });
    server.log.wait("the logout", |r| {
        event(r, "Logout") && r.has("\"user\":\"bob\"")
    });
}

fn event(record: &Record, name: &str) -> bool {
    record
        .text
        .starts_with(format!("EVENT, , , ,  \"{{\"event\":\"{name}\"").as_bytes())
}

fn starts(form: Form, prefork: u32, processes: usize) {
    let setup = Setup::new(form).prefork(prefork);
    let mut server = setup
        .conf("event_notifier", "log")
        .conf("event_groups", "access")
        .start();
    let reader = server.wait_notifyds(processes);
    assert!(!server.waiting().contains(&reader) && server.waiting().len() == processes - 1);
    works(&server);
    assert_eq!(
        server.wait_notifyds(processes),
        reader,
        "the same one reads all the time"
    );
    server.stop();
    server.assert_master_content(&[]);
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd, cyrus-caldav: run tests/run"]
fn datagrams_one_process() {
    starts(Form::Datagram, 1, 1);
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd, cyrus-caldav: run tests/run"]
fn datagrams_three_wanted() {
    // Master starts one process of a datagram service, whatever is wanted.
    starts(Form::Datagram, 3, 1);
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd, cyrus-caldav: run tests/run"]
fn dlist_one_process() {
    starts(Form::Dlist, 1, 1);
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd, cyrus-caldav: run tests/run"]
fn dlist_three_processes() {
    starts(Form::Dlist, 3, 3);
}
