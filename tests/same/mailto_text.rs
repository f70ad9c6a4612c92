//! Method `mailto`: the text of the mail.

use super::stage::{Mail, Notifyd, note, ours};

fn mail(message: impl AsRef<[u8]>) -> Mail {
    let n = Notifyd::start();
    Mail::parse(
        &n.mail(
            &note("mailto")
                .class("C")
                .user("alice")
                .option("bob@example.org")
                .message(message),
        )
        .stdin,
    )
}

fn mime(mail: &Mail) -> [Option<String>; 3] {
    ["MIME-Version", "Content-Type", "Content-Transfer-Encoding"].map(|n| {
        mail.field(n)
            .map(|v| String::from_utf8_lossy(v).into_owned())
    })
}

const EIGHT_BIT: [&str; 3] = ["1.0", "text/plain; charset=UTF-8", "8BIT"];

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn empty_text() {
    assert_eq!(mail("").body, b"\n");
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn several_lines() {
    assert_eq!(mail("one\n\ntwo\n three").body, b"one\n\ntwo\n three\n");
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn lines_that_end_with_crlf() {
    assert_eq!(mail("one\r\ntwo").body, b"one\ntwo\n");
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn text_as_sieve_makes_it() {
    // It ends with a newline of its own; whether another follows is no matter.
    let body = mail("new mail\n\nAction(s) taken:\nKept\n").body;
    assert_eq!(body.trim_ascii_end(), b"new mail\n\nAction(s) taken:\nKept");
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn lines_that_mean_something_to_old_mailers() {
    let text = "one\n.\nFrom here\n..\ntwo";
    assert_eq!(mail(text).body, format!("{text}\n").into_bytes());
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn text_that_looks_like_a_header() {
    let mail = mail("Bcc: eve@example.net\n\nhi");
    assert_eq!(mail.field("Bcc"), None);
    assert_eq!(mail.body, b"Bcc: eve@example.net\n\nhi\n");
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn seven_bit_text_needs_no_encoding() {
    let mail = mail("plain");
    if !ours() {
        assert_eq!(mime(&mail), [None, None, None]);
    }
    assert_eq!(mail.body, b"plain\n");
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn utf8_text() {
    let mail = mail("Grüße\nnaïve ☃");
    assert_eq!(mime(&mail), EIGHT_BIT.map(|v| Some(v.to_owned())));
    assert_eq!(mail.body, "Grüße\nnaïve ☃\n".as_bytes());
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn text_in_another_character_set() {
    let mail = mail(b"Gr\xfc\xdfe");
    if ours() {
        // Not UTF-8: stock says it were and sends it so; ours encodes what would be wrong as raw text.
        assert_eq!(
            mime(&mail)[2]
                .as_deref()
                .map(str::to_ascii_lowercase)
                .as_deref(),
            Some("quoted-printable")
        );
    } else {
        assert_eq!(mime(&mail), EIGHT_BIT.map(|v| Some(v.to_owned())));
    }
    assert_eq!(mail.decoded_body().trim_ascii_end(), b"Gr\xfc\xdfe");
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn line_longer_than_998() {
    let line = "x".repeat(3000);
    let mail = mail(&line);
    if ours() {
        // RFC 5322 section 2.1.1: 998 is the limit, some mailers cut or refuse longer ones.
        assert!(mail.body.split(|b| *b == b'\n').all(|l| l.len() <= 998));
    }
    assert_eq!(mail.decoded_body().trim_ascii_end(), line.as_bytes());
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn sixty_kilobytes() {
    let text = "0123456789abcde\n".repeat(3750);
    let body = mail(&text).body;
    if ours() {
        assert_eq!(body.trim_ascii_end(), text.trim_ascii_end().as_bytes());
    } else {
        // Stock reads at most 21,267 bytes of a datagram, and loses the rest without a word.
        let front = note("mailto")
            .class("C")
            .user("alice")
            .option("bob@example.org")
            .bytes()
            .len()
            - 1;
        assert_eq!(body, [&text.as_bytes()[..21_267 - front], b"\n"].concat());
    }
}
