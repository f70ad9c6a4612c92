//! Tests of mailto URIs.

use super::*;
use proptest::prelude::*;

fn uri(text: &str) -> MailtoUri {
    MailtoUri::parse(text.as_bytes()).unwrap_or_else(|why| panic!("{text}: {why}"))
}

fn shown(addresses: &[Address]) -> Vec<String> {
    addresses.iter().map(Address::to_string).collect()
}

fn wrong(text: &str) -> String {
    MailtoUri::parse(text.as_bytes()).unwrap_err()
}

#[test]
fn what_cyrus_sends() {
    let all = uri("a@b.example,c@d.example?cc=e@f.example&to=g@h.example");
    assert_eq!(
        shown(&all.to),
        ["a@b.example", "c@d.example", "g@h.example"]
    );
    assert_eq!(shown(&all.cc), ["e@f.example"]);
    let coded = uri("mailto:%22not%40me%22@example.org?subject=%C3%84&body=some%0Atext");
    assert_eq!(shown(&coded.to), ["\"not@me\"@example.org"]);
    assert_eq!(coded.subject.as_deref(), Some("\u{c4}"));
    assert_eq!(coded.body.as_deref(), Some("some\ntext"));
    assert_eq!(shown(&uri("MAILTO:?to=a@b").to), ["a@b"]);
    assert_eq!(shown(&uri("a@b#top").to), ["a@b"]);
    assert_eq!(shown(&uri("a%23b@c?subject=x#top").to), ["a#b@c"]);
}

#[test]
fn what_is_too_long_costs_itself() {
    let long = uri(&format!("a@b?x-long={}&x-short=1", "a".repeat(4097)));
    assert_eq!(long.fields, [("X-short".to_owned(), "1".to_owned())]);
    assert_eq!(long.ignored, ["x-long (too long)"]);
    let long = uri(&format!("a@b?x-long={}", "a".repeat(4096)));
    assert_eq!(long.fields.len(), 1);
    let domain = format!("a@{}", "\u{fc}".repeat(600));
    assert!(
        wrong(&domain).ends_with("the address has more than 1151 bytes"),
        "{}",
        wrong(&domain)
    );
}

#[test]
fn what_old_scripts_have() {
    assert_eq!(shown(&uri(" bob@example.org\t").to), ["bob@example.org"]);
    assert_eq!(shown(&uri("bob").to), ["bob"]);
    assert_eq!(
        shown(&uri("\"Doe, Bob \\\"B\\\" Q\" <b@example.org>, c@d").to),
        ["b@example.org", "c@d"]
    );
    assert_eq!(
        shown(&uri("\"a b\"@example.org").to),
        ["\"a b\"@example.org"]
    );
    assert_eq!(
        shown(&uri("bob%relay@example.org").to),
        ["bob%relay@example.org"]
    );
}

#[test]
fn decoded_exactly_once() {
    assert_eq!(shown(&uri("a%2540b@c").to), ["a%40b@c"]);
    assert_eq!(
        uri("a@b?subject=1%252B1+1").subject.as_deref(),
        Some("1%2B1+1")
    );
    assert_eq!(shown(&uri("a+b@c").to), ["a+b@c"]);
    assert!(
        wrong("a%2Cb@c").contains("is a list"),
        "a comma that was coded divides no local part"
    );
}

/// RFC 2368 section 2 codes the commas, also in `to` and `cc`, and so do the tests of Pigeonhole.
#[test]
fn commas_between_addresses_may_be_coded() {
    for (text, to) in [
        (
            "one@example.org%2Ctwo@example.net?subject=Neu",
            &["one@example.org", "two@example.net"][..],
        ),
        (
            "?to=joe@example.com%2C%20may@example.com",
            &["joe@example.com", "may@example.com"],
        ),
        (
            "mailto:addr1%2C%20addr2@x?to=c@y",
            &[], // a local part, or the user addr1: nobody can tell
        ),
        (
            "stephan@example.org%2cwerner@example.com,%20c@y%2C",
            &["stephan@example.org", "werner@example.com", "c@y"],
        ),
        (
            "%22Doe%2C%20Ann%22%20%3Cann@x%3E%2C%20%22a%2C@b%22@y",
            &["ann@x", "\"a,@b\"@y"],
        ),
        ("a@b%2C,%2Cc@d", &["a@b", "c@d"]),
    ] {
        let read = MailtoUri::parse(text.as_bytes());
        assert_eq!(read.map_or(Vec::new(), |uri| shown(&uri.to)), to, "{text}");
    }
    assert_eq!(
        shown(&uri("a@b?cc=c@d%2C%20A@b%2Ce@f").cc),
        ["c@d", "A@b", "e@f"]
    );
    let nine: Vec<String> = (0..9).map(|n| format!("u{n}@x")).collect();
    assert!(wrong(&nine.join("%2C")).contains("more than 8 addresses"));
}

#[test]
fn fields_that_are_ours_are_not_taken() {
    for name in [
        "from",
        "Sender",
        "DATE",
        "message-id",
        "received",
        "return-path",
        "auto-submitted",
        "bcc",
        "in-reply-to",
        "references",
        "resent-from",
        "resent-bcc",
        "apparently-to",
        "mime-version",
        "content-type",
        "content-transfer-encoding",
        "dkim-signature",
        "arc-seal",
        "authentication-results",
        "list-id",
        "delivered-to",
        "disposition-notification-to",
        "precedence",
        "x-sieve",
        "x-notifyd-again",
    ] {
        let read = uri(&format!("a@b?{name}=x@y&keywords=k"));
        assert_eq!(
            read.fields,
            [("Keywords".to_owned(), "k".to_owned())],
            "{name}"
        );
        assert_eq!(read.ignored, [format!("{name} (not allowed)")]);
        assert_eq!((read.to.len(), read.cc.len()), (1, 0));
    }
}

#[test]
fn injections_cost_their_field() {
    let read = uri(
        "a@b?subject=x%0D%0ABcc:%20e@f&x-y=1%0A2&cc=c@d%0d%0aBcc:e@f&body=1%0D%0A2&x%0d%0abcc=e@f&x:y=1&=2",
    );
    assert_eq!(
        (read.subject, read.fields.len(), read.cc.len()),
        (None, 0, 0)
    );
    assert_eq!(read.body.as_deref(), Some("1\n2"));
    assert_eq!(read.ignored.len(), 6, "{:?}", read.ignored);
}

#[test]
fn no_field_twice() {
    let read = uri("a@b?subject=1&subject=2&body=x&body=y&x-a=1&X-A=2");
    assert_eq!(
        (read.subject.as_deref(), read.body.as_deref()),
        (Some("1"), Some("x"))
    );
    assert_eq!(read.fields, [("X-a".to_owned(), "1".to_owned())]);
    assert_eq!(read.ignored.len(), 3);
    let many: String = (0..20).map(|n| format!("&x-{n}=1")).collect();
    let read = uri(&format!("a@b?{many}"));
    assert_eq!((read.fields.len(), read.ignored.len()), (MAX_FIELDS, 1));
}

#[test]
fn nobody_twice_and_not_too_many() {
    let read = uri("a@b,a@B?to=a@b,c@d&cc=c@D,e@f");
    assert_eq!(
        (shown(&read.to), shown(&read.cc)),
        (vec!["a@b".into(), "c@d".into()], vec!["e@f".into()])
    );
    let of = |n: usize| {
        (0..n)
            .map(|n| format!("u{n}@x"))
            .collect::<Vec<_>>()
            .join(",")
    };
    assert_eq!(uri(&of(MAX_RECIPIENTS)).to.len(), MAX_RECIPIENTS);
    assert_eq!(wrong(&of(MAX_RECIPIENTS + 1)), "more than 8 addresses");
    assert_eq!(wrong(&of(10_000)), "more than 8 addresses");
    for nobody in ["", "mailto:", ",,", "?subject=x", "?bcc=a@b"] {
        assert_eq!(wrong(nobody), "no address in it");
    }
}

#[test]
fn the_message_names_what_is_wrong() {
    assert_eq!(wrong("a@b,c d@e"), "c d@e: the address has a blank in it");
    assert_eq!(
        wrong("a@b?to=%01x@y"),
        "\u{1}x@y: the address has a control character"
    );
    assert!(wrong("a@%ff").contains("is not UTF-8"));
}

proptest! {
    #[test]
    fn anything_is_read(text in prop::collection::vec(any::<u8>(), 0..300)) {
        if let Ok(read) = MailtoUri::parse(&text) {
            prop_assert!((1..=MAX_RECIPIENTS).contains(&(read.to.len() + read.cc.len())));
        }
    }

    #[test]
    fn fields_are_one_line(text in "[a-z%0-9AD&=:?,@\r\n]{0,100}") {
        if let Ok(read) = MailtoUri::parse(format!("a@b?{text}").as_bytes()) {
            for (name, value) in &read.fields {
                prop_assert!(is_field_name(name) && !is_denied(&name.to_ascii_lowercase()));
                prop_assert!(!value.contains(['\r', '\n']));
            }
            prop_assert!(!read.subject.unwrap_or_default().contains(['\r', '\n']));
        }
    }
}
