//! Sieve's notify action and its method mailto.

use super::Proof::{Elsewhere, Mails, NotOurs, Reads};
use super::case::Has::{Also, Body, Field, No, Recipients, Sender};
use super::case::Style::{Rfc5436, Token};
use super::case::case;
use super::{Rule, rule};
use cyrus_notifyd::mail::auto_submitted::is_automatic;

const BOB: &str = "bob@example.org";

pub(super) fn rules() -> Vec<Rule> {
    let mut all = triggers();
    all.extend(envelope());
    all.extend(header());
    all.extend(words());
    all.extend(others());
    all
}

fn triggers() -> Vec<Rule> {
    let automatic = "was sent by a program (Auto-Submitted)";
    let from_nobody = "Return-Path: <>\r\nSubject: from nobody\r\n\r\n";
    vec![
        rule(
            "RFC 5436 2.7",
            "SHOULD NOT notify of a message with Auto-Submitted other than no",
            Mails(vec![
                case(BOB)
                    .about("Return-Path: <a@b>\r\nAuto-Submitted: auto-replied\r\n\r\n")
                    .gives_nothing(automatic),
                case(BOB)
                    .about("Auto-Submitted: no\nAuto-Submitted: x-new (a word)\n\n")
                    .gives_nothing(automatic),
                case(BOB)
                    .style(Rfc5436)
                    .about("AUTO-SUBMITTED:\n auto-notified; owner-token=1\n\n")
                    .gives_nothing(automatic),
                case(BOB)
                    .about("Return-Path: <a@b>\r\nAuto-Submitted: no (a person)\r\n\r\n")
                    .gives([Recipients(&[BOB])]),
            ]),
        ),
        rule(
            "RFC 5436 2.7",
            "MUST notify of a message with an empty envelope sender",
            Mails(vec![
                case(BOB).about(from_nobody).gives([Recipients(&[BOB])]),
                case(BOB)
                    .style(Rfc5436)
                    .about("Return-Path: <>\r\n\r\n")
                    .gives([Recipients(&[BOB])]),
            ]),
        ),
    ]
}

fn envelope() -> Vec<Rule> {
    vec![
        rule(
            "RFC 5436 2.7",
            "MUST have an empty envelope sender when the message has one",
            Mails(vec![
                case(BOB)
                    .style(Rfc5436)
                    .about("Return-Path: <>\r\nSubject: 1\r\n\r\n")
                    .gives([Sender("<>")]),
                // What is not known counts as empty.
                case(BOB).style(Rfc5436).gives([Sender("<>")]),
                case(BOB)
                    .style(Rfc5436)
                    .about("Subject: no return path\r\nReturn-Path: <x@y>\r\n\r\n")
                    .gives([Sender("<>")]),
            ]),
        ),
        rule(
            "RFC 5436 2.7",
            "SHOULD have the user's address as envelope sender otherwise",
            Mails(vec![
                case(BOB)
                    .style(Rfc5436)
                    .about("Return-Path: <carol@example.net>\r\n\r\n")
                    .gives([Sender("alice@cyr.test")]),
                // As Cyrus' own notifyd.
                case(BOB)
                    .about("Return-Path: <carol@example.net>\r\n\r\n")
                    .gives([Sender("<>")]),
            ]),
        ),
        rule(
            "RFC 5436 2.7",
            "MUST ignore from in the URI",
            Mails(vec![
                case("bob@example.org?from=eve@evil.test").gives([
                    Field("From", "Mail Sieve Subsystem <postmaster>"),
                    Sender("<>"),
                ]),
                case("bob@example.org?From=eve@evil.test")
                    .style(Rfc5436)
                    .gives([Field("From", "alice@cyr.test")]),
            ]),
        ),
        rule(
            "RFC 5436 2.7",
            "SHOULD have the URI's addresses, to and cc as envelope recipients",
            Mails(vec![
            case("b@x.test,c@x.test?to=d@x.test&cc=e@x.test&to=f@x.test").gives([
                Recipients(&["b@x.test", "c@x.test", "d@x.test", "f@x.test", "e@x.test"]),
            ]),
            case("?cc=b@x.test").gives([Recipients(&["b@x.test"]), No("To")]),
            case("b@x.test, not one").gives_nothing("not one: the address has a blank in it"),
            case("1@x.test,2@x.test,3@x.test,4@x.test,5@x.test,6@x.test,7@x.test,8@x.test,9@x.test")
                .gives_nothing("more than 8 addresses"),
        ]),
        ),
    ]
}

fn header() -> Vec<Rule> {
    let first = |mail: &super::stage::Mail| {
        assert!(!mail.fields.iter().any(|(name, _)| name == "Received"))
    };
    vec![
        rule(
            "RFC 5436 2.7",
            "MUST have Auto-Submitted: auto-notified",
            Mails(vec![
                case(BOB).gives([Field(
                    "Auto-Submitted",
                    "auto-notified; owner-email=\"alice@cyr.test\"",
                )]),
                case(BOB).style(Rfc5436).gives([Field(
                    "Auto-Submitted",
                    "auto-notified; owner-email=\"alice@cyr.test\"",
                )]),
            ]),
        ),
        rule(
            "RFC 5436 2.7.1",
            "MUST name the owner by owner-email or owner-token",
            Mails(vec![
                case(BOB).user("carol@example.net").gives([Field(
                    "Auto-Submitted",
                    "auto-notified; owner-email=\"carol@example.net\"",
                )]),
                case(BOB).user("a b").gives([Field(
                    "Auto-Submitted",
                    "auto-notified; owner-email=\"\\\"a b\\\"@cyr.test\"",
                )]),
                case(BOB).user("").gives([Field(
                    "Auto-Submitted",
                    "auto-notified; owner-email=\"postmaster@cyr.test\"",
                )]),
                case(BOB).style(Token).gives([Also(|mail| {
                    let value = mail.text("Auto-Submitted");
                    let token = value.strip_prefix("auto-notified; owner-token=").unwrap();
                    assert!(
                        token.bytes().all(|b| b.is_ascii_hexdigit()) && !value.contains("alice"),
                        "{value}"
                    );
                })]),
            ]),
        ),
        rule(
            "RFC 5436 2.7.1",
            "Auto-Submitted MUST stand above Received fields that are kept",
            Mails(vec![
                case(BOB)
                    .about("Return-Path: <a@b>\r\nReceived: from x by y\r\n\r\n")
                    .gives([Also(first)]),
            ]),
        ),
        rule(
            "RFC 5436 2.7, auto-submitted",
            "MUST ignore auto-submitted in the URI",
            Mails(vec![case("bob@example.org?auto-submitted=no").gives([
                Field(
                    "Auto-Submitted",
                    "auto-notified; owner-email=\"alice@cyr.test\"",
                ),
            ])]),
        ),
        rule(
            "RFC 5436 2.7",
            "From SHOULD be the user or a system address, MUST NOT come from the URI",
            Mails(vec![
                case(BOB).gives([Field("From", "Mail Sieve Subsystem <postmaster>")]),
                case("bob@example.org?sender=eve@evil.test&resent-from=eve@evil.test")
                    .style(Rfc5436)
                    .gives([
                        Field("From", "alice@cyr.test"),
                        No("Sender"),
                        No("Resent-From"),
                    ]),
                case(BOB)
                    .style(Rfc5436)
                    .user("")
                    .gives([Field("From", "Mail Sieve Subsystem <postmaster>")]),
            ]),
        ),
        rule(
            "RFC 5436 2.7",
            "To SHOULD be the URI's addresses and to",
            Mails(vec![
                case("b@x.test?to=c@x.test").gives([Field("To", "<b@x.test>, <c@x.test>")]),
            ]),
        ),
        rule(
            "RFC 5436 2.7",
            "Cc is the URI's cc",
            Mails(vec![
                case("b@x.test?cc=c@x.test,d@x.test&cc=e@x.test")
                    .gives([Field("Cc", "<c@x.test>, <d@x.test>, <e@x.test>")]),
            ]),
        ),
    ]
}

fn words() -> Vec<Rule> {
    let text = "a subject that goes on and on, much longer than any line, because somebody has to say a lot; ünd möre";
    vec![
        rule(
            "RFC 5436 2.7",
            "Subject SHOULD be :message, else the URI's, else the message's",
            Mails(vec![
                case("bob@example.org?subject=uri")
                    .style(Rfc5436)
                    .message("said ü\n\n")
                    .gives([Field("Subject", "said ü")]),
                case("bob@example.org?subject=ur%C3%AD%20%3D%3FUTF-8%3FQ%3F=C3=BC%3F%3D")
                    .style(Rfc5436)
                    .message("\n\n")
                    .gives([Field("Subject", "urí ü")]),
                case(BOB)
                    .style(Rfc5436)
                    .message("\n\n")
                    .about("Return-Path: <a@b>\nSubject: =?UTF-8?Q?=C3=BC?=\n two\n\n")
                    .gives([Field("Subject", "ü two")]),
                // Cyrus fills :message in for a script that has none.
                case("bob@example.org?subject=uri")
                    .style(Rfc5436)
                    .message("Bob <b@x>: hi\n\n")
                    .about("Return-Path: <a@b>\nFrom: Bob <b@x>\nSubject: hi\n\n")
                    .gives([Field("Subject", "uri")]),
                case(BOB)
                    .style(Rfc5436)
                    .message("said\n\nAction(s) taken:\nKept\n")
                    .gives([Field("Subject", "said")]),
                case("bob@example.org?subject=uri")
                    .gives([Field("Subject", "[SIEVE] New mail notification")]),
            ]),
        ),
        rule(
            "RFC 5436 2.6",
            "SHOULD NOT cut the Subject",
            Mails(vec![
                case(BOB)
                    .style(Rfc5436)
                    .message(text)
                    .gives([Field("Subject", text)]),
            ]),
        ),
        rule(
            "RFC 5436 2.7",
            "The body SHOULD be the URI's, else empty or an excerpt",
            Mails(vec![
                case("bob@example.org?body=x")
                    .message("said\n\n")
                    .gives([Body("said\n\n\n")]),
                case("bob@example.org?body=some%0D%0Atext%20%C3%BC")
                    .style(Rfc5436)
                    .message("said\n\n")
                    .gives([Also(|mail| {
                        let body = mail.decoded_body();
                        assert!(body.starts_with("some\ntext ü\n".as_bytes()));
                    })]),
                case(BOB)
                    .style(Rfc5436)
                    .message("said\n\n")
                    .gives([Also(|mail| {
                        assert!(
                            !mail.body.windows(4).any(|w| w == b"said"),
                            "it is the Subject"
                        );
                    })]),
            ]),
        ),
        rule(
            "RFC 5436 2.7",
            "MAY refer to the message in References",
            Mails(vec![
                case(BOB)
                    .about("Return-Path: <a@b>\nMessage-ID: <2@x>\nReferences: <1@x>\n\n")
                    .gives([Field("References", "<1@x> <2@x>")]),
                case("bob@example.org?references=%3C3@x%3E&in-reply-to=%3C3@x%3E")
                    .gives([No("References"), No("In-Reply-To")]),
            ]),
        ),
        rule(
            "RFC 5436 2.7",
            "MAY keep the message's Received",
            NotOurs("allowed, not wanted: they tell where the mail came from (RFC 5435 3.8)"),
        ),
        rule(
            "RFC 5436 2.7, received",
            "MUST ignore received in the URI",
            Mails(vec![
                case("bob@example.org?received=from%20x%20by%20y").gives([No("Received")]),
            ]),
        ),
        rule(
            "RFC 5436 2.7",
            "MUST have a Message-ID and a Date of its own",
            Mails(vec![
                case("bob@example.org?message-id=%3Cevil@x%3E&date=now")
                    .about("Return-Path: <a@b>\nMessage-ID: <4@x>\nDate: then\n\n")
                    .gives([Also(|mail| {
                        assert!(mail.text("Message-ID").starts_with("<cmu-sieve-"));
                        assert!(mail.text("Date").contains(':'));
                    })]),
            ]),
        ),
    ]
}

fn others() -> Vec<Rule> {
    vec![
        rule(
            "RFC 5436 2.7",
            "Other fields of the URI are taken as they are, with a capital letter and a blank",
            Mails(vec![
                case("bob@example.org?keywords=a%20b&x-tag=1%2B1").gives([
                    Field("Keywords", "a b"),
                    Also(|mail| {
                        assert!(
                            mail.fields
                                .iter()
                                .any(|(name, value)| name == "X-tag" && value == b"1+1"),
                            "{:?}",
                            mail.fields
                        );
                    }),
                ]),
            ]),
        ),
        rule(
            "RFC 5436 2.4",
            ":importance MAY become Importance, X-Priority or Priority",
            Mails(vec![
                case(BOB)
                    .priority("high")
                    .gives([Field("Importance", "High"), Field("X-Priority", "1")]),
                case(BOB)
                    .priority("normal")
                    .gives([Field("Importance", "Normal"), Field("X-Priority", "3")]),
                case(BOB)
                    .priority("low")
                    .gives([Field("Importance", "Low"), Field("X-Priority", "5")]),
                case(BOB)
                    .priority("")
                    .gives([No("Importance"), No("X-Priority")]),
                case("bob@example.org?importance=low&priority=urgent")
                    .priority("high")
                    .gives([Field("Importance", "High"), No("Priority")]),
                case("bob@example.org?importance=low")
                    .gives([Field("Importance", "low"), No("X-Priority")]),
            ]),
        ),
        rule(
            "RFC 5436 2.5",
            ":options mean nothing",
            Mails(vec![
                case(BOB)
                    .and_option("eve@evil.test")
                    .and_option("x=1")
                    .gives([Recipients(&[BOB]), Field("To", "<bob@example.org>")]),
            ]),
        ),
        rule(
            "RFC 5436 2.2",
            "notify_method_capability online is maybe",
            NotOurs("Cyrus answers this test itself"),
        ),
        rule(
            "RFC 5436 2.7",
            "MUST NOT submit again what a mail server has taken",
            Elsewhere("src/method/mailto/sendmail.rs: only_what_may_pass_is_tried_again"),
        ),
        rule(
            "RFC 5436 2.7",
            "SHOULD NOT tell an address twice in one run of a script",
            Mails(vec![
                case("twice@x.test,twice@X.test?cc=twice@x.test")
                    .gives([Recipients(&["twice@x.test"])]),
                case("once@x.test")
                    .about("Return-Path: <a@b>\nSubject: once\n\n")
                    .gives([Recipients(&["once@x.test"])]),
                case("once@x.test")
                    .about("Return-Path: <a@b>\nSubject: once\n\n")
                    .message("other\n\n")
                    .gives_nothing("the same was sent before"),
                // Another user's script is another run.
                case("once@x.test")
                    .user("carol")
                    .about("Return-Path: <a@b>\nSubject: once\n\n")
                    .gives([Recipients(&["once@x.test"])]),
            ]),
        ),
        rule(
            "RFC 5436 5",
            "Mails of one user are limited, as 30 an hour",
            NotOurs("[mailto] owner_limit and recipient_limit: see tests/alone"),
        ),
        rule(
            "RFC 5436 5",
            "An administrator MUST be able to stop and to allow them again",
            NotOurs("notifyctl hold, release, drop: see tests/operator.rs"),
        ),
        rule(
            "RFC 5436 5",
            "MUST be able to find the owner that a recipient complains of",
            Elsewhere("src/method/mailto/owner.rs: a_token_is_the_same_and_can_be_resolved"),
        ),
        rule(
            "RFC 5436 6.2",
            "Auto-Submitted has a registry of keywords: unknown ones are automatic",
            Reads(|| {
                for word in [
                    "auto-generated",
                    "auto-replied",
                    "auto-notified",
                    "auto-something-new",
                    "x",
                ] {
                    assert!(is_automatic(word.as_bytes()), "{word}");
                }
            }),
        ),
    ]
}
