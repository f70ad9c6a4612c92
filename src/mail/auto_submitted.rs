//! Auto-Submitted: whether a mail was made by a program (RFC 3834 section 5), and on whose behalf (RFC 5436 section 2.7.1).

use super::address::Address;
use super::header::quoted_string;

/// Mail that a program sends of its own accord or at set times: for alarms, quotas, sign-ins.
pub const GENERATED: &str = "auto-generated";

/// On whose behalf a notification is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Owner {
    /// This address.
    Email(Address),
    /// A token that only we can resolve: letters and digits.
    Token(String),
}

/// The value for a mail that a user's Sieve script wanted.
pub fn notified(owner: &Owner) -> Vec<u8> {
    let (name, value) = match owner {
        Owner::Email(address) => ("email", quoted_string(address.in_header().as_bytes())),
        Owner::Token(token) => ("token", token.clone().into_bytes()),
    };
    [b"auto-notified; owner-", name.as_bytes(), b"=", &value].concat()
}

/// Whether a mail with this value was made by a program. All but `no` means that: a keyword that we don't know (RFC 3834
/// section 5.2), and what is no keyword at all.
pub fn is_automatic(value: &[u8]) -> bool {
    let after = skip_comments(value);
    let end = after
        .iter()
        .position(|&b| b == b';' || b == b'(' || b.is_ascii_whitespace());
    let (keyword, rest) = after.split_at(end.unwrap_or(after.len()));
    let rest = skip_comments(rest);
    !(keyword.eq_ignore_ascii_case(b"no") && (rest.is_empty() || rest[0] == b';'))
}

/// What follows white space and comments, which may be nested (RFC 5322 section 3.2.2).
fn skip_comments(text: &[u8]) -> &[u8] {
    let mut depth = 0usize;
    let mut escaped = false;
    for (n, &byte) in text.iter().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if depth > 0 => escaped = true,
            b'(' => depth += 1,
            b')' if depth > 0 => depth -= 1,
            _ if depth > 0 || byte.is_ascii_whitespace() => {}
            _ => return &text[n..],
        }
    }
    &[]
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn all_but_no_is_automatic() {
        for value in [
            "no",
            "No",
            " no ",
            "no (a comment)",
            "(a (nested \\) ) one) no",
            "no; x=y",
            "no(c);x=y",
        ] {
            assert!(!is_automatic(value.as_bytes()), "{value}");
        }
        for value in [
            "auto-generated",
            "auto-replied (no)",
            "auto-notified; owner-email=\"a@b\"",
            "(no) auto-replied",
            "something-new",
            "no-really",
            "no thanks",
            "nobody",
            "",
            "(no",
            ";no",
        ] {
            assert!(is_automatic(value.as_bytes()), "{value}");
        }
    }

    #[test]
    fn owners_are_written() {
        let text = |owner| String::from_utf8(notified(&owner)).unwrap();
        let email = |address: &str| text(Owner::Email(Address::parse(address.as_bytes()).unwrap()));
        assert_eq!(
            email("alice@example.org"),
            "auto-notified; owner-email=\"alice@example.org\""
        );
        assert_eq!(
            email("\"a b\"@example.org"),
            "auto-notified; owner-email=\"\\\"a b\\\"@example.org\""
        );
        assert_eq!(
            text(Owner::Token("00ff".into())),
            "auto-notified; owner-token=00ff"
        );
        assert!(is_automatic(email("a@b").as_bytes()) && is_automatic(GENERATED.as_bytes()));
    }

    proptest! {
        #[test]
        fn anything_is_read(value in prop::collection::vec(any::<u8>(), 0..100)) {
            is_automatic(&value);
        }

        #[test]
        fn comments_change_nothing(before in "\\([a-z ]{0,5}\\) ?", after in " ?\\([a-z ]{0,5}\\)") {
            for (word, automatic) in [("no", false), ("auto-replied", true)] {
                let value = format!("{before}{word}{after}");
                prop_assert_eq!(is_automatic(value.as_bytes()), automatic);
            }
        }
    }
}
