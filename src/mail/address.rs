//! Addresses (RFC 5322 section 3.4.1; RFC 6531 with UTF-8; RFC 5890 for domains that are not ASCII).
//!
//! An [`Address`] is right once it is made: nothing in it ends a header field, begins an argument or makes two
//! addresses of one. What it refuses: control characters and invisible ones, blanks outside quotes, comments, groups
//! and lists, domains that are no domain names, and parts longer than RFC 5321 section 4.5.3.1 allows.
//!
//! A local part alone is legal, as a user of the server that the mail is handed to; Cyrus' own notifyd
//! knew nothing else for local users. It may not look like a program or a file, which old mailers deliver to.

mod mailbox;

pub use mailbox::Mailbox;

use super::header::is_hidden;
use idna::AsciiDenyList;
use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

/// The longest local part, in octets (RFC 5321 section 4.5.3.1.1).
const MAX_LOCAL: usize = 64;
/// The longest domain, in octets (RFC 5321 section 4.5.3.1.2).
const MAX_DOMAIN: usize = 255;
/// The longest label of a domain (RFC 1035 section 2.3.4).
const MAX_LABEL: usize = 63;
/// The longest text that is looked at for an address, in octets: a local part in quotes, with an escape for each octet,
/// and a domain in UTF-8, which has four octets for one of its ASCII form at most.
const MAX_TEXT: usize = 2 * MAX_LOCAL + 4 * MAX_DOMAIN + 3;

/// The address of one mailbox, without a name: an addr-spec, or a local part alone.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    /// Before the `@`, without quotes.
    local: String,
    /// After it, as it came; none for a local user.
    domain: Option<String>,
}

impl Address {
    /// Reads a bare address.
    ///
    /// # Errors
    /// Why it is none, in a few words that go on from "the address".
    pub fn parse(text: &[u8]) -> Result<Address, String> {
        let text = text.trim_ascii();
        if text.len() > MAX_TEXT {
            return Err(format!("has more than {MAX_TEXT} bytes"));
        }
        let text = std::str::from_utf8(text).map_err(|_| "is not UTF-8")?;
        if text.is_empty() {
            return Err("is empty".into());
        }
        refuse_hidden(text)?;
        let (local, domain) = match text.strip_prefix('"') {
            Some(rest) => quoted(rest)?,
            None => match text.rsplit_once('@') {
                Some((local, domain)) => (bare(local)?, Some(domain)),
                None => (bare(text)?, None),
            },
        };
        let Some(domain) = domain else {
            return alone(local);
        };
        check_domain(domain)?;
        Address::checked(local, Some(domain))
    }

    /// The address that every mail server has (RFC 5321 section 4.5.1).
    pub fn postmaster() -> Address {
        Address {
            local: "postmaster".into(),
            domain: None,
        }
    }

    /// The address of a user by his name at Cyrus, which is a local part without quotes, perhaps with a domain.
    ///
    /// # Errors
    /// Why there is none.
    pub fn of_user(user: &[u8], domain: &str) -> Result<Address, String> {
        if let Ok(address) = Address::parse(user) {
            return Ok(address.in_domain(domain));
        }
        if user.len() > MAX_TEXT {
            return Err(format!("has more than {MAX_TEXT} bytes"));
        }
        let user = std::str::from_utf8(user).map_err(|_| "is not UTF-8")?;
        refuse_hidden(user)?;
        let (local, domain) = user.rsplit_once('@').unwrap_or((user, domain));
        check_domain(domain)?;
        Address::checked(local.to_owned(), Some(domain))
    }

    fn checked(local: String, domain: Option<&str>) -> Result<Address, String> {
        let address = Address {
            local,
            domain: domain.map(str::to_owned),
        };
        if address.local.is_empty() {
            return Err("has nothing before the @".into());
        }
        if address.written_local().len() > MAX_LOCAL {
            return Err(format!("has more than {MAX_LOCAL} bytes before the @"));
        }
        Ok(address)
    }

    /// The same in `domain`, unless it has one, or that is none.
    #[must_use]
    pub fn in_domain(mut self, domain: &str) -> Address {
        if self.domain.is_none() && check_domain(domain).is_ok() {
            self.domain = Some(domain.to_owned());
        }
        self
    }

    /// The same for addresses that are the same: domains are compared without case, whatever their form.
    pub fn key(&self) -> String {
        match self.ascii_domain() {
            Some(domain) => format!("{}@{}", self.local, domain.to_ascii_lowercase()),
            None => self.local.clone(),
        }
    }

    /// As SMTP and sendmail want it: the domain in ASCII (RFC 5890 A-labels).
    pub fn envelope(&self) -> String {
        match self.ascii_domain() {
            Some(domain) => format!("{}@{domain}", self.written_local()),
            None => self.written_local(),
        }
    }

    /// As it stands in a header field. A domain is in ASCII there, so that the mail needs no SMTPUTF8 for its sake;
    /// where the local part needs it anyway, the domain stands as it came (RFC 6532).
    pub fn in_header(&self) -> String {
        match self.needs_smtputf8() {
            true => self.to_string(),
            false => self.envelope(),
        }
    }

    /// Whether a mail server must speak SMTPUTF8 (RFC 6531) to take it.
    pub fn needs_smtputf8(&self) -> bool {
        !self.local.is_ascii()
    }

    fn ascii_domain(&self) -> Option<String> {
        let domain = self.domain.as_deref()?;
        Some(to_ascii(domain).unwrap_or_else(|_| domain.to_owned()))
    }

    /// The local part, quoted where it must be (RFC 5321 section 4.1.2).
    fn written_local(&self) -> String {
        if is_dot_atom(&self.local) {
            return self.local.clone();
        }
        let mut out = String::from('"');
        for c in self.local.chars() {
            if matches!(c, '"' | '\\') {
                out.push('\\');
            }
            out.push(c);
        }
        out.push('"');
        out
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.domain {
            Some(domain) => write!(f, "{}@{domain}", self.written_local()),
            None => f.write_str(&self.written_local()),
        }
    }
}

/// The same for all ways to write `domain`: in lower case, with A-labels (RFC 5890). None for what is no domain name.
pub fn domain_key(domain: &str) -> Option<String> {
    to_ascii(domain)
        .ok()
        .map(|domain| domain.to_ascii_lowercase())
}

fn refuse_hidden(text: &str) -> Result<(), &'static str> {
    if text.contains(char::is_control) {
        return Err("has a control character");
    }
    if text.contains(is_hidden) {
        return Err("has an invisible character");
    }
    // Readers decode them where none may be (RFC 2047 section 5), and get another address.
    match text.contains("=?") {
        true => Err("looks like an encoded word"),
        false => Ok(()),
    }
}

/// What follows the first quote of a quoted local part: its content, and the domain.
fn quoted(text: &str) -> Result<(String, Option<&str>), &'static str> {
    let mut local = String::new();
    let mut chars = text.chars();
    loop {
        match chars.next() {
            None => return Err("has a quote without end"),
            Some('"') => break,
            Some('\\') => local.push(chars.next().ok_or("has a quote without end")?),
            Some(c) if c.is_whitespace() && c != ' ' => return Err("has a blank that is none"),
            Some(c) => local.push(c),
        }
    }
    match chars.as_str() {
        "" => Ok((local, None)),
        rest => match rest.strip_prefix('@') {
            Some(domain) => Ok((local, Some(domain))),
            None => Err("goes on behind its quotes"),
        },
    }
}

/// A local part without quotes. Dots where none may be are borne: such addresses exist, and they leave in quotes.
fn bare(local: &str) -> Result<String, String> {
    let wrong = |c: &char| *c != '.' && !is_atext(*c);
    // In `a@b,c@d` the comma says more than the first @.
    let comma = local.chars().find(|c| matches!(c, ',' | ';'));
    match comma.or_else(|| local.chars().find(wrong)) {
        Some(c) => Err(complaint(c)),
        None => Ok(local.to_owned()),
    }
}

fn complaint(c: char) -> String {
    match c {
        ',' | ';' => "is a list".into(),
        ':' => "is a group".into(),
        '(' | ')' => "has a comment".into(),
        '<' | '>' => "has angle brackets in it".into(),
        c if c.is_whitespace() => "has a blank in it".into(),
        c => format!("has a {c} in it"),
    }
}

/// A local part without a domain.
fn alone(local: String) -> Result<Address, String> {
    if !is_dot_atom(&local) {
        return Err("has no domain, and is no user's name".into());
    }
    if local.starts_with(['|', '/']) {
        return Err("names a program or a file".into());
    }
    Address::checked(local, None)
}

fn is_dot_atom(text: &str) -> bool {
    text.split('.')
        .all(|atom| !atom.is_empty() && atom.chars().all(is_atext))
}

/// RFC 5322 section 3.2.3, and with RFC 6532 section 3.2 what is not ASCII and can be seen.
pub(super) fn is_atext(c: char) -> bool {
    match c.is_ascii() {
        true => c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(c),
        false => !c.is_control() && !c.is_whitespace() && !is_hidden(c),
    }
}

fn check_domain(domain: &str) -> Result<(), String> {
    let name = |domain: &str| domain.chars().take(MAX_DOMAIN).collect::<String>();
    if let Some(inside) = domain.strip_prefix('[') {
        return match inside.strip_suffix(']').is_some_and(is_literal) {
            true => Ok(()),
            false => Err("has brackets without an IP address in them".into()),
        };
    }
    if let Some(c) = domain.chars().find(|&c| " ,;:()<>".contains(c)) {
        return Err(complaint(c));
    }
    to_ascii(domain)
        .map(drop)
        .map_err(|()| format!("has \"{}\" for a domain, which is none", name(domain)))
}

/// RFC 5321 section 4.1.3.
fn is_literal(inside: &str) -> bool {
    match inside.get(..5) {
        Some(tag) if tag.eq_ignore_ascii_case("IPv6:") => inside[5..].parse::<Ipv6Addr>().is_ok(),
        _ => inside.parse::<Ipv4Addr>().is_ok(),
    }
}

/// The domain with A-labels. What is ASCII already stays as it is.
fn to_ascii(domain: &str) -> Result<String, ()> {
    let ascii = match domain.is_ascii() {
        true => domain.to_owned(),
        false => idna::domain_to_ascii_cow(domain.as_bytes(), AsciiDenyList::EMPTY)
            .map_err(drop)?
            .into_owned(),
    };
    // Looked at afterwards, because a wide commercial at becomes a plain one.
    let is_label = |label: &str| {
        let right = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        (1..=MAX_LABEL).contains(&label.len())
            && label.bytes().all(right)
            && !label.starts_with('-')
    };
    let literal = ascii.starts_with('[');
    let right = literal || ascii.len() <= MAX_DOMAIN && ascii.split('.').all(is_label);
    if right { Ok(ascii) } else { Err(()) }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
