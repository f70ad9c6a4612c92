//! The program `notifytest`, against sockets of the test's own in both wire forms, and against the daemon under test.

#![allow(
    clippy::unwrap_used,
    reason = "a test that panics has failed, as it should"
)]

#[path = "common/retry.rs"]
mod retry;

use retry::retry;
mod stage;

use cyrus_notifyd::wire::{Notification, datagram, dlist};
use std::io::{Read, Write};
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::path::Path;
use std::process::{Command, Output};
use std::thread::JoinHandle;
use std::time::Duration;

/// Runs it with `-f SOCKET` and `args`.
fn notifytest(socket: &str, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_notifytest"));
    command.args(["-f", socket]).args(args).output().unwrap()
}

fn error(output: &Output) -> (Option<i32>, String) {
    assert_eq!(output.stdout, b"");
    (
        output.status.code(),
        String::from_utf8(output.stderr.clone()).unwrap(),
    )
}

fn assert_silent_success(output: &Output) {
    assert_eq!(error(output), (Some(0), String::new()));
}

/// What the arguments in [`ARGS`] mean.
fn wanted() -> Notification {
    Notification {
        method: b"mailto".to_vec(),
        class: b"SIEVE".to_vec(),
        priority: b"high".to_vec(),
        user: b"alice".to_vec(),
        mailbox: b"INBOX".to_vec(),
        options: vec![
            b"bob@example.org".to_vec(),
            b"".to_vec(),
            "gr\u{fc}n \"%\\\r\n".into(),
        ],
        message: b"two\nlines".to_vec(),
        fname: None,
    }
}

const ARGS: &[&str] = &[
    "-n",
    "mailto",
    "-c",
    "SIEVE",
    "-p",
    "high",
    "-u",
    "alice",
    "-m",
    "INBOX",
    "-t",
    "two\nlines",
    "bob@example.org",
    "",
    "gr\u{fc}n \"%\\\r\n",
];

#[test]
fn a_datagram() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(stage::LIMIT)).unwrap();
    let mut buffer = vec![0; 70_000];
    let mut received = |args: &[&str]| {
        assert_silent_success(&notifytest(path.to_str().unwrap(), args));
        let length = retry(|| socket.recv(&mut buffer)).unwrap();
        buffer[..length].to_vec()
    };
    assert_eq!(received(ARGS), datagram::encode(&wanted()));
    // Stock's defaults, to the byte; the user is whoever runs it.
    let name = Command::new("id").arg("-un").output().unwrap().stdout;
    let name = String::from_utf8(name).unwrap();
    let text = format!("\0MESSAGE\0normal\0{}\0\x000\0hello\0", name.trim_end());
    assert_eq!(received(&["-t", "hello"]), text.as_bytes());
    assert_eq!(received(&["-t", "hello", "-u", ""]), text.as_bytes());
    // Stock stops at 8,192 bytes and ten options.
    let long = "x".repeat(60_000);
    let options = ["o"; 50];
    let sent = received(&[&["-t", long.as_str()][..], &options].concat());
    let sent = datagram::decode(&sent).unwrap();
    assert_eq!((sent.message.len(), sent.options.len()), (60_000, 50));
}

/// A dlist server for one conversation; gives what it was asked.
fn serve_once(path: &Path, answer: &'static [u8]) -> JoinHandle<Notification> {
    let listener = UnixListener::bind(path).unwrap();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.set_read_timeout(Some(stage::LIMIT)).unwrap();
        let (mut asked, mut buffer) = (Vec::new(), [0; 4096]);
        loop {
            match dlist::decode(&asked) {
                Ok((notification, used)) => {
                    assert_eq!(used, asked.len(), "nothing after the list");
                    stream.write_all(answer).unwrap();
                    return notification;
                }
                Err(dlist::Error::Incomplete) => {}
                Err(error) => panic!("{error}"),
            }
            let read = retry(|| stream.read(&mut buffer)).unwrap();
            assert_ne!(read, 0, "closed early: {asked:?}");
            asked.extend_from_slice(&buffer[..read]);
        }
    })
}

fn converse(prefix: &str, answer: &'static [u8]) -> (Output, Notification) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("notify");
    let server = serve_once(&path, answer);
    let output = notifytest(&format!("{prefix}{}", path.display()), ARGS);
    (output, server.join().unwrap())
}

#[test]
fn a_dlist_conversation() {
    // By the socket's type, and by name.
    for prefix in ["", "dlist:"] {
        let (output, asked) = converse(prefix, b"OK %()\r\n");
        assert_silent_success(&output);
        assert_eq!(asked, wanted());
    }
}

#[test]
fn an_answer_that_is_not_ok_is_told() {
    for (answer, told) in [
        (&b"NO %()\r\n"[..], "the answer is NO"),
        (
            b"NO %(REASON \"no room in the spool\")\r\n",
            "the answer is NO: no room in the spool",
        ),
        (b"MAYBE\x1b %()\r\n", "the answer is "),
        (b"OK", "closed without a whole answer"),
        (b"", "closed without a whole answer"),
        (b"OK {x}\r\n", "not to be understood"),
    ] {
        let (code, text) = error(&converse("", answer).0);
        assert_eq!(code, Some(255), "{text}");
        assert!(
            text.starts_with("notifytest: ") && text.contains(told),
            "{text}"
        );
        assert!(
            !text.contains('\x1b') && text.lines().count() == 1,
            "{text:?}"
        );
    }
}

#[test]
fn trouble_with_the_socket_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    std::fs::write(path("file"), "").unwrap();
    drop(UnixDatagram::bind(path("left")).unwrap());
    drop(UnixListener::bind(path("left-stream")).unwrap());
    let _datagram = UnixDatagram::bind(path("datagram")).unwrap();
    for (socket, told) in [
        (path("missing"), "does not exist"),
        (format!("dlist:{}", path("missing")), "does not exist"),
        (path("file"), "is not a socket"),
        (path("left"), "nobody listens"),
        (format!("dlist:{}", path("left-stream")), "nobody listens"),
        (format!("dlist:{}", path("datagram")), "leave out dlist:"),
        ("x".repeat(200), "x: "),
    ] {
        let (code, text) = error(&notifytest(&socket, &["-t", "hello"]));
        assert_eq!(code, Some(255), "{text}");
        assert!(
            text.starts_with("notifytest: ") && text.contains(told),
            "{socket}: {text}"
        );
    }
}

#[test]
fn wrong_usage() {
    let output = Command::new(env!("CARGO_BIN_EXE_notifytest"))
        .output()
        .unwrap();
    let (code, text) = error(&output);
    assert_eq!(code, Some(1));
    assert!(
        text.contains("usage: notifytest -f socket_path -t text"),
        "{text}"
    );
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn the_daemon_under_test_takes_it() {
    let stage = stage::Setup::new().start();
    let socket = stage.path("notify");
    let socket = socket.to_str().unwrap();
    let args = [
        "-n", "log", "-c", "C", "-p", "high", "-u", "alice", "-m", "INBOX", "-t", "hello", "a", "b",
    ];
    assert_silent_success(&notifytest(socket, &args));
    stage.log.wait("the record", |r| {
        r.text == b"C, high, alice, INBOX, (a, b) \"hello\""
    });
    assert_silent_success(&notifytest(
        socket,
        &["-n", "mailto", "-t", "hello", "bob@example.org"],
    ));
    stage.sendmail.wait("the mail", |run| {
        run.argv.last().is_some_and(|a| a == b"bob@example.org")
    });
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn our_daemon_takes_it_by_dlist() {
    // The stock daemon serves no stream socket: Cyrus 3 only sends dlist.
    let stage = stage::Setup::new()
        .program(stage::Program::Ours)
        .stream()
        .start();
    let socket = stage.path("notify");
    let long = "x".repeat(100_000);
    let args = ["-n", "mailto", "-t", long.as_str(), "bob@example.org"];
    assert_silent_success(&notifytest(socket.to_str().unwrap(), &args));
    let run = stage.sendmail.wait("the mail", |run| {
        run.argv.last().is_some_and(|a| a == b"bob@example.org")
    });
    assert!(run.stdin.len() > 100_000);
    let (code, text) = error(&notifytest(
        socket.to_str().unwrap(),
        &["-n", "no-such-method", "-t", "x"],
    ));
    assert_eq!(
        (code, text.as_str()),
        (Some(0), ""),
        "taken, though nobody gets it: the warning is in the log"
    );
    stage::wait_for("the warning", Duration::from_secs(15), || {
        stage
            .log
            .records()
            .iter()
            .any(|r| r.has("no-such-method"))
            .then_some(())
    });
}
