//! What comes in and what goes out: nothing that users write may become a header field, whatever the template.

use serde_json::Value;

/// The longest Subject, in characters.
const SUBJECT: usize = 250;
/// The longest text of a value, in bytes.
pub(super) const TEXT: usize = 4 << 10;
/// The same for texts that people write as long as they like: [`LONG`].
pub(super) const LONG_TEXT: usize = 64 << 10;
/// The names of these.
const LONG: [&str; 3] = ["body", "comment", "description"];
/// How many items a list has at most.
pub(super) const ITEMS: usize = 1000;
/// How many bytes of text all lists together have, about.
pub(super) const LISTS: usize = 128 << 10;
/// What stands where a text was cut.
const ELLIPSIS: &str = "\u{2026}";
/// Fields that we write ourselves, or that are not a template's business (RFC 5322 section 3.6, RFC 2045).
const OURS: [&str; 20] = [
    "auto-submitted",
    "bcc",
    "cc",
    "date",
    "delivered-to",
    "dkim-signature",
    "errors-to",
    "from",
    "in-reply-to",
    "message-id",
    "mime-version",
    "received",
    "references",
    "return-path",
    "sender",
    "subject",
    "to",
    "x-notifyd-again",
    "x-original-to",
    "x-sieve",
];
const OURS_BEGIN: [&str; 3] = ["content-", "resent-", "arc-"];

/// The values as templates may have them: without those that are null (what is not there is empty, and null would be the
/// word "none"), and none longer than [`TEXT`], [`LONG_TEXT`], [`ITEMS`] and [`LISTS`] say. So what a template can do with
/// them is bounded, whatever came.
pub(super) fn bounded(values: &Value) -> Value {
    Bounds { lists: LISTS }.value(values, TEXT, false)
}

/// Copies values within bounds.
struct Bounds {
    /// How many bytes lists may still have.
    lists: usize,
}

impl Bounds {
    fn value(&mut self, value: &Value, most: usize, in_list: bool) -> Value {
        match value {
            Value::String(text) => {
                let text = shortened(text, most);
                if in_list {
                    self.lists = self.lists.saturating_sub(text.len());
                }
                Value::String(text)
            }
            Value::Array(all) => {
                let mut items = Vec::new();
                for item in all.iter().take(ITEMS) {
                    if self.lists == 0 {
                        break;
                    }
                    self.lists = self.lists.saturating_sub(1);
                    items.push(self.value(item, most, true));
                }
                Value::Array(items)
            }
            Value::Object(all) => {
                let all = all.iter().filter(|(_, value)| !value.is_null());
                let one = |(name, value): (&String, &Value)| {
                    let most = if LONG.contains(&name.as_str()) {
                        LONG_TEXT
                    } else {
                        TEXT
                    };
                    (name.clone(), self.value(value, most, in_list))
                };
                Value::Object(all.map(one).collect())
            }
            other => other.clone(),
        }
    }
}

/// `text`, or its beginning with an ellipsis, in at most `most` bytes.
fn shortened(text: &str, most: usize) -> String {
    match text.len() <= most {
        true => text.to_owned(),
        false => {
            let end = text.floor_char_boundary(most.saturating_sub(ELLIPSIS.len()));
            format!("{}{ELLIPSIS}", &text[..end])
        }
    }
}

/// The values, each text in one line: a line end in a value cannot begin a field.
pub(super) fn flat(values: &Value) -> Value {
    match values {
        Value::String(text) => Value::String(line(text)),
        Value::Array(all) => all.iter().map(flat).collect(),
        Value::Object(all) => {
            let all = all.iter().map(|(name, value)| (name.clone(), flat(value)));
            Value::Object(all.collect())
        }
        other => other.clone(),
    }
}

/// What ends a line for anybody: controls, and U+2028 and U+2029.
fn ends_line(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}' | '\u{2029}')
}

fn line(text: &str) -> String {
    text.replace(ends_line, " ")
}

/// A Subject: one line, one blank between words, of bearable length.
pub fn subject(text: &str) -> String {
    let text = line(text);
    let words: Vec<&str> = text.split(' ').filter(|word| !word.is_empty()).collect();
    let text = words.join(" ");
    match text.char_indices().nth(SUBJECT) {
        Some((end, _)) => format!("{}\u{2026}", text[..end].trim_end()),
        None => text,
    }
}

/// Text without what no text has: controls besides line ends and tabs.
pub(super) fn text(text: &str) -> String {
    let mut text = text.replace("\r\n", "\n");
    text.retain(|c| !c.is_control() || matches!(c, '\n' | '\t'));
    match text.trim_matches('\n') {
        "" => String::new(),
        text => format!("{text}\n"),
    }
}

/// The fields in `text`, a `Name: value` a line, and the lines that are none.
pub(super) fn fields(text: &str) -> (Vec<(String, String)>, Vec<String>) {
    let (mut fields, mut refused) = (Vec::new(), Vec::new());
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        match field(line) {
            Some((_, "")) => {}
            Some((name, value)) => fields.push((name.to_owned(), subject(value))),
            None => refused.push(line.chars().take(100).collect()),
        }
    }
    (fields, refused)
}

/// The name (RFC 5322 section 2.2: printable ASCII) and the value.
fn field(line: &str) -> Option<(&str, &str)> {
    let (name, value) = line.split_once(':')?;
    let lower = name.to_ascii_lowercase();
    let ours = OURS.contains(&lower.as_str()) || OURS_BEGIN.iter().any(|b| lower.starts_with(b));
    let fits = (1..=60).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_graphic());
    (fits && !ours).then_some((name, value.trim()))
}
