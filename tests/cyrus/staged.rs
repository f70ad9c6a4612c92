//! The staged message that `-f` names: lmtpd unlinks it when its delivery ends, and it must be there
//! when the external program runs all the same.

use super::server::{Server, kill};
use super::setup::{Form, Setup};
use super::stage::{LIMIT, Program, Run, Signal, wait_for};
use std::os::unix::fs::PermissionsExt;
use std::sync::atomic::{AtomicBool, Ordering};
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
    settled(&mut server);
    found
}

/// All is delivered, and nothing is left behind.
fn settled(server: &mut Server) {
    wait_for("settlement", LIMIT, || {
        (server.owed("1") == 0).then_some(())
    });
    let left = std::fs::read_dir(server.path("conf/notifyd/files"))
        .unwrap()
        .count();
    assert_eq!(left, 0, "kept messages of deliveries that are done");
    server.stop();
    server.assert_master_content(&[]);
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd, cyrus-caldav: run tests/run"]
fn is_there_by_datagram() {
    // The folder is watched from the first message on. lmtpd does not wait for the reader of a datagram: where something
    // else keeps the machine busy, the reader may come too late; hence the best of three.
    let best = (0..3)
        .map(|_| round(Form::Datagram))
        .find(|found| *found >= DELIVERIES / 2);
    assert!(best.is_some());
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd, cyrus-caldav: run tests/run"]
fn is_there_by_dlist() {
    assert_eq!(round(Form::Dlist), DELIVERIES);
}

/// What shows the staged message to somebody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shown {
    /// `-f` of method `external`.
    External,
    /// Fields of the mail that method `mailto` sends in style `rfc5436`.
    Mail,
}

/// How the reader is kept from reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reader {
    Reads,
    /// Stopped whenever it reads, until lmtpd waits for room in the queue.
    IsStopped,
}

const PIPELINED: usize = 1500;

/// One LMTP session in which messages to two users follow each other without a pause: lmtpd gives all those of a second the
/// same name. Nobody may see the other one's.
fn nobody_sees_anothers(form: Form, shown: Shown, reader: Reader) {
    let mut setup = Setup::new(form).alone();
    let config = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(
        &config,
        "[mailto]\nstyle = \"rfc5436\"\nowner_limit = 0\nrecipient_limit = 0\n",
    )
    .unwrap();
    std::fs::set_permissions(&config, PermissionsExt::from_mode(0o644)).unwrap();
    if shown == Shown::Mail {
        setup = setup.conf("notifyd_config", config.path().to_str().unwrap());
    }
    let mut server = setup.start();
    let pid = server.wait_notifyds(1);
    for user in ["alice", "bob"] {
        let method = match shown {
            Shown::External => "https://cyrusimap.org/notifiers/external",
            Shown::Mail => "mailto:pager@cyr.test",
        };
        let script = format!(
            "require [\"enotify\", \"variables\"];\nif header :matches \"subject\" \"*\" \
             {{ notify :message \"${{1}}\" \"{method}\"; }}"
        );
        server.sieve(user, &script);
    }
    let mails: Vec<(&str, String)> = (0..PIPELINED)
        .map(|n| (["alice", "bob"][n % 2], format!("number-{n}-")))
        .collect();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let delivered = server.lmtp().unwrap().deliver_pipelined(&mails);
            done.store(true, Ordering::SeqCst);
            delivered.unwrap();
        });
        while reader == Reader::IsStopped && !done.load(Ordering::SeqCst) {
            kill(pid, Signal::STOP);
            wait_for("lmtpd to wait for room", LIMIT, || {
                (waits(&server) || done.load(Ordering::SeqCst)).then_some(())
            });
            kill(pid, Signal::CONT);
            wait_for("lmtpd to go on", LIMIT, || {
                (!waits(&server) || done.load(Ordering::SeqCst)).then_some(())
            });
        }
    });
    wait_for("all deliveries", LIMIT + Duration::from_secs(60), || {
        (server.owed("1") == 0).then_some(())
    });
    let runs = match shown {
        Shown::External => server.external.runs(),
        Shown::Mail => server.sendmail.runs(),
    };
    assert_eq!(runs.len(), PIPELINED);
    let (mut own, mut others) = (0, 0);
    for run in &runs {
        let about = about(run, shown);
        own += usize::from(about.len() > 1 && about.iter().all(|n| *n == about[0]));
        others += usize::from(about.iter().any(|n| *n != about[0]));
    }
    println!(
        "{form:?} {shown:?} {reader:?}: {own} of {PIPELINED} had their message, {others} another one"
    );
    assert_eq!(others, 0, "another user's message");
    if form == Form::Dlist {
        assert_eq!(own, PIPELINED);
    }
    settled(&mut server);
}

/// The numbers of the messages that something shows: first that of the notification, then those in what came with it.
fn about(run: &Run, shown: Shown) -> Vec<usize> {
    let text = match shown {
        Shown::External => [&run.stdin[..], run.file.as_deref().unwrap_or_default()].concat(),
        Shown::Mail => run.stdin.clone(),
    };
    let text = String::from_utf8_lossy(&text).into_owned();
    let said = match shown {
        Shown::External => text.as_str(),
        Shown::Mail => text.split_once("\nSubject: ").unwrap().1,
    };
    let numbers = |text: &str| -> Vec<usize> {
        let parts = text.split("number-").skip(1);
        parts
            .map(|part| part.split_once('-').unwrap().0.parse().unwrap())
            .collect()
    };
    let first = numbers(said)[0];
    let mut all = numbers(&text);
    // The notification's own text, and where a mail says it once more.
    let own = if shown == Shown::Mail {
        all.iter().filter(|n| **n == first).count()
    } else {
        0
    };
    if own > 0 && !text.contains("\nReferences: ") {
        all.retain(|n| *n != first);
        all.insert(0, first);
    }
    all.sort_by_key(|n| *n != first);
    all
}

/// Whether an lmtpd is blocked because the queue of the socket is full.
fn waits(server: &Server) -> bool {
    server.processes().iter().any(|(pid, name)| {
        name == "lmtpd"
            && std::fs::read_to_string(format!("/proc/{pid}/wchan"))
                .is_ok_and(|place| place.contains("unix_wait_for_peer"))
    })
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd, cyrus-caldav: run tests/run"]
fn nobody_sees_anothers_by_datagram() {
    for shown in [Shown::External, Shown::Mail] {
        for reader in [Reader::Reads, Reader::IsStopped] {
            nobody_sees_anothers(Form::Datagram, shown, reader);
        }
    }
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd, cyrus-caldav: run tests/run"]
fn nobody_sees_anothers_by_dlist() {
    for shown in [Shown::External, Shown::Mail] {
        nobody_sees_anothers(Form::Dlist, shown, Reader::Reads);
    }
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
