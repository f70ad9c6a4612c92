//! An address with a name (RFC 5322 section 3.4).

use super::super::header::phrase;
use super::Address;
use std::fmt;

/// `Calendar <cal@example.org>`, or an address alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mailbox {
    /// The display name; empty for none.
    pub name: String,
    /// The address.
    pub address: Address,
}

impl Mailbox {
    /// Reads a mailbox. A name may have quotes, or not where RFC 5322 wants them: people write it so.
    ///
    /// # Errors
    /// Why it is none, in a few words that go on from "the address".
    pub fn parse(text: &[u8]) -> Result<Mailbox, String> {
        let text = text.trim_ascii();
        let Some(inside) = text.strip_suffix(b">") else {
            return Ok(Mailbox::from(Address::parse(text)?));
        };
        let text = std::str::from_utf8(inside).map_err(|_| "is not UTF-8")?;
        let (name, address) = text.rsplit_once('<').ok_or("has a > without a <")?;
        let name = unquoted(name.trim())?;
        if name.contains(['<', '>', '\r', '\n', '\0']) {
            return Err("has angle brackets in it".into());
        }
        Ok(Mailbox {
            name,
            address: Address::parse(address.as_bytes())?,
        })
    }

    /// As it stands in a header field.
    pub fn in_header(&self) -> String {
        match phrase(&self.name) {
            None => self.address.in_header(),
            Some(name) => format!("{name} <{}>", self.address.in_header()),
        }
    }
}

impl From<Address> for Mailbox {
    fn from(address: Address) -> Mailbox {
        Mailbox {
            name: String::new(),
            address,
        }
    }
}

impl fmt::Display for Mailbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name.as_str() {
            "" => self.address.fmt(f),
            name => write!(f, "{name} <{}>", self.address),
        }
    }
}

/// A name without its quotes.
fn unquoted(name: &str) -> Result<String, &'static str> {
    let Some(inside) = name.strip_prefix('"') else {
        return match name.chars().find(|&c| "\",;:@".contains(c)) {
            Some('"') => Err("has a quote in the middle of its name"),
            Some(_) => Err("has a name that needs quotes, or is a list"),
            None => Ok(name.to_owned()),
        };
    };
    let mut out = String::new();
    let mut chars = inside.chars();
    loop {
        match chars.next() {
            None => return Err("has a quote without end"),
            Some('\\') => out.push(chars.next().ok_or("has a quote without end")?),
            Some('"') if chars.as_str().is_empty() => return Ok(out),
            Some('"') => return Err("goes on behind its quotes"),
            Some(c) => out.push(c),
        }
    }
}
