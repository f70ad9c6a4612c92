//! mailto URIs (RFC 6068, and RFC 2368 before it), as Sieve's `notify` has them (RFC 5436 section 2.1).
//!
//! Cyrus cuts `mailto:` off and sends the rest as it stands in the script. Old scripts have bare addresses in the same
//! place, so what no URI may have (blanks, quotes, a `%` without digits) is read as it is.
//!
//! A URI may ask for header fields. Those that say where a mail comes from, where it goes or what it is are ours; whoever
//! wrote the URI gets none of them (RFC 5436 section 2.7, RFC 6068 sections 3 and 4). What goes wrong with a field costs
//! that field, which is named in [`MailtoUri::ignored`]. An address that cannot be read costs the
//! mail: nobody can tell who else was meant.

use super::address::{Address, Mailbox};

/// How many recipients a URI may have: as many as Pigeonhole allows by default. A notification is for its owner's few
/// addresses; more is a mailing list, or abuse (RFC 5436 section 5).
pub const MAX_RECIPIENTS: usize = 8;
/// How many header fields a URI may have, as in Pigeonhole.
pub const MAX_FIELDS: usize = 16;
/// The longest name of a header field, in octets: it must leave room for a value in its line.
const MAX_NAME: usize = 40;
/// The longest value of a header field, in octets; a longer one is not taken. Subject and body are cut where mails are
/// made.
const MAX_VALUE: usize = 4096;

/// The fields that are not taken from a URI. A `*` stands for any end.
const DENIED: &[&str] = &[
    // RFC 5436 section 2.7: ours.
    "from",
    "sender",
    "date",
    "message-id",
    "received",
    "auto-submitted",
    // Where it goes, and who sees that (RFC 6068 section 3; what mail servers add or obey).
    "bcc",
    "resent-*",
    "apparently-to",
    "return-path",
    "delivered-to",
    "envelope-to",
    "x-original-to",
    "original-recipient",
    "errors-to",
    // What it answers, and to which list it belongs.
    "in-reply-to",
    "references",
    "list-*",
    "precedence",
    // How it is made (RFC 6068 section 3).
    "mime-version",
    "content-*",
    // Who vouches for it.
    "dkim-*",
    "domainkey-*",
    "arc-*",
    "authentication-results",
    "received-*",
    // What the reader's program does with it.
    "disposition-notification-*",
    "return-receipt-to",
    "x-confirm-reading-to",
    // What we and Cyrus put there.
    "x-sieve",
    "x-notifyd-*",
];

/// A mailto URI, decoded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MailtoUri {
    /// The addresses of the URI and of its `to` fields; none stands twice.
    pub to: Vec<Address>,
    /// Those of its `cc` fields that are not in `to`.
    pub cc: Vec<Address>,
    /// Its `subject`; may have encoded words (RFC 6068 section 6.3).
    pub subject: Option<String>,
    /// Its `body`, with LF for its line ends.
    pub body: Option<String>,
    /// Its other fields that are taken: the name, with a capital letter where it had none, and the value.
    pub fields: Vec<(String, String)>,
    /// What was not taken, and why: "bcc (not allowed)". From anybody's hand, so not fit for a log as it is.
    pub ignored: Vec<String>,
}

impl MailtoUri {
    /// Reads a URI, with or without `mailto:`.
    ///
    /// # Errors
    /// Which address is none, and why; or that there is none, or too many.
    pub fn parse(text: &[u8]) -> Result<MailtoUri, String> {
        let text = text.trim_ascii();
        let text = match text.get(..7) {
            Some(scheme) if scheme.eq_ignore_ascii_case(b"mailto:") => &text[7..],
            _ => text,
        };
        let (addresses, query) = split_once(text, b'?');
        let mut uri = MailtoUri::default();
        uri.to.extend(read_addresses(without_fragment(addresses))?);
        let (query, _) = split_once(query, b'#');
        let fields = query
            .split(|&b| b == b'&')
            .filter(|field| !field.is_empty());
        for (n, field) in fields.enumerate() {
            if n == MAX_FIELDS {
                uri.ignored
                    .push(format!("the rest (more than {MAX_FIELDS} fields)"));
                break;
            }
            uri.take(field)?;
        }
        uri.merged()
    }

    fn take(&mut self, field: &[u8]) -> Result<(), String> {
        let (name, raw) = split_once(field, b'=');
        let shown = String::from_utf8_lossy(&percent_decoded(name)).into_owned();
        let name = shown.to_ascii_lowercase();
        let value = percent_decoded(raw);
        let has_line_end = value.iter().any(|b| matches!(b, b'\r' | b'\n'));
        let text = || String::from_utf8_lossy(&value).into_owned();
        let refused = match name.as_str() {
            _ if !is_field_name(&name) => Some("no name of a field"),
            "body" if self.body.is_none() => {
                self.body = Some(text().replace("\r\n", "\n").replace('\r', "\n"));
                None
            }
            _ if has_line_end && name != "body" => Some("a line end in it"),
            "to" => {
                self.to.extend(read_addresses(raw)?);
                None
            }
            "cc" => {
                self.cc.extend(read_addresses(raw)?);
                None
            }
            "subject" if self.subject.is_none() => {
                self.subject = Some(text());
                None
            }
            _ if is_denied(&name) => Some("not allowed"),
            "body" | "subject" => Some("there already"),
            _ if self
                .fields
                .iter()
                .any(|(had, _)| had.eq_ignore_ascii_case(&name)) =>
            {
                Some("there already")
            }
            _ if value.len() > MAX_VALUE => Some("too long"),
            _ => {
                self.fields.push((with_capital(&shown), text()));
                None
            }
        };
        if let Some(why) = refused {
            let shown: String = shown.chars().take(MAX_NAME).collect();
            self.ignored.push(format!("{shown} ({why})"));
        }
        Ok(())
    }

    /// The same with nobody twice (RFC 6068 section 3), and not too many.
    fn merged(mut self) -> Result<MailtoUri, String> {
        let mut seen = Vec::new();
        let mut is_new = |address: &Address| {
            let key = address.key();
            let new = !seen.contains(&key);
            if new && seen.len() <= MAX_RECIPIENTS {
                seen.push(key);
            }
            new
        };
        self.to.retain(&mut is_new);
        self.cc.retain(&mut is_new);
        match self.to.len() + self.cc.len() {
            0 => Err("no address in it".into()),
            1..=MAX_RECIPIENTS => Ok(self),
            _ => Err(format!("more than {MAX_RECIPIENTS} addresses")),
        }
    }
}

/// The addresses of a list, which are divided before they are decoded (RFC 6068 section 2).
fn read_addresses(list: &[u8]) -> Result<Vec<Address>, String> {
    let mut all = Vec::new();
    for part in split_list(list) {
        let part = percent_decoded(part);
        for part in divided_again(&part) {
            let part = part.trim_ascii();
            if part.is_empty() {
                continue;
            }
            // Old scripts have names with their addresses.
            match Mailbox::parse(part) {
                Ok(mailbox) => all.push(mailbox.address),
                Err(why) => {
                    return Err(format!(
                        "{}: the address {why}",
                        String::from_utf8_lossy(part)
                    ));
                }
            }
            if all.len() > 10 * MAX_RECIPIENTS {
                return Err(format!("more than {MAX_RECIPIENTS} addresses"));
            }
        }
    }
    Ok(all)
}

/// In RFC 2368 section 2 the comma between two addresses is coded (`%2C`), and many scripts have it so. It is one between
/// addresses where each part has an `@`; else nobody can tell what was meant, and the part stays whole.
fn divided_again(part: &[u8]) -> Vec<&[u8]> {
    let parts: Vec<&[u8]> = split_list(part).collect();
    let is_address = |part: &&[u8]| part.trim_ascii().is_empty() || part.contains(&b'@');
    match parts.iter().all(is_address) {
        true => parts,
        false => vec![part],
    }
}

/// Divides at commas outside quotes. A URI has no quotes that are not percent-coded; old scripts have.
fn split_list(list: &[u8]) -> impl Iterator<Item = &[u8]> {
    let (mut quoted, mut escaped) = (false, false);
    list.split(move |&b| {
        let comma = b == b',' && !quoted;
        match b {
            b'"' if !escaped => quoted = !quoted,
            _ => {}
        }
        escaped = quoted && b == b'\\' && !escaped;
        comma
    })
}

/// Without the first `at`, which may be missing.
fn split_once(text: &[u8], at: u8) -> (&[u8], &[u8]) {
    match text.iter().position(|&b| b == at) {
        Some(n) => (&text[..n], &text[n + 1..]),
        None => (text, &[]),
    }
}

/// Without a fragment, which means nothing (RFC 6068 section 2). Before the `@` of an old script's address, `#` is none.
fn without_fragment(addresses: &[u8]) -> &[u8] {
    let at = addresses.iter().rposition(|&b| b == b'@').unwrap_or(0);
    let (fragment_free, _) = split_once(&addresses[at..], b'#');
    &addresses[..at + fragment_free.len()]
}

/// Percent-decoded once (RFC 3986 section 2.1). A `%` without two digits stays, and `+` is a plus sign.
pub fn percent_decoded(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let [first, tail @ ..] = rest {
        rest = tail;
        match (first, tail) {
            (b'%', [high, low, after @ ..]) => match hex(*high, *low) {
                Some(byte) => {
                    out.push(byte);
                    rest = after;
                }
                None => out.push(b'%'),
            },
            _ => out.push(*first),
        }
    }
    out
}

/// The byte that two hexadecimal digits stand for.
pub(super) fn hex(high: u8, low: u8) -> Option<u8> {
    let digit = |b: u8| char::from(b).to_digit(16);
    u8::try_from(digit(high)? << 4 | digit(low)?).ok()
}

/// Narrower than RFC 5322 section 3.6.8: every name that is registered is made so, and what isn't is somebody's trick.
fn is_field_name(name: &str) -> bool {
    (1..=MAX_NAME).contains(&name.len())
        && name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

fn is_denied(name: &str) -> bool {
    DENIED.iter().any(|denied| match denied.strip_suffix('*') {
        Some(start) => name.starts_with(start),
        None => name == *denied,
    })
}

/// RFC 5436 section 2.7 suggests a capital letter.
fn with_capital(name: &str) -> String {
    let (first, rest) = name.split_at(name.len().min(1));
    first.to_ascii_uppercase() + rest
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
