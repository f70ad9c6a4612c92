//! dlist under master: each connection gets a complete answer, whatever it says and however it says it.
//!
//! A Cyrus process waits for its answer without any time limit, so an answer that does not come is a mailbox that hangs.

#![allow(
    clippy::unwrap_used,
    reason = "a test that panics has failed, as it should"
)]

#[path = "common/retry.rs"]
mod retry;

use retry::retry;
mod common;
mod stage;

use cyrus_notifyd::wire::dlist;
use stage::{LIMIT, Notifyd, Setup, Signal, Status, show, wait_for};
use std::fs;
use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;

const OK: &[u8] = b"OK %()\r\n";

fn start() -> Notifyd {
    Setup::new().stream().start()
}

/// A notification as Cyrus writes it, the message as a literal.
fn request(method: &str, user: &str, message: &[u8]) -> Vec<u8> {
    let mut line = format!(
        "NOTIFY %(METHOD {method} CLASS C PRIORITY \"\" USER {user} MAILBOX \"\" OPTIONS () MESSAGE {{{}+}}\r\n",
        message.len()
    )
    .into_bytes();
    line.extend_from_slice(message);
    line.extend_from_slice(b" FILEPATH NIL)\r\n");
    line
}

fn connect(n: &Notifyd) -> UnixStream {
    let stream = UnixStream::connect(n.path("notify")).unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    stream
}

/// What the daemon answers, up to its closing. It may close before it has read all.
fn answer(mut stream: &UnixStream) -> Vec<u8> {
    let (mut all, mut buffer) = (Vec::new(), [0; 4096]);
    loop {
        match retry(|| stream.read(&mut buffer)) {
            Ok(0) => return all,
            Ok(n) => all.extend_from_slice(&buffer[..n]),
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => return all,
            Err(error) => panic!("no answer: {error}"),
        }
    }
}

/// One conversation by method log, and its record: the daemon lives and serves.
fn serves(n: &mut Notifyd, user: &str) {
    assert_eq!(n.converse(&request("log", user, b"m")).unwrap(), OK);
    let text = format!("C, , {user}, ,  \"m\"");
    n.log.wait(&text, |r| r.text == text.as_bytes());
    assert!(n.running());
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn every_recorded_conversation_is_answered() {
    let mut n = start();
    let mut count = 0;
    for sample in common::samples("dlist-3.6.1") {
        if sample.bytes.is_empty() {
            continue; // the client that was refused at accept
        }
        let answer = n.converse(&sample.bytes).unwrap();
        assert_eq!(show(&answer), show(OK), "{}", sample.at);
        count += 1;
    }
    assert_eq!(count, 571);
    serves(&mut n, "last");
    assert_eq!(n.log.count(|r| r.has("malformed")), 0);
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn garbage_gets_a_complete_answer() {
    let mut n = start();
    let deep = [b"NOTIFY ".as_slice(), &[b'('; 100]].concat();
    let many = [b"NOTIFY (".as_slice(), &b"a ".repeat(70_000)].concat();
    let cases: Vec<&[u8]> = vec![
        b"\r\n",
        b" NOTIFY %()\r\n",
        b"NOTIFY\r\n",
        b"NOTIFY %()\r\n",
        b"NOTIFY ()\r\n",
        b"NOTIFY NIL\r\n",
        b"HELLO %(METHOD log CLASS C PRIORITY NIL USER u MAILBOX NIL OPTIONS () MESSAGE m FILEPATH NIL)\r\n",
        b"NOTIFY %(METHOD log CLASS C PRIORITY NIL USER u MAILBOX NIL OPTIONS () MESSAGE m FILEPATH NIL) more\r\n",
        b"NOTIFY %(METHOD log CLASS C PRIORITY NIL USER u MAILBOX NIL OPTIONS x MESSAGE m FILEPATH NIL)\r\n",
        b"NOTIFY %(METHOD (log) CLASS C PRIORITY NIL USER u MAILBOX NIL OPTIONS () MESSAGE m FILEPATH NIL)\r\n",
        b"NOTIFY %(METHOD \"log\r\n",
        b"NOTIFY %(METHOD {99999999999999999999+}\r\n",
        b"NOTIFY %(METHOD {16777217+}\r\n",
        b"NOTIFY %(METHOD {x}\r\n",
        b"NOTIFY %(METHOD {-1}\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"log\0C\0\0u\0\x000\0m\0\r\n",
        b"\"\"\"\"\r\n",
        b")\r\n",
        &deep,
        &many,
    ];
    let count = cases.len();
    for case in cases {
        let mut stream = connect(&n);
        let _ = stream.write_all(case); // it may be refused before it is read to its end
        let answer = answer(&stream);
        let (line, length) = dlist::parse(&answer)
            .unwrap_or_else(|e| panic!("{}: {e}: {}", show(case), show(&answer)));
        assert_eq!(length, answer.len(), "{}", show(case));
        assert_eq!(line.name, b"NO", "{}: {}", show(case), show(&answer));
        // A literal in an answer kills the process that asked.
        assert!(
            !answer.contains(&b'{') && answer.ends_with(b")\r\n"),
            "{}",
            show(&answer)
        );
        assert!(
            dlist::answer(&line)
                .reason
                .is_some_and(|reason| !reason.is_empty())
        );
    }
    serves(&mut n, "after");
    assert_eq!(n.log.count(|r| r.severity() <= 4), count, "one line each");
    assert_eq!(
        n.log.count(|r| r.has("C, , u, ")),
        0,
        "none of them was taken"
    );
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn a_megabyte_of_noise_is_answered_and_costs_a_line() {
    let mut n = start();
    let noise: Vec<u8> = (0..1u32 << 20)
        .map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8 | 1)
        .collect();
    for _ in 0..5 {
        let mut stream = connect(&n);
        let _ = stream.write_all(&noise); // closed in the middle of it
        assert!(
            answer(&stream).starts_with(b"NO %("),
            "an answer all the same"
        );
    }
    serves(&mut n, "after");
    assert_eq!(n.log.count(|r| r.severity() <= 4), 5, "one line each");
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn clients_that_say_nothing_hold_up_nobody() {
    let mut n = start();
    let silent: Vec<UnixStream> = (0..20).map(|_| connect(&n)).collect();
    let mut half = connect(&n);
    half.write_all(b"NOTIFY %(METHOD log CLASS ").unwrap();
    for i in 0..50 {
        serves(&mut n, &format!("user{i}"));
    }
    // They may still speak.
    half.write_all(b"C PRIORITY NIL USER half MAILBOX NIL OPTIONS () MESSAGE m FILEPATH NIL)\r\n")
        .unwrap();
    assert_eq!(answer(&half), OK);
    for mut stream in silent {
        stream.write_all(&request("log", "late", b"m")).unwrap();
        assert_eq!(answer(&stream), OK);
    }
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn clients_that_go_early_do_no_harm() {
    let mut n = start();
    for _ in 0..20 {
        drop(connect(&n));
        connect(&n).write_all(b"NOTIFY %(METHOD log").unwrap();
        // All said, but nobody waits for the answer: it counts.
        connect(&n)
            .write_all(&request("log", "gone", b"m"))
            .unwrap();
        // Nothing more to say, but still listening.
        let mut stream = connect(&n);
        stream.write_all(b"NOTIFY %(METHOD ").unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        let answer = answer(&stream);
        assert!(
            answer.is_empty() || answer.starts_with(b"NO %("),
            "{}",
            show(&answer)
        );
    }
    serves(&mut n, "after");
    wait_for("the notifications of those who left", LIMIT, || {
        (n.log.count(|r| r.text == b"C, , gone, ,  \"m\"") == 20).then_some(())
    });
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn a_message_of_half_a_megabyte() {
    let n = start();
    let message: Vec<u8> = (0..540_000u32).map(|i| (i % 251 + 1) as u8).collect();
    assert_eq!(
        n.converse(&request("external", "big", &message)).unwrap(),
        OK
    );
    let run = n.external.wait("the big message", |run| {
        run.args().contains(&"big".to_owned())
    });
    assert!(
        run.stdin == [message.as_slice(), b"\n"].concat(),
        "{} bytes",
        run.stdin.len()
    );
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn a_byte_at_a_time() {
    let mut n = start();
    let mut stream = connect(&n);
    for byte in request("log", "slow", b"one by one") {
        stream.write_all(&[byte]).unwrap();
    }
    assert_eq!(answer(&stream), OK);
    n.log
        .wait("the record", |r| r.text == b"C, , slow, ,  \"one by one\"");
    assert!(n.running());
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn three_hundred_at_once() {
    let n = start();
    let requests: Vec<Vec<u8>> = (0..300)
        .map(|i| request("log", &format!("user{i}"), b"m"))
        .collect();
    let mut streams: Vec<UnixStream> = Vec::new();
    for request in &requests {
        let mut stream = connect(&n);
        stream.write_all(&request[..request.len() / 2]).unwrap();
        streams.push(stream);
    }
    for (stream, request) in streams.iter_mut().zip(&requests) {
        stream.write_all(&request[request.len() / 2..]).unwrap();
    }
    for stream in &streams {
        assert_eq!(answer(stream), OK);
    }
    for i in 0..300 {
        let text = format!("C, , user{i}, ,  \"m\"");
        n.log.wait(&text, |r| r.text == text.as_bytes());
    }
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn master_is_told_of_each_connection_and_of_the_end() {
    let mut n = start();
    for i in 0..3 {
        serves(&mut n, &format!("user{i}"));
    }
    let pid = n.pid();
    // It has stayed ready all the time, so master starts no second one.
    assert_eq!(n.wait_status(3), [(Status::ConnectionMulti, pid); 3]);
    n.signal(Signal::HUP);
    assert_eq!(n.wait_exit().code(), Some(0));
    assert_eq!(n.status()[3..], [(Status::Unavailable, pid)]);
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn clients_are_served_while_it_hands_over() {
    let mut n = start();
    n.external.set("delay", 1.0);
    assert_eq!(n.converse(&request("external", "first", b"m")).unwrap(), OK);
    n.external.wait_started(1);
    let (old, before) = (n.pid(), n.status().len());
    n.signal(Signal::HUP);
    let status = n.wait_status(before + 1);
    assert_eq!(status[before], (Status::Unavailable, old));
    // What master does at that word.
    let new = n.spawn();
    let mut sent = 0;
    while n.running_of(old) {
        assert_eq!(
            n.converse(&request("log", &format!("user{sent}"), b"m"))
                .unwrap(),
            OK
        );
        sent += 1;
        n.status(); // as master, or the pipe would fill
    }
    assert!(sent > 0, "the attempt under way has taken a second");
    assert_eq!(n.wait_exit_of(old, LIMIT).code(), Some(0));
    serves(&mut n, "after");
    let records = |n: &Notifyd| n.log.count(|r| r.text.starts_with(b"C, , user"));
    wait_for("all records", LIMIT, || (records(&n) == sent).then_some(()));
    let status = n.status();
    assert_eq!(status.last(), Some(&(Status::ConnectionMulti, new)));
    // "Multi" would put it among master's ready processes again, with an error in master's log for each.
    assert!(
        status[before + 1..]
            .iter()
            .all(|told| told.1 == new || *told == (Status::Connection, old))
    );
    assert_eq!(n.external.runs().len(), 1);
}

/// What the spool has no room for is one client's; another one's notification that came at the same time, and was done at once,
/// is not refused.
#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn each_client_is_answered_for_itself() {
    let config = "notifyd_config: {dir}/notifyd.toml";
    let mut n = Setup::new().line(config).stream().build();
    fs::write(
        n.path("notifyd.toml"),
        "[spool]\nmax_rows = 1\nuser_share = 0\n",
    )
    .unwrap();
    n.external.set("exitcode", 75.0);
    n.spawn();
    assert_eq!(n.converse(&request("external", "first", b"m")).unwrap(), OK);
    // Both are read in one go, and one commit is about both.
    n.signal(Signal::STOP);
    let clients = ["external", "log", "external", "null"].map(|method| {
        let mut client = connect(&n);
        client.write_all(&request(method, "both", b"m")).unwrap();
        client
    });
    n.signal(Signal::CONT);
    let answers = clients.each_ref().map(answer);
    for (place, refused) in [true, false, true, false].into_iter().enumerate() {
        let shown = show(&answers[place]);
        assert_eq!(shown.starts_with("NO "), refused, "{place}: {shown}");
        assert_eq!(answers[place] == OK, !refused, "{place}: {shown}");
    }
}
