//! Tests of addresses.

use super::*;
use proptest::prelude::*;

fn address(text: &str) -> Address {
    Address::parse(text.as_bytes()).unwrap_or_else(|why| panic!("{text}: {why}"))
}

fn wrong(text: &str) -> String {
    match Address::parse(text.as_bytes()) {
        Ok(address) => panic!("{text:?} was read as {address}"),
        Err(why) => why,
    }
}

#[test]
fn addresses_stay_as_they_came() {
    for text in [
        "bob@example.org",
        "bob",
        "Bob.O'Neil+x@Example.ORG",
        "-oQ/tmp",
        "\"a b\"@example.org",
        "\"a\\\"b\\\\c\"@example.org",
        "\"not@me\"@example.org",
        "bob@[192.0.2.1]",
        "bob@[IPv6:2001:db8::1]",
        "j\u{fc}rgen@example.org",
        "bob@b\u{fc}cher.example",
        "a_b@c_d.example",
        "user%relay@example.org",
    ] {
        assert_eq!(address(text).to_string(), text);
    }
    assert_eq!(
        address(" \"bob\"@x\t").to_string(),
        "bob@x",
        "quotes that are not needed"
    );
    assert_eq!(
        address("a..b.@x").to_string(),
        "\"a..b.\"@x",
        "dots that only quotes may have"
    );
}

#[test]
fn what_is_no_address() {
    for (text, why) in [
        ("", "is empty"),
        ("a,b@c", "is a list"),
        ("a;b@c", "is a list"),
        ("group:a@b;", "is a group"),
        ("x:a@b", "is a group"),
        ("a@b,c", "is a list"),
        ("a@b@c", "has a @ in it"),
        ("a b@c", "has a blank in it"),
        ("a@b c", "has a blank in it"),
        ("a(comment)@b", "has a comment"),
        ("a@b(comment)", "has a comment"),
        ("<a@b>", "has angle brackets in it"),
        ("a@b>\r\nBcc: <c", "has a control character"),
        ("a\0@b", "has a control character"),
        ("\"a\rb\"@c", "has a control character"),
        ("a\u{202e}b@c", "has an invisible character"),
        ("a\u{a0}b@c", "has a blank in it"),
        ("=?UTF-8?Q?a?=@b", "looks like an encoded word"),
        ("@b", "has nothing before the @"),
        ("\"\"@b", "has nothing before the @"),
        ("\"a b\"", "has no domain, and is no user's name"),
        ("a..b", "has no domain, and is no user's name"),
        ("\"a\"b@c", "goes on behind its quotes"),
        ("\"a", "has a quote without end"),
        ("\"a\\", "has a quote without end"),
        ("|/bin/sh", "names a program or a file"),
        ("/etc/passwd", "names a program or a file"),
        ("a@[1.2.3]", "has brackets without an IP address in them"),
        ("a@[x]]", "has brackets without an IP address in them"),
    ] {
        assert_eq!(wrong(text), why, "{text}");
    }
    for domain in [
        "",
        ".",
        "a.",
        ".a",
        "a..b",
        "a!b",
        "-a",
        "a@b",
        "b\u{ff20}c",
        "\u{fffe}.example",
    ] {
        let why = wrong(&format!("a@{domain}"));
        assert!(
            why.contains("which is none") || why == "has a @ in it",
            "{domain}: {why}"
        );
    }
}

#[test]
fn lengths_have_limits() {
    let local = |n: usize| format!("{}@example.org", "a".repeat(n));
    assert_eq!(address(&local(64)).to_string(), local(64));
    assert_eq!(wrong(&local(65)), "has more than 64 bytes before the @");
    assert!(
        wrong(&format!("\"{} \"@x", "a".repeat(62))).contains("64"),
        "quotes count"
    );
    let domain = |n: usize| format!("a@{}x", "abcd.".repeat(n));
    address(&domain(50));
    assert!(wrong(&domain(51)).contains("which is none"));
    assert!(wrong(&format!("a@{}", "x".repeat(64))).contains("which is none"));
}

#[test]
fn the_envelope_is_ascii_where_it_can_be() {
    let idn = address("bob@B\u{fc}cher.example");
    assert_eq!(idn.envelope(), "bob@xn--bcher-kva.example");
    assert_eq!(idn.in_header(), "bob@xn--bcher-kva.example");
    assert_eq!(idn.key(), address("bob@xn--BCHER-kva.Example").key());
    assert!(!idn.needs_smtputf8());
    let eai = address("j\u{fc}rgen@b\u{fc}cher.example");
    assert!(eai.needs_smtputf8());
    assert_eq!(eai.envelope(), "j\u{fc}rgen@xn--bcher-kva.example");
    assert_eq!(eai.in_header(), "j\u{fc}rgen@b\u{fc}cher.example");
    assert_ne!(
        address("Bob@x").key(),
        address("bob@x").key(),
        "RFC 5321 section 2.4"
    );
}

#[test]
fn a_domain_is_added() {
    assert_eq!(
        address("bob").in_domain("example.org").to_string(),
        "bob@example.org"
    );
    assert_eq!(
        address("bob@x").in_domain("example.org").to_string(),
        "bob@x"
    );
    assert_eq!(address("bob").in_domain("no\r\ndomain").to_string(), "bob");
    let user = |user: &str| Address::of_user(user.as_bytes(), "example.org");
    assert_eq!(user("bob").unwrap().to_string(), "bob@example.org");
    assert_eq!(user("bob@x").unwrap().to_string(), "bob@x");
    assert_eq!(
        user("anna b.").unwrap().to_string(),
        "\"anna b.\"@example.org"
    );
    assert!(user("a\nb").is_err() && user("").is_err());
}

#[test]
fn names_come_and_go() {
    let mailbox = |text: &str| Mailbox::parse(text.as_bytes()).unwrap();
    let both = |text: &str| {
        let mailbox = mailbox(text);
        (
            mailbox.name.clone(),
            mailbox.address.to_string(),
            mailbox.in_header(),
        )
    };
    let of = |name: &str, address: &str, header: &str| {
        (name.to_owned(), address.to_owned(), header.to_owned())
    };
    assert_eq!(
        both("cal@example.org"),
        of("", "cal@example.org", "cal@example.org")
    );
    assert_eq!(
        both("<cal@example.org>"),
        of("", "cal@example.org", "cal@example.org")
    );
    assert_eq!(
        both("Calendar <cal@example.org>"),
        of("Calendar", "cal@example.org", "Calendar <cal@example.org>")
    );
    assert_eq!(
        both("\"Doe, \\\"B\\\"\" <b@x>"),
        of("Doe, \"B\"", "b@x", "\"Doe, \\\"B\\\"\" <b@x>")
    );
    assert_eq!(
        both("K\u{fc}che <k@x>"),
        of("K\u{fc}che", "k@x", "=?UTF-8?B?S8O8Y2hl?= <k@x>")
    );
    for text in [
        "a <b@c> d",
        "a <b@c",
        "\"a\" b <c@d>",
        "\"a <b@c>",
        "a <b@c>, <d@e>",
        "<a@b>, <c@d>",
        "a@b, <c@d>",
        "a\"b <c@d>",
    ] {
        assert!(Mailbox::parse(text.as_bytes()).is_err(), "{text}");
    }
}

proptest! {
    #[test]
    fn what_is_read_is_safe(text in "[ -~a-d@.\"\\\\,\u{e9}\u{202e}\r\n\t\0]{0,40}") {
        if let Ok(address) = Address::parse(text.as_bytes()) {
            for form in [address.to_string(), address.envelope(), address.in_header()] {
                prop_assert!(!form.contains(|c: char| c.is_control() || is_hidden(c)));
                prop_assert_eq!(Address::parse(form.as_bytes()).map(|a| a.key()), Ok(address.key()));
                let outside: String = form.split('"').step_by(2).collect();
                prop_assert!(form.contains('\\') || !outside.contains([',', ';', ':', '<', '>', '(', ' ']) || form.contains('['));
            }
        }
    }

    #[test]
    fn anything_is_looked_at(text in prop::collection::vec(any::<u8>(), 0..100)) {
        let _ = (Address::parse(&text), Mailbox::parse(&text));
    }
}
