//! mailto URIs.

use super::Proof::{Mails, Reads};
use super::case::Has::{Field, Line, No, Recipients};
use super::case::Style::{Rfc5436, Token};
use super::case::case;
use super::{Rule, rule};
use cyrus_notifyd::mail::uri::MailtoUri;

/// What no URI may set.
const DENIED: &[&str] = &[
    "from",
    "sender",
    "date",
    "message-id",
    "received",
    "return-path",
    "auto-submitted",
    "bcc",
    "in-reply-to",
    "references",
    "resent-from",
    "resent-to",
    "resent-message-id",
    "apparently-to",
    "mime-version",
    "content-type",
    "content-transfer-encoding",
    "dkim-signature",
    "arc-seal",
    "arc-message-signature",
    "authentication-results",
    "list-id",
    "list-unsubscribe",
    "delivered-to",
    "disposition-notification-to",
    "precedence",
];

fn uri(text: &str) -> MailtoUri {
    MailtoUri::parse(text.as_bytes()).unwrap()
}

fn to(text: &str) -> Vec<String> {
    uri(text).to.iter().map(ToString::to_string).collect()
}

pub(super) fn rules() -> Vec<Rule> {
    vec![
        rule("RFC 6068 2, 5", "Addresses are divided by commas and decoded exactly once; + is a plus sign; UTF-8 may be coded", Mails(vec![
            case("a%2Bb@x.test,c+d@x.test").gives([Recipients(&["a+b@x.test", "c+d@x.test"])]),
            case("a%2540b@x.test").gives([Recipients(&["a%40b@x.test"])]),
            case("%22not%40me%22@x.test").gives([Recipients(&["\"not@me\"@x.test"]), Field("To", "<\"not@me\"@x.test>")]),
            case("gorby%25kremvax@x.test").gives([Recipients(&["gorby%kremvax@x.test"])]),
            case("unlikely%3Faddress@x.test").gives([Recipients(&["unlikely?address@x.test"])]),
            case("j%C3%BCrgen@x.test").gives([Recipients(&["j\u{fc}rgen@x.test"])]),
            case("user@%E7%B4%8D%E8%B1%86.example.org").gives([Recipients(&["user@xn--99zt52a.example.org"])]),
            case("a%2Cb@x.test").gives_nothing("a,b@x.test: the address is a list"),
        ])),
        rule("RFC 6068 2", "Fields are name=value with & between; body is no field, and is not decoded further", Reads(|| {
            let all = uri("infobot@example.com?subject=current-issue&body=send%20current-issue%0D%0Asend%20index%20%3Db&x-y=1%3D2");
            assert_eq!(all.subject.as_deref(), Some("current-issue"));
            assert_eq!(all.body.as_deref(), Some("send current-issue\nsend index =b"));
            assert_eq!(all.fields, [("X-y".to_owned(), "1=2".to_owned())]);
        })),
        rule("RFC 6068 2", "Addresses before ? and in to are one list, and one To field", Mails(vec![
            case("addr1@x.test?to=addr2@x.test&to=addr3@x.test").gives([Field("To", "<addr1@x.test>, <addr2@x.test>, <addr3@x.test>")]),
            // RFC 2368 section 2 codes the comma, and scripts are older than RFC 6068.
            case("?to=addr1@x.test%2C%20addr2@x.test").gives([Recipients(&["addr1@x.test", "addr2@x.test"])]),
            case("one@x.test%2Ctwo@x.test?subject=Neu").gives([Recipients(&["one@x.test", "two@x.test"])]),
        ])),
        rule("RFC 6068 3", "From, Date, Resent-*, Apparently-To, routing and MIME fields are ignored", Mails(vec![
            case("b@x.test?resent-to=eve@evil.test&apparently-to=eve@evil.test&content-type=text/html&mime-version=2.0&bcc=eve@evil.test")
                .gives([Recipients(&["b@x.test"]), No("Resent-To"), No("Apparently-To"), No("Content-Type"), No("MIME-Version"), No("Bcc")]),
        ])),
        rule("RFC 6068 3", "The same address may be taken once", Reads(|| {
            assert_eq!(to("a@b,a@B?to=a@b"), ["a@b"]);
            assert!(uri("a@b?cc=a@b").cc.is_empty());
        })),
        rule("RFC 6068 4", "Subject, Keywords and body are safe; what else is taken is no field that means something", Reads(|| {
            for name in DENIED {
                for name in [(*name).to_owned(), name.to_ascii_uppercase(), name.replacen('e', "%65", 1)] {
                    let all = uri(&format!("a@b?{name}=x&subject=s&keywords=k&body=b"));
                    assert_eq!(all.fields, [("Keywords".to_owned(), "k".to_owned())], "{name}");
                    assert_eq!(all.ignored.len(), 1, "{name}");
                    assert_eq!((all.subject.as_deref(), all.body.as_deref()), (Some("s"), Some("b")));
                }
            }
        })),
        rule("RFC 6068 5, 7", "%0D%0A is allowed in body only", Mails(vec![
            case("b@x.test?subject=x%0D%0ABcc:%20eve@evil.test&keywords=k%0Abcc:eve@evil.test&x%0d%0abcc=eve@evil.test").style(Rfc5436)
                .message("\n\n").gives([Recipients(&["b@x.test"]), No("Bcc"), No("Keywords")]),
            case("b@x.test?cc=c@x.test%0D%0ABcc:eve@evil.test").gives([Recipients(&["b@x.test"]), No("Cc"), No("Bcc")]),
            case("b@x.test%0D%0ABcc:eve@evil.test").gives_nothing("the address has a control character"),
            // The other daemon has said as much within the last minute, about another field.
            case("b@x.test?subject=x%0D%0Ay").style(Token).gives([Line("not taken from the URI in a script of user alice: subject (a line end in it)")]),
        ])),
        rule("RFC 6068 7", "Nobody may be made to send what he does not want to send: the fields that are denied", Reads(|| {
            for name in DENIED {
                let ignored = uri(&format!("a@b?{name}=eve@evil.test")).ignored;
                assert_eq!(ignored, [format!("{name} (not allowed)")]);
            }
            let many: String = (0..30).map(|n| format!("&x-{n}=1")).collect();
            assert_eq!(uri(&format!("a@b?{many}")).fields.len(), 16);
        })),
    ]
}
