//! IMAP URLs (RFC 5092), as Cyrus' `imapurl_toURL` (`lib/imapurl.c`) writes them:
//! `imap://HOST/MAILBOX;UIDVALIDITY=n/;UID=n`, the later parts where they apply.
//! The mailbox is `user/alice/Sent`, also on servers with other separators.

/// What an IMAP URL points to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImapUrl {
    /// The user before `@`, if any.
    pub user: Option<String>,
    /// The server, with its port if there is one.
    pub host: String,
    /// The mailbox, decoded; bytes that are not UTF-8 are replaced. `None` for a server.
    pub mailbox: Option<String>,
    /// UIDVALIDITY of the mailbox.
    pub uidvalidity: Option<u32>,
    /// UID of the message.
    pub uid: Option<u32>,
}

impl ImapUrl {
    /// Reads a URL; `None` when it is not an `imap:` or `imaps:` one. Parts it does not know are skipped.
    #[must_use]
    pub fn parse(text: &str) -> Option<ImapUrl> {
        let (scheme, rest) = text.trim().split_once("://")?;
        if !scheme.eq_ignore_ascii_case("imap") && !scheme.eq_ignore_ascii_case("imaps") {
            return None;
        }
        let (server, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (user, host) = match server.rsplit_once('@') {
            Some((user, host)) => (Some(user), host),
            None => (None, server),
        };
        let user = user.map(|u| decode(u.split(';').next().unwrap_or_default()));
        let mut url = ImapUrl {
            user,
            host: decode(host),
            ..ImapUrl::default()
        };
        let mut parts = path.split(';');
        let mailbox = parts.next().unwrap_or_default().trim_end_matches('/');
        if !mailbox.is_empty() {
            url.mailbox = Some(decode(mailbox));
        }
        for part in parts {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            let number = value.trim_end_matches('/').parse().ok();
            if name.eq_ignore_ascii_case("UIDVALIDITY") {
                url.uidvalidity = number;
            } else if name.eq_ignore_ascii_case("UID") {
                url.uid = number;
            }
        }
        Some(url)
    }
}

/// Undoes `%XX`; a `%` without two digits stays.
fn decode(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let escaped = match tail {
            [a, b, ..] if *first == b'%' => hex(*a).zip(hex(*b)),
            _ => None,
        };
        match escaped {
            Some((high, low)) => {
                out.push(high << 4 | low);
                rest = &tail[2..];
            }
            None => {
                out.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).map(|d| d as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cyrus_sends() {
        let url = ImapUrl::parse(
            "imap://cyr.test/user/alice/Entw%C3%BCrfe%20%26%3B;UIDVALIDITY=1795369557/;UID=5",
        )
        .unwrap();
        assert_eq!(url.host, "cyr.test");
        assert_eq!(url.mailbox.as_deref(), Some("user/alice/Entwürfe &;"));
        assert_eq!(
            (url.uidvalidity, url.uid, url.user),
            (Some(1_795_369_557), Some(5), None)
        );
        let server = ImapUrl::parse("imap://cyr.test").unwrap();
        assert_eq!((server.host.as_str(), server.mailbox), ("cyr.test", None));
    }

    #[test]
    fn what_others_send() {
        let url = ImapUrl::parse("IMAPS://alice;AUTH=*@h:993/INBOX/;uid=7;SECTION=1%zz/").unwrap();
        assert_eq!(url.user.as_deref(), Some("alice"));
        assert_eq!(
            (url.host.as_str(), url.mailbox.as_deref()),
            ("h:993", Some("INBOX"))
        );
        assert_eq!(url.uid, Some(7));
        assert_eq!(decode("%ff%4"), "\u{fffd}%4");
        for bad in ["", "l5bvdgpr4fxpakw8f7tmkrra", "http://x/", "imap:"] {
            assert_eq!(ImapUrl::parse(bad), None, "{bad:?}");
        }
    }
}
