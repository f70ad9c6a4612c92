//! Mail that programs send.

use super::Proof::{Elsewhere, Mails, NotOurs, Reads};
use super::case::Has::{Also, Field, No, Sender};
use super::case::Style::{Rfc5436, Token};
use super::case::case;
use super::{Rule, rule};
use cyrus_notifyd::mail::auto_submitted::is_automatic;
use cyrus_notifyd::mail::trigger::Trigger;

const BOB: &str = "bob@example.org";

pub(super) fn rules() -> Vec<Rule> {
    vec![
        rule("RFC 3834 2", "SHOULD NOT answer a message with Auto-Submitted other than no", Mails(vec![
            case(BOB).about("Auto-Submitted: auto-generated\r\n\r\n").gives_nothing("was sent by a program"),
        ])),
        rule("RFC 3834 2", "MUST NOT answer to an empty return address", NotOurs("a notification goes to fixed addresses, never to the sender; of such messages RFC 5436 2.7 wants one")),
        rule("RFC 3834 3.1.1", "From is the user's own address, which he can set; login names are not told", Mails(vec![
            case(BOB).style(Rfc5436).gives([Field("From", "alice@cyr.test")]),
            case(BOB).style(Token).gives([Also(|mail| {
                assert!(mail.fields.iter().all(|(_, value)| !value.windows(5).any(|w| w == b"alice")), "{:?}", mail.fields);
            })]),
        ])),
        rule("RFC 3834 3.1.3", "To has one recipient in general", NotOurs("a URI of several addresses is one mail to all (RFC 5436 2.7)")),
        rule("RFC 3834 3.1.5", "No line with an encoded word is longer than 76, and none is cut inside a word", Mails(vec![
            case(BOB).style(Rfc5436).message("Grüße von weit her, die lang genug sind, um auf mehrere Zeilen gefaltet zu werden: äöüßÄÖÜ")
                .gives([
                    Field("Subject", "Grüße von weit her, die lang genug sind, um auf mehrere Zeilen gefaltet zu werden: äöüßÄÖÜ"),
                    Also(|mail| {
                        let words = mail.text("Subject").split(' ');
                        words.for_each(|word| assert!(word.len() <= 75 && word.starts_with("=?UTF-8?B?") && word.ends_with("?="), "{word}"));
                    }),
                ]),
        ])),
        rule("RFC 3834 3.1.6", "An answer SHOULD have In-Reply-To and References", Mails(vec![
            // It is no answer: References only, as RFC 5436 2.7 allows.
            case(BOB).about("Return-Path: <a@b>\nMessage-ID: <5@x>\nIn-Reply-To: <6@x>\n\n").gives([Field("References", "<6@x> <5@x>"), No("In-Reply-To")]),
        ])),
        rule("RFC 3834 3.1.8", "Precedence is not recommended", Mails(vec![
            case("bob@example.org?precedence=bulk").gives([No("Precedence")]),
        ])),
        rule("RFC 3834 3.2", "Text is plain and short, without attachments, with encoded words decoded", Mails(vec![
            case(BOB).style(Rfc5436).message("\n\n").about("Return-Path: <a@b>\nSubject: =?ISO-8859-1?Q?caf=E9?=\n\nlong text\n").gives([
                Field("Subject", "caf\u{e9}"),
                Also(|mail| assert!(!mail.body.windows(9).any(|w| w == b"long text"))),
            ]),
            case(BOB).gives([No("Content-Type")]),
        ])),
        rule("RFC 3834 3.3", "The envelope sender may be empty", Mails(vec![
            case(BOB).gives([Sender("<>")]),
        ])),
        rule("RFC 3834 5.1, 5.2", "A keyword, parameters, comments; at most one field; unknown keywords are automatic", Reads(|| {
            for value in ["no", "No", "no (c)", "(c) no", "no; p=1", "no(a(b))"] {
                assert!(!is_automatic(value.as_bytes()), "{value}");
            }
            for value in ["auto-replied", "auto-replied; p=\"no\"", "(no) x", "nope", ""] {
                assert!(is_automatic(value.as_bytes()), "{value}");
            }
            assert!(Trigger::parse(b"Auto-Submitted: no\nAuto-Submitted: auto-replied\n\n").automatic);
        })),
        rule("RFC 3834 5.2", "auto-generated is for mail of its own accord, auto-replied for answers, auto-notified for these", Elsewhere("src/mail/auto_submitted.rs: owners_are_written")),
    ]
}
