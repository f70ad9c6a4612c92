//! The staged message that `-f` names: lmtpd unlinks it when its delivery ends, and it must be there
//! when the external program runs all the same.

use super::server::Server;
use super::setup::{Form, Setup};
use super::stage::{LIMIT, Program, Run, wait_for};
use std::time::Duration;

/// Delivers `count` mails that Sieve notifies of, and gives the program's runs.
fn runs(server: &Server, count: usize) -> Vec<Run> {
    server.sieve(
        "alice",
        "require \"notify\"; notify :method \"external\" :message \"$subject$\";",
    );
    let mut lmtp = server.lmtp().unwrap();
    for n in 0..count {
        lmtp.deliver("alice", &format!("number-{n}-")).unwrap();
    }
    wait_for("all runs", LIMIT + Duration::from_secs(30), || {
        Some(server.external.runs()).filter(|runs| runs.len() >= count)
    })
}

/// How many of the runs have found their message, and how many another one under its name.
fn found(runs: &[Run]) -> (usize, usize) {
    let subject = |run: &Run| {
        let line = run.stdin.split(|b| *b == b'\n').next().unwrap();
        let subject = String::from_utf8(line.to_vec()).unwrap();
        assert!(subject.starts_with("number-"), "{subject}");
        subject
    };
    let (mut own, mut others) = (0, 0);
    for run in runs {
        let subject = subject(run);
        let text = |file: &Vec<u8>| String::from_utf8_lossy(file).into_owned();
        match run.file.as_ref().map(text) {
            Some(file) if file.ends_with(&format!("body of {subject}\r\n")) => own += 1,
            Some(_) => others += 1,
            None => {}
        }
    }
    (own, others)
}

const DELIVERIES: usize = 100;

/// One round of deliveries; how many of the runs have found their message.
fn round(form: Form) -> usize {
    let mut server = Setup::new(form).alone().start();
    server.wait_notifyds(1);
    let runs = runs(&server, DELIVERIES);
    let (found, others) = found(&runs);
    println!(
        "{form:?}: the staged message was there in {found} of {} runs, another one in {others}",
        runs.len()
    );
    assert_eq!(runs.len(), DELIVERIES);
    assert_eq!(others, 0, "somebody else's message");
    wait_for("settlement", LIMIT, || {
        (server.owed("1") == 0).then_some(())
    });
    let left = std::fs::read_dir(server.path("conf/notifyd/files"))
        .unwrap()
        .count();
    assert_eq!(left, 0, "kept messages of deliveries that are done");
    server.stop();
    server.assert_master_content(&[]);
    found
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd, cyrus-caldav: run tests/run"]
fn is_there_by_datagram() {
    // lmtpd does not wait for the reader of a datagram. Where something else keeps the machine busy, the reader may come
    // too late; hence the best of three.
    let best = (0..3)
        .map(|_| round(Form::Datagram))
        .find(|found| *found >= DELIVERIES - 1);
    assert!(best.is_some());
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd, cyrus-caldav: run tests/run"]
fn is_there_by_dlist() {
    assert_eq!(round(Form::Dlist), DELIVERIES);
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd, cyrus-caldav: run tests/run"]
fn is_gone_with_stock() {
    let server = Setup::new(Form::Datagram)
        .program(Program::Stock)
        .alone()
        .start();
    let runs = runs(&server, 30);
    let (found, others) = found(&runs);
    println!(
        "stock: the staged message was there in {found} of {} runs, another one in {others}",
        runs.len()
    );
    assert_eq!(runs.len(), 30);
    assert!(
        found < 30,
        "the comparison says nothing: stock has found all"
    );
}
