//! Bodies of several parts (RFC 2046), put together with lettre.
//!
//! ```text
//!   multipart/mixed                       when there are files
//!   ├── multipart/alternative             when there is more than text
//!   │   ├── text/plain
//!   │   ├── text/html
//!   │   └── text/calendar; method=…       other forms of the text, the richest one last
//!   └── event.ics                         the files
//! ```
//!
//! All of it is ASCII in short lines, so that it passes servers that know 7 bits alone. The same content has the same
//! boundaries, so that each attempt sends the same mail.

use super::Message;
use super::header::Header;
use super::template::Words;
use lettre::message::header::{ContentDisposition, ContentTransferEncoding, ContentType};
use lettre::message::{MultiPart, SinglePart};
use ring::digest::{Context, SHA256};

/// The longest name of a header field that a template may add.
const NAME: usize = 60;
/// Fields that are ours to write, or a server's.
const OURS: &[&str] = &[
    "auto-submitted",
    "bcc",
    "cc",
    "date",
    "delivered-to",
    "dkim-signature",
    "from",
    "message-id",
    "mime-version",
    "received",
    "return-path",
    "sender",
    "subject",
    "to",
    "x-notifyd-again",
];
/// The same for all fields that begin so.
const OUR_FAMILIES: &[&str] = &["arc-", "content-", "resent-"];

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
    /// Adds the extra fields of `words`, and a body with their text, their HTML (when `html`), and `parts`. Fields
    /// whose name is none, is ours or is there already are left out.
    #[must_use]
    pub fn content(mut self, words: &Words, html: bool, parts: &[Part]) -> Message {
        for (name, value) in &words.fields {
            if is_free(name) && !self.has(name) {
                self = self.field(Header::unstructured(name, value.as_bytes()));
            }
        }
        let html = words.html.as_deref().filter(|_| html);
        let mark = self.mark(words, parts);
        let built = mixed(alternative(words, html, parts, &mark), parts, &mark);
        self.with_body(&built)
    }

    fn has(&self, name: &str) -> bool {
        let is_it = |field: &Header| field.name().eq_ignore_ascii_case(name.as_bytes());
        self.fields.iter().any(is_it)
    }

    /// What boundaries begin with. A digest of all that stands between them: nobody can write a text that holds its own.
    fn mark(&self, words: &Words, parts: &[Part]) -> String {
        let mut digest = Context::new(&SHA256);
        let fields = self.fields.iter().map(Header::as_bytes);
        let texts = [
            words.text.as_bytes(),
            words.html.as_deref().unwrap_or_default().as_bytes(),
        ];
        let parts = parts.iter().map(|part| part.content.as_slice());
        fields
            .chain(texts)
            .chain(parts)
            .for_each(|bytes| digest.update(bytes));
        let hex = digest.finish().as_ref()[..15]
            .iter()
            .map(|b| format!("{b:02x}"))
            .collect::<String>();
        format!("notifyd-{hex}")
    }

    fn with_body(mut self, built: &Built) -> Message {
        self = self.field(Header::unstructured("MIME-Version", b"1.0"));
        let (headers, body) = match built {
            Built::Single(part) => (part.headers(), part.raw_body().to_vec()),
            Built::Multi(parts) => (parts.headers(), after_fields(parts.formatted())),
        };
        for name in ["Content-Type", "Content-Transfer-Encoding"] {
            let value = headers.get_raw(name);
            let field = value.and_then(|value| Header::structured(name, value.as_bytes()));
            self.fields.extend(field);
        }
        self.body = with_lf(body).into();
        self
    }
}

/// Whether a template may add a field of that name (RFC 5322 section 2.2).
fn is_free(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    (1..=NAME).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_graphic() && b != b':')
        && !OURS.contains(&lower.as_str())
        && !OUR_FAMILIES.iter().any(|family| lower.starts_with(family))
}

/// A body, or a part of it.
enum Built {
    Single(SinglePart),
    Multi(MultiPart),
}

/// The text, and its other forms.
fn alternative(words: &Words, html: Option<&str>, parts: &[Part], mark: &str) -> Built {
    let plain = text(ContentType::TEXT_PLAIN, &words.text);
    let mut forms = parts.iter().filter(|part| part.file.is_none()).peekable();
    if html.is_none() && forms.peek().is_none() {
        return Built::Single(plain);
    }
    let mut all = MultiPart::alternative()
        .boundary(format!("{mark}-a"))
        .singlepart(plain);
    if let Some(html) = html {
        all = all.singlepart(text(ContentType::TEXT_HTML, html));
    }
    for form in forms {
        let content = String::from_utf8_lossy(&form.content);
        all = all.singlepart(text(type_of(form), &content));
    }
    Built::Multi(all)
}

/// `first`, and the files.
fn mixed(first: Built, parts: &[Part], mark: &str) -> Built {
    let mut files = parts
        .iter()
        .filter_map(|part| Some((part, part.file.as_deref()?)))
        .peekable();
    if files.peek().is_none() {
        return first;
    }
    let begun = MultiPart::mixed().boundary(format!("{mark}-m"));
    let mut all = match first {
        Built::Single(part) => begun.singlepart(part),
        Built::Multi(parts) => begun.multipart(parts),
    };
    for (part, file) in files {
        all = all.singlepart(attached(part, file));
    }
    Built::Multi(all)
}

/// Text that is encoded where it must be. Any line end is one.
fn text(content_type: ContentType, text: &str) -> SinglePart {
    let text = with_crlf(text);
    let mut part = SinglePart::builder().header(content_type);
    if text.contains(|c: char| c.is_ascii_control() && !matches!(c, '\t' | '\r' | '\n')) {
        part = part.header(ContentTransferEncoding::QuotedPrintable);
    }
    part.body(text)
}

/// The text with CRLF for each line end, in one pass. lettre inserts each CR that is missing, and moves all that
/// follows: for a text of many lines that takes the square of its size.
fn with_crlf(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + text.len() / 16);
    let mut rest = text;
    while let Some(end) = rest.find(['\r', '\n']) {
        out.push_str(&rest[..end]);
        out.push_str("\r\n");
        let width = if rest[end..].starts_with("\r\n") {
            2
        } else {
            1
        };
        rest = &rest[end + width..];
    }
    out.push_str(rest);
    out
}

/// A file arrives as it is, to the octet.
fn attached(part: &Part, file: &str) -> SinglePart {
    SinglePart::builder()
        .header(type_of(part))
        .header(ContentDisposition::attachment(file))
        .header(ContentTransferEncoding::Base64)
        .body(part.content.clone())
}

fn type_of(part: &Part) -> ContentType {
    let none = "application/octet-stream";
    ContentType::parse(&part.content_type)
        .or_else(|_| ContentType::parse(none))
        .unwrap_or(ContentType::TEXT_PLAIN)
}

fn after_fields(formatted: Vec<u8>) -> Vec<u8> {
    let end = formatted.windows(4).position(|four| four == b"\r\n\r\n");
    end.map(|end| formatted[end + 4..].to_vec())
        .unwrap_or_default()
}

fn with_lf(mut body: Vec<u8>) -> Vec<u8> {
    body.retain(|&b| b != b'\r');
    if body.last() != Some(&b'\n') {
        body.push(b'\n');
    }
    body
}

#[cfg(test)]
mod tests;
