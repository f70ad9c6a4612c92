//! The stage's own helpers: what the other tests believe because these say it.

#![allow(
    clippy::unwrap_used,
    reason = "a test that panics has failed, as it should"
)]

mod stage;

use stage::{Mail, Notifyd, Program, Record, Setup, Signal, note};
use std::path::Path;

#[test]
fn a_datagram_is_written_as_cyrus_writes_it() {
    let plain = note("log")
        .class("MAIL")
        .user("alice")
        .mailbox("INBOX")
        .message("hello");
    assert_eq!(plain.bytes(), b"log\0MAIL\0\0alice\0INBOX\x000\0hello\0");
    let full = plain.priority("high").option("one").option("").fname("/f");
    assert_eq!(
        full.bytes(),
        b"log\0MAIL\0high\0alice\0INBOX\x002\0one\0\0hello\0/f\0"
    );
    assert_eq!(
        full.nopt("x").bytes_without_last_nul(),
        b"log\0MAIL\0high\0alice\0INBOX\0x\0one\0\0hello\0/f"
    );
}

#[test]
fn a_log_record_is_taken_apart() {
    let record =
        Record::parse(b"<22>Nov  2 20:39:17 cyr/notify[9622]: C, , , ,  \"a]: b\xff\"").unwrap();
    assert_eq!(
        (
            record.pri,
            record.severity(),
            record.ident.as_str(),
            record.pid
        ),
        (22, 6, "cyr/notify", 9622)
    );
    assert_eq!(record.text, b"C, , , ,  \"a]: b\xff\"");
    assert!(record.has("a]: b") && !record.has("c"));
    for broken in [
        &b""[..],
        b"<22>",
        b"22>Nov  2 20:39:17 a[1]: x",
        b"<22>Nov  2 20:39:17 a: x",
        b"<x>Nov  2 20:39:17 a[1]: x",
    ] {
        assert_eq!(Record::parse(broken), None);
    }
}

#[test]
fn a_mail_is_taken_apart() {
    let mail =
        Mail::parse(b"To: <bob@x>\r\nSubject: one\r\n two\r\nX: a: b\r\n\r\nfirst\r\n\r\nlast\n");
    assert_eq!(mail.text("subject"), "one two");
    assert_eq!(mail.text("X"), "a: b");
    assert_eq!(mail.field("Cc"), None);
    assert_eq!(mail.body, b"first\n\nlast\n");
}

#[test]
#[should_panic(expected = "two fields")]
fn a_field_that_stands_twice_is_noticed() {
    Mail::parse(b"To: a\nTo: b\n\n").field("To");
}

#[test]
fn encodings_are_undone() {
    let mail = Mail::parse(b"Content-Transfer-Encoding: quoted-printable\n\nGr=FC=df=\ne =3D\n");
    assert_eq!(mail.decoded_body(), b"Gr\xfc\xdfe =\n");
    let mail = Mail::parse(b"Content-Transfer-Encoding: base64\n\naGVs\nbG8=\n");
    assert_eq!(mail.decoded_body(), b"hello");
    let words = "[=?UTF-8?Q?Gr=C3=B6=C3=9Fe_x?= =?utf-8?b?w6k=?=] New =? mail";
    assert_eq!(Mail::words(words), "[Größe xé] New =? mail");
}

/// Where Linux says what a descriptor of a process leads to.
fn descriptor(pid: u32, fd: u32) -> String {
    let link = std::fs::read_link(format!("/proc/{pid}/fd/{fd}")).unwrap();
    link.to_string_lossy().into_owned()
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn a_daemon_is_started_as_master_starts_it() {
    let mut n = Setup::new()
        .program(Program::Stock)
        .env("LANG", "C")
        .build();
    n.spawn();
    n.wait_ready();
    let pid = n.pid();
    assert!((0..3).all(|fd| descriptor(pid, fd).ends_with("/null")));
    assert!(descriptor(pid, 3).starts_with("pipe:") && descriptor(pid, 4).starts_with("socket:"));
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let ids: Vec<&str> = status
        .lines()
        .find_map(|l| l.strip_prefix("Uid:"))
        .unwrap()
        .split_whitespace()
        .collect();
    assert!(
        ids.iter().all(|id| *id != "0") && ids.len() == 4,
        "{status}"
    );
    let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap();
    let mut names: Vec<&[u8]> = environment
        .split(|b| *b == 0)
        .filter_map(|v| v.split(|b| *b == b'=').next())
        .filter(|n| !n.is_empty())
        .collect();
    names.retain(|name| !matches!(*name, b"_" | b"PWD" | b"SHLVL"));
    names.sort_unstable();
    assert_eq!(
        names,
        [&b"CYRUS_ID"[..], b"CYRUS_SERVICE", b"LANG", b"PATH"]
    );
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn nothing_is_left_behind() {
    let mut n = Setup::new().program(Program::Stock).start();
    n.external.set("fork", 600.0);
    n.run_external(&note("external").class("C"));
    n.fence_log();
    let (directory, daemon, started) = (n.dir().to_owned(), n.pid(), n.external.started());
    assert!(started.len() >= 2, "a run and the child it left");
    drop(n);
    assert!(!directory.exists());
    assert!(!Path::new(&format!("/proc/{daemon}")).exists());
    let ours = |pid: &i32| {
        std::fs::read_link(format!("/proc/{pid}/exe")).is_ok_and(|exe| exe.starts_with(&directory))
    };
    stage::wait_for("the end of the recorders", stage::LIMIT, || {
        (!started.iter().any(ours)).then_some(())
    });
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn the_machines_own_log_is_not_touched() {
    let before = std::fs::symlink_metadata("/dev/log")
        .ok()
        .map(|m| std::os::unix::fs::MetadataExt::ino(&m));
    let mut n: Notifyd = Setup::new().program(Program::Stock).start();
    n.fence_log();
    n.log.close();
    n.log.open();
    n.fence_log();
    n.signal(Signal::KILL);
    n.wait_exit();
    let after = std::fs::symlink_metadata("/dev/log")
        .ok()
        .map(|m| std::os::unix::fs::MetadataExt::ino(&m));
    assert_eq!(before, after);
}
