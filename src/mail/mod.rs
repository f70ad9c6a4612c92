//! Internet messages (RFC 5322), built in memory. Pure: how a mail leaves is the method's business.
//!
//! Lines end in LF, as `sendmail(8)` wants them on its standard input; what sends by SMTP makes CRLF of them.

pub mod address;
pub mod auto_submitted;
pub mod body;
pub mod calendar;
pub mod encoded_word;
pub mod header;
pub mod html;
pub mod links;
pub mod mime;
pub mod seven_bit;
pub mod template;
pub mod trigger;
pub mod uri;

use header::Header;
use std::sync::Arc;

/// A message: header fields in order, then a body.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Message {
    fields: Vec<Header>,
    /// Shared by all that are the same but for their fields.
    body: Arc<Vec<u8>>,
}

impl Message {
    /// A message without anything.
    pub fn new() -> Message {
        Message::default()
    }

    /// Adds a field.
    #[must_use]
    pub fn field(mut self, field: Header) -> Message {
        self.fields.push(field);
        self
    }

    /// Puts a field in the place of the one that has its name, or adds it.
    #[must_use]
    pub fn with(mut self, field: Header) -> Message {
        let same = |known: &&mut Header| known.name().eq_ignore_ascii_case(field.name());
        match self.fields.iter_mut().find(same) {
            Some(known) => *known = field,
            None => self.fields.push(field),
        }
        self
    }

    /// Sets the body to plain text, with the MIME fields that it needs (RFC 2045): see [`body::text`].
    #[must_use]
    pub fn text(mut self, text: &[u8]) -> Message {
        let (fields, body) = body::text(text);
        self.fields.extend(fields);
        self.body = body.into();
        self
    }

    /// For tests: whether both have one body.
    #[cfg(test)]
    pub fn shares_body_with(&self, other: &Message) -> bool {
        Arc::ptr_eq(&self.body, &other.body)
    }

    /// The message as bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.body.len() + 512);
        for field in &self.fields {
            out.extend_from_slice(field.as_bytes());
        }
        out.push(b'\n');
        out.extend_from_slice(&self.body);
        out
    }
}
