//! What templates can do besides what minijinja has: filters `color`, `breaks` and `wrap`.

use minijinja::{Environment, HtmlEscape, Value};
use std::fmt::Write as _;

pub(super) fn add(environment: &mut Environment<'static>) {
    environment.add_filter("color", color);
    environment.add_filter("breaks", breaks);
    environment.add_filter("wrap", wrap);
}

/// `{{ calendar.color|color("#888888") }}`: a colour `#RRGGBB`, or the other one when it is none. What users write
/// stands in a style, where nothing is escaped. Of `#RRGGBBAA`, which mail programs do not know, the front.
fn color(text: &Value, other: Option<&str>) -> String {
    let hex = text
        .as_str()
        .unwrap_or_default()
        .trim()
        .strip_prefix('#')
        .unwrap_or_default();
    let valid = matches!(hex.len(), 6 | 8) && hex.bytes().all(|b| b.is_ascii_hexdigit());
    match valid {
        true => format!("#{}", &hex[..6]),
        false => other.unwrap_or("#888888").to_owned(),
    }
}

/// `{{ description|breaks }}`: text for HTML, escaped, each line on a line of its own.
fn breaks(text: &Value) -> Value {
    let text = plain(text).replace("\r\n", "\n");
    let mut html = String::new();
    for (n, line) in text.trim().split('\n').enumerate() {
        let end = if n > 0 { "<br>\n" } else { "" };
        let _ = write!(html, "{end}{}", HtmlEscape(line.trim_end())); // a String takes everything
    }
    Value::from_safe_string(html)
}

/// The text of a value; nothing is empty.
fn plain(value: &Value) -> String {
    match value.is_undefined() || value.is_none() {
        true => String::new(),
        false => value.to_string(),
    }
}

/// `{% filter wrap %}`, `wrap(60)`: folds lines at blanks, at 76 characters. A word that is longer stays whole, because it
/// may be a link. What a folded line begins with (blanks) its continuations begin with, too; half of the width at most,
/// so that the result is never much longer than the text.
fn wrap(text: &Value, width: Option<usize>) -> String {
    let text = plain(text);
    let width = width.unwrap_or(76).max(10);
    let mut out = String::with_capacity(text.len() + text.len() / 8);
    for (n, line) in text.split('\n').enumerate() {
        if n > 0 {
            out.push('\n');
        }
        match line.chars().count() <= width {
            true => out.push_str(line),
            false => fold(line, width, &mut out),
        }
    }
    out
}

/// Adds `line`, folded. Each character is looked at a fixed number of times, whatever the line is.
fn fold(line: &str, width: usize, out: &mut String) {
    let blanks = line.bytes().take_while(|b| *b == b' ').count();
    let indent = " ".repeat(blanks.min(width / 2));
    let mut start = out.len();
    out.push_str(&indent);
    let mut column = indent.len();
    let mut first = true;
    for word in line.split(' ').filter(|word| !word.is_empty()) {
        let length = word.chars().count();
        if !first && column + 1 + length > width {
            // A word may end with a white space that is no blank.
            out.truncate(start + out[start..].trim_end().len());
            out.push('\n');
            start = out.len();
            out.push_str(&indent);
            column = indent.len();
            first = true;
        }
        if !first {
            out.push(' ');
            column += 1;
        }
        out.push_str(word);
        column += length;
        first = false;
    }
}
