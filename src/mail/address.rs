//! Addresses (RFC 5322 section 3.4, RFC 6531 with UTF-8).

use std::fmt;

/// The address of one mailbox, without a name: an addr-spec, or a local part alone, which is a user of the
/// server that the mail is handed to.
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
    /// Why it is none, in a few words.
    pub fn parse(text: &[u8]) -> Result<Address, String> {
        let text = std::str::from_utf8(text.trim_ascii()).map_err(|_| "is not UTF-8")?;
        if text.is_empty() || text.contains(|c: char| c.is_control() || " <>,".contains(c)) {
            return Err("is no address".into());
        }
        Ok(match text.rsplit_once('@') {
            Some((local, domain)) => Address {
                local: local.to_owned(),
                domain: Some(domain.to_owned()),
            },
            None => Address {
                local: text.to_owned(),
                domain: None,
            },
        })
    }

    /// The same in `domain`, unless it has one.
    #[must_use]
    pub fn in_domain(mut self, domain: &str) -> Address {
        self.domain.get_or_insert_with(|| domain.to_owned());
        self
    }

    /// The same for addresses that are the same: domains are compared without case.
    pub fn key(&self) -> String {
        match &self.domain {
            Some(domain) => format!("{}@{}", self.local, domain.to_lowercase()),
            None => self.local.clone(),
        }
    }

    /// As SMTP and sendmail want it.
    pub fn envelope(&self) -> String {
        self.to_string()
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.domain {
            Some(domain) => write!(f, "{}@{domain}", self.local),
            None => f.write_str(&self.local),
        }
    }
}
