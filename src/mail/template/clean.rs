//! What comes in and what goes out: nothing that users write may become a header field, whatever the template.

use serde_json::Value;

/// The longest Subject, in characters.
const SUBJECT: usize = 250;
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

/// The values without those that are null: what is not there is empty, and null would be the word "none".
pub(super) fn without_nulls(values: &Value) -> Value {
    match values {
        Value::Array(all) => all.iter().map(without_nulls).collect(),
        Value::Object(all) => {
            let all = all.iter().filter(|(_, value)| !value.is_null());
            Value::Object(
                all.map(|(name, value)| (name.clone(), without_nulls(value)))
                    .collect(),
            )
        }
        other => other.clone(),
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
pub(super) fn subject(text: &str) -> String {
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
