//! Tests of bodies with several parts, read back with another parser.

use super::*;
use mail_parser::{MessageParser, MimeHeaders};
use proptest::prelude::*;

fn words(text: &str, html: Option<&str>) -> Words {
    Words {
        subject: "S".into(),
        text: text.into(),
        html: html.map(Into::into),
        fields: Vec::new(),
        wrong: Vec::new(),
    }
}

fn ics(content: &str) -> Part {
    Part {
        content_type: "text/calendar; charset=utf-8; method=PUBLISH".into(),
        file: Some("event.ics".into()),
        content: content.into(),
    }
}

fn begun() -> Message {
    Message::new()
        .field(Header::structured("Message-ID", b"<1@h>").unwrap())
        .field(Header::structured("To", b"<a@b>").unwrap())
}

fn as_text(message: &Message) -> String {
    String::from_utf8(message.to_bytes()).unwrap()
}

#[test]
fn text_alone_is_one_part() {
    let bytes = as_text(&begun().content(&words("Mit freundlichen Grüßen\n", None), true, &[]));
    assert_eq!(
        bytes,
        "Message-ID: <1@h>\nTo: <a@b>\nMIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\n\
         Content-Transfer-Encoding: quoted-printable\n\nMit freundlichen Gr=C3=BC=C3=9Fen\n"
    );
    let bytes = as_text(&begun().content(&words("hello\n", None), true, &[]));
    assert!(bytes.ends_with("Content-Transfer-Encoding: 7bit\n\nhello\n"));
    let bytes = as_text(&begun().content(&words("\rone\r\ntwo\rthree", None), true, &[]));
    assert!(bytes.ends_with("7bit\n\n\none\ntwo\nthree\n"), "{bytes}");
}

#[test]
fn every_kind_of_line_end_becomes_one() {
    for (text, wanted) in [
        ("a\nb\r\nc\rd", "a\r\nb\r\nc\r\nd"),
        ("\n\r\n\r", "\r\n\r\n\r\n"),
        ("\r\r\n\n", "\r\n\r\n\r\n"),
        ("", ""),
        ("\u{fc}", "\u{fc}"),
    ] {
        assert_eq!(with_crlf(text), wanted, "{text:?}");
    }
}

#[test]
fn html_is_left_out_when_it_shall_be() {
    let words = words("t", Some("<p>t</p>"));
    assert!(!as_text(&begun().content(&words, false, &[])).contains("<p>"));
    assert!(as_text(&begun().content(&words, true, &[])).contains("multipart/alternative"));
}

#[test]
fn forms_are_beside_the_text_and_files_behind_it() {
    let form = Part {
        content_type: "text/calendar; charset=utf-8; method=REQUEST".into(),
        file: None,
        content: "BEGIN:VCALENDAR\r\nSUMMARY:Ü\r\nEND:VCALENDAR\r\n".into(),
    };
    let file = ics("BEGIN:VCALENDAR\r\nX:☕\r\nEND:VCALENDAR\r\n");
    let parts = [file.clone(), form];
    let message = begun().content(&words("Text ☕", Some("<p>☕</p>")), true, &parts);
    let bytes = message.to_bytes();
    let mail = MessageParser::default().parse(&bytes).unwrap();
    assert_eq!(mail.body_text(0).unwrap().trim_end(), "Text ☕");
    assert!(mail.body_html(0).unwrap().contains("<p>☕</p>"));
    let types: Vec<String> = mail
        .parts
        .iter()
        .map(|part| {
            let of = part.content_type().unwrap();
            format!("{}/{}", of.ctype(), of.subtype().unwrap())
        })
        .collect();
    assert_eq!(
        types,
        [
            "multipart/mixed",
            "multipart/alternative",
            "text/plain",
            "text/html",
            "text/calendar",
            "text/calendar"
        ]
    );
    let form = mail.parts[4].content_type().unwrap();
    assert_eq!(form.attribute("method"), Some("REQUEST"));
    assert!(
        mail.parts[4]
            .text_contents()
            .unwrap()
            .contains("SUMMARY:Ü\n")
    );
    assert_eq!(mail.parts[5].attachment_name(), Some("event.ics"));
    assert_eq!(mail.parts[5].contents(), file.content, "to the octet");
    assert_eq!(mail.header_values("MIME-Version").count(), 1);
}

#[test]
fn each_attempt_has_the_same_boundaries_and_each_mail_its_own() {
    let make = |text: &str| as_text(&begun().content(&words(text, Some("h")), true, &[ics("x")]));
    assert_eq!(make("a"), make("a"));
    let boundary = |text: &str| {
        let bytes = make(text);
        bytes.split("boundary=").nth(1).unwrap()[..40].to_owned()
    };
    assert_ne!(boundary("a"), boundary("b"));
}

#[test]
fn fields_of_templates_are_added_unless_they_are_ours() {
    let mut words = words("t", None);
    words.fields = [
        ("X-Kind", "alarm ☕\nBcc: x@y"),
        ("Precedence", "bulk"),
        ("Bcc", "x@y"),
        ("From", "x@y"),
        ("content-type", "text/evil"),
        ("Resent-To", "x@y"),
        ("Auto-Submitted", "no"),
        ("message-id", "<2@h>"),
        ("Bad Name", "x"),
        ("Bad:Name", "x"),
        ("", "x"),
        ("Né", "x"),
        ("X-Kind", "twice"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .to_vec();
    let bytes = as_text(&begun().content(&words, true, &[]));
    let names: Vec<&str> = bytes
        .split("\n\n")
        .next()
        .unwrap()
        .lines()
        .filter_map(|line| Some(line.split_once(": ")?.0))
        .collect();
    assert_eq!(
        names,
        [
            "Message-ID",
            "To",
            "X-Kind",
            "Precedence",
            "MIME-Version",
            "Content-Type",
            "Content-Transfer-Encoding"
        ]
    );
}

#[test]
fn a_type_that_is_none_is_bytes() {
    let part = Part {
        content_type: "text/\r\nBcc: x".into(),
        ..ics("x")
    };
    let bytes = as_text(&begun().content(&words("t", None), true, &[part]));
    assert!(bytes.contains("application/octet-stream") && !bytes.contains("Bcc"));
}

proptest! {
    #[test]
    fn every_text_arrives_in_short_lines_of_ascii(
        text in "([a-z =.äß☕\n\r\0\u{85}]|From |--|[a-z]{1200}){0,30}",
        html in proptest::option::of("[<>a-zé\n]{0,200}"),
        file in proptest::option::of("[A-Z:\r\n☕]{0,300}"),
    ) {
        let parts: Vec<Part> = file.iter().map(|file| ics(file)).collect();
        let message = begun().content(&words(&text, html.as_deref()), true, &parts);
        let bytes = message.to_bytes();
        prop_assert!(bytes.is_ascii() && !bytes.contains(&b'\r') && !bytes.contains(&0));
        prop_assert!(bytes.split(|&b| b == b'\n').all(|line| line.len() <= 998));
        let mail = MessageParser::default().parse(&bytes).unwrap();
        let plain = mail.parts.iter().find(|part| part.content_type().is_some_and(|of| of.subtype() == Some("plain")));
        let lines = |text: &str| text.replace("\r\n", "\n").replace('\r', "\n").trim_end_matches('\n').to_owned();
        prop_assert_eq!(lines(plain.unwrap().text_contents().unwrap()), lines(&text));
        if let Some(file) = file {
            prop_assert_eq!(mail.parts.last().unwrap().contents(), file.as_bytes());
        }
    }
}
