//! Method `log`: one record, byte for byte.

use super::stage::{Notifyd, Setup, note, ours, show};
use std::os::unix::process::ExitStatusExt;

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn all_fields() {
    let n = Notifyd::start();
    let sent = note("log")
        .class("SIEVE")
        .priority("high")
        .user("alice")
        .mailbox("INBOX")
        .option("one")
        .option("two")
        .message("hello world");
    n.logs(
        &sent,
        "SIEVE, high, alice, INBOX, (one, two) \"hello world\"",
    );
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn no_option_leaves_two_blanks() {
    let n = Notifyd::start();
    let sent = note("log")
        .class("MAIL")
        .user("alice")
        .mailbox("INBOX")
        .message("hello world");
    n.logs(&sent, "MAIL, , alice, INBOX,  \"hello world\"");
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn one_empty_option() {
    let n = Notifyd::start();
    n.logs(
        &note("log").class("C").option("").message("m"),
        "C, , , , () \"m\"",
    );
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn many_options() {
    let n = Notifyd::start();
    let options: Vec<String> = (0..60).map(|i| format!("option-{i}")).collect();
    let sent = options
        .iter()
        .fold(note("log").class("C").message("m"), |note, o| {
            note.option(o)
        });
    n.logs(&sent, format!("C, , , , ({}) \"m\"", options.join(", ")));
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn everything_empty() {
    let n = Notifyd::start();
    n.logs(&note("log"), ", , , ,  \"\"");
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn empty_message() {
    let n = Notifyd::start();
    n.logs(
        &note("log").class("MAIL").user("alice").mailbox("INBOX"),
        "MAIL, , alice, INBOX,  \"\"",
    );
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn eight_bit_goes_raw() {
    let n = Notifyd::start();
    let sent = note("log")
        .class("Größe")
        .user("jürgen")
        .option("é")
        .message("naïve ☃");
    n.logs(&sent, "Größe, , jürgen, , (é) \"naïve ☃\"");
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn invalid_utf8_goes_raw() {
    let n = Notifyd::start();
    n.logs(
        &note("log").class(b"\xff\xfe").message(b"\x80abc\xc3"),
        b"\xff\xfe, , , ,  \"\x80abc\xc3\"",
    );
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn newline_in_each_field() {
    let n = Notifyd::start();
    let sent = note("log")
        .class("c\nc")
        .priority("p\np")
        .user("u\nu")
        .mailbox("m\nm")
        .option("o\no")
        .message("t\nt");
    n.logs(&sent, "c\nc, p\np, u\nu, m\nm, (o\no) \"t\nt\"");
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn newline_at_the_end_of_the_message() {
    let n = Notifyd::start();
    n.logs(
        &note("log")
            .class("C")
            .message("text\n\nAction(s) taken:\nkept\n"),
        "C, , , ,  \"text\n\nAction(s) taken:\nkept\n\"",
    );
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn control_characters_go_raw() {
    let n = Notifyd::start();
    n.logs(
        &note("log").class("\x01\x1b[31m").message("a\tb\r\x07\x7f"),
        "\x01\x1b[31m, , , ,  \"a\tb\r\x07\x7f\"",
    );
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn no_field_is_a_format() {
    let n = Notifyd::start();
    n.logs(
        &note("log").class("%s%n").option("%d").message("100 %"),
        "%s%n, , , , (%d) \"100 %\"",
    );
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn quotes_and_parentheses_are_not_escaped() {
    let n = Notifyd::start();
    n.logs(
        &note("log")
            .class("C")
            .option("a) \"x\"")
            .message("say \"hi\"\\"),
        "C, , , , (a) \"x\") \"say \"hi\"\\\"",
    );
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn twenty_kilobytes_are_one_record() {
    let n = Notifyd::start();
    let text = "0123456789".repeat(2000);
    n.logs(
        &note("log").class("C").message(&text),
        format!("C, , , ,  \"{text}\""),
    );
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn fname_is_not_logged() {
    let n = Notifyd::start();
    n.logs(
        &note("log").class("C").message("m").fname("/var/spool/x"),
        "C, , , ,  \"m\"",
    );
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn one_long_option() {
    let n = Notifyd::start();
    let option = "x".repeat(2000);
    // Stock has a buffer of 1,024 bytes for all options; ours (and Cyrus 3.13) has no such limit.
    let logged = if ours() { &option } else { &option[..1021] };
    n.logs(
        &note("log").class("C").option(&option).message("m"),
        format!("C, , , , ({logged}) \"m\""),
    );
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn several_long_options() {
    let mut n = Notifyd::start();
    let options: Vec<String> = ["a", "b", "c"].map(|o| o.repeat(700)).to_vec();
    let sent = options
        .iter()
        .fold(note("log").class("C").message("m"), |note, o| {
            note.option(o)
        });
    if ours() {
        n.logs(&sent, format!("C, , , , ({}) \"m\"", options.join(", ")));
    } else {
        // Its buffer overflows and the C library aborts it; any user's Sieve script can do that.
        n.notify(&sent);
        assert_eq!(n.wait_exit().signal(), Some(6));
    }
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn many_records_in_order() {
    let n = Notifyd::start();
    for i in 0..50 {
        n.notify(&note("log").class("C").message(i.to_string()));
    }
    n.logs(&note("log").class("C").message("end"), "C, , , ,  \"end\"");
    let texts: Vec<String> = n
        .log
        .records()
        .iter()
        .filter(|r| r.text.starts_with(b"C, "))
        .map(|r| show(&r.text))
        .collect();
    let expected: Vec<String> = (0..50)
        .map(|i| i.to_string())
        .chain(["end".to_owned()])
        .map(|m| show(format!("C, , , ,  \"{m}\"").as_bytes()))
        .collect();
    assert_eq!(texts, expected);
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn ident() {
    let n = Notifyd::start();
    let idents = ["1", "2", "3"].map(|m| {
        n.logs(
            &note("log").class("C").message(m),
            format!("C, , , ,  \"{m}\""),
        )
        .ident
    });
    // Stock 3.6.1 loses its name with the first closelog(); ours keeps it, as Cyrus 3.13 does.
    let later = if ours() { "cyr/notify" } else { "notifyd" };
    assert_eq!(idents, ["cyr/notify", later, later]);
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn record_carries_the_process_id() {
    let n = Notifyd::start();
    let record = n.logs(&note("log").class("C").message("m"), "C, , , ,  \"m\"");
    assert_eq!(record.pid, n.pid());
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn nothing_else_is_logged() {
    let mut n = Notifyd::start();
    n.logs(&note("log").class("C").message("m"), "C, , , ,  \"m\"");
    n.fence_log();
    let others: Vec<String> = n
        .records()
        .iter()
        .filter(|r| r.severity() < 6)
        .map(|r| show(&r.raw))
        .collect();
    assert_eq!(others, Vec::<String>::new());
    assert_eq!(
        n.records()
            .iter()
            .filter(|r| r.text.starts_with(b"C, "))
            .count(),
        1
    );
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn syslogd_restarted() {
    let mut n = Notifyd::start();
    n.logs(
        &note("log").class("C").message("before"),
        "C, , , ,  \"before\"",
    );
    n.log.close();
    n.log.open();
    n.logs(
        &note("log").class("C").message("after"),
        "C, , , ,  \"after\"",
    );
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn no_syslogd_at_start() {
    let mut n = Setup::new().no_devlog().start();
    n.run_external(&note("external").class("C").message("m"));
    n.log.open();
    n.logs(&note("log").class("C").message("now"), "C, , , ,  \"now\"");
}
