//! Reading datagrams, the good, the odd and the bad.

use super::stage::{Notifyd, Setup, note, ours};
use super::{complaint, refused};

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn last_nul_missing() {
    let n = Notifyd::start();
    n.send(
        &note("log")
            .class("C")
            .message("hello")
            .bytes_without_last_nul(),
    );
    n.log
        .wait("the message", |r| r.text == b"C, , , ,  \"hello\"");
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn last_nul_missing_behind_fname() {
    let n = Notifyd::start();
    n.send(
        &note("external")
            .class("C")
            .message("m")
            .fname("/no/such/file")
            .bytes_without_last_nul(),
    );
    let runs = n.external.wait_count(1);
    assert_eq!(runs[0].args()[9..], ["-f", "/no/such/file"]);
    assert_eq!(runs[0].stdin, b"m\n");
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn last_nul_missing_behind_an_empty_message() {
    // Ends behind nopt: there is no message at all.
    let mut n = Notifyd::start();
    refused(&mut n, &note("log").class("C").bytes_without_last_nul());
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn no_nul_at_all() {
    let mut n = Notifyd::start();
    refused(&mut n, b"log");
    refused(&mut n, b"x");
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn missing_fields() {
    let mut n = Notifyd::start();
    let whole = b"log\0CLASS\0prio\0user\0mailbox\x000";
    let ends = whole
        .iter()
        .enumerate()
        .filter(|(_, b)| **b == 0)
        .map(|(i, _)| i + 1);
    for end in ends.chain([whole.len()]) {
        refused(&mut n, &whole[..end]);
    }
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn only_nuls_too_few() {
    let mut n = Notifyd::start();
    for count in 1..=6 {
        refused(&mut n, &vec![0; count]);
    }
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn only_nuls_enough() {
    for count in [7, 8, 100] {
        let n = Setup::new().args(&["-m", "log"]).start();
        n.send(&vec![0; count]);
        n.log
            .wait("an empty record", |r| r.text == b", , , ,  \"\"");
    }
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn zero_bytes() {
    let mut n = Notifyd::start();
    if ours() {
        refused(&mut n, b"");
    } else {
        // Stock takes what its buffer held before for the datagram's fields; with the default method null nothing shows.
        n.send(b"");
        n.fence_log();
        assert!(n.running());
    }
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn nopt_larger_than_what_follows() {
    let mut n = Notifyd::start();
    refused(
        &mut n,
        &note("log")
            .class("C")
            .option("one")
            .message("m")
            .nopt("5")
            .bytes(),
    );
    refused(
        &mut n,
        &note("log").class("C").message("m").nopt("1").bytes(),
    );
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn nopt_one_too_large_takes_the_message() {
    let n = Notifyd::start();
    let sent = note("log")
        .class("C")
        .option("one")
        .message("m")
        .fname("/f")
        .nopt("2");
    n.logs(&sent, "C, , , , (one, m) \"/f\"");
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn nopt_too_small_makes_an_option_the_message() {
    let n = Notifyd::start();
    let sent = note("log")
        .class("C")
        .option("one")
        .option("two")
        .option("three")
        .message("m")
        .nopt("1");
    n.logs(&sent, "C, , , , (one) \"two\"");
    let run = n.run_external(
        &note("external")
            .class("C")
            .option("one")
            .option("two")
            .message("m")
            .nopt("0"),
    );
    assert_eq!(run.args()[9..], ["-f", "two"]);
    assert_eq!(run.stdin, b"one\n");
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn nopt_negative() {
    let mut n = Notifyd::start();
    refused(
        &mut n,
        &note("log").class("C").message("m").nopt("-1").bytes(),
    );
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn nopt_beyond_all_numbers() {
    let mut n = Notifyd::start();
    for nopt in [
        "2147483648",
        "4294967296",
        "9223372036854775807",
        "99999999999999999999999999",
    ] {
        refused(
            &mut n,
            &note("log").class("C").message("m").nopt(nopt).bytes(),
        );
    }
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn nopt_that_is_no_number_is_none() {
    let n = Notifyd::start();
    for (i, nopt) in ["", "abc", "0x1", "-", "00"].iter().enumerate() {
        n.logs(
            &note("log").class("C").message(i.to_string()).nopt(nopt),
            format!("C, , , ,  \"{i}\""),
        );
    }
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn nopt_as_strtol_reads_it() {
    let n = Notifyd::start();
    for (i, nopt) in ["1x", " 1", "+1", "01", "\t\n1", "1.9"].iter().enumerate() {
        n.logs(
            &note("log")
                .class("C")
                .option("o")
                .message(i.to_string())
                .nopt(nopt),
            format!("C, , , , (o) \"{i}\""),
        );
    }
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn strings_behind_fname_are_ignored() {
    let n = Notifyd::start();
    let mut sent = note("external")
        .class("C")
        .message("m")
        .fname("/no/such/file")
        .bytes();
    sent.extend_from_slice(b"more\0and more\0\0");
    n.send(&sent);
    let runs = n.external.wait_count(1);
    assert_eq!(runs[0].args()[9..], ["-f", "/no/such/file"]);
    assert_eq!(runs[0].stdin, b"m\n");
}

/// A log datagram of `size` bytes, and the record of the first `read` bytes of it.
fn sized(size: usize, read: usize) -> (Vec<u8>, Vec<u8>) {
    let front = note("log").class("C").bytes().len();
    let sent = note("log")
        .class("C")
        .message("x".repeat(size - front))
        .bytes();
    assert_eq!(sent.len(), size);
    let kept = sent[..read].iter().filter(|b| **b == b'x').count();
    (
        sent,
        format!("C, , , ,  \"{}\"", "x".repeat(kept)).into_bytes(),
    )
}

#[track_caller]
fn read_up_to(n: &Notifyd, size: usize, read: usize) {
    let (sent, text) = sized(size, read);
    n.send(&sent);
    n.log
        .wait(&format!("a record of {} bytes", text.len()), |r| {
            r.text == text
        });
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn largest_datagram_that_cyrus_sends() {
    let n = Notifyd::start();
    read_up_to(&n, 21_266, 21_266);
    read_up_to(&n, 21_267, 21_267);
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn larger_than_cyrus_sends() {
    let n = Notifyd::start();
    // Stock reads no more than a tenth of the receive buffer and loses the rest without a word; ours reads 65,536.
    read_up_to(&n, 30_000, if ours() { 30_000 } else { 21_267 });
    read_up_to(&n, 60_000, if ours() { 60_000 } else { 21_267 });
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn sixty_kilobytes_with_a_large_buffer() {
    let n = Setup::new().receive_buffer(8 << 20).start();
    read_up_to(&n, 60_000, 60_000);
    read_up_to(&n, 65_536, 65_536);
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn larger_than_anyone_may_send() {
    let mut n = Notifyd::start();
    let (sent, _) = sized(100_000, 0);
    n.send(&sent);
    n.fence_log();
    let records = n.records();
    if ours() {
        // A part of a notification is none: dropped, and said so once.
        assert_eq!(records.iter().filter(|r| complaint(r)).count(), 1);
        assert!(!records.iter().any(|r| r.has("xxxx")));
    } else {
        assert_eq!(records.iter().filter(|r| r.has("xxxx")).count(), 1);
    }
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn garbage() {
    let mut n = Notifyd::start();
    let all: Vec<u8> = (0..=255).collect();
    refused(&mut n, &[0xff; 1000]);
    refused(&mut n, b"NOTIFY %(METHOD log CLASS C)\r\n");
    // 0, then 1 to 255: two strings.
    refused(&mut n, &all);
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn the_bad_do_not_harm_the_good() {
    let mut n = Notifyd::start();
    for i in 0..10 {
        refused(&mut n, b"bad\0");
        n.logs(
            &note("log").class("C").message(i.to_string()),
            format!("C, , , ,  \"{i}\""),
        );
    }
}
