//! What came from outside, as text that is safe in a line of ours.

/// `bytes` as one line of text for our own log: control characters and bytes that are not
/// UTF-8 as `\xNN`, at most `max` bytes, an ellipsis where it was cut. No field of a
/// notification can thereby start a new record or fake one.
pub fn printable(bytes: &[u8], max: usize) -> String {
    let mut out = String::new();
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            if out.len() >= max {
                out.push('…');
                return out;
            }
            match c {
                '\n' => out.push_str("\\n"),
                c if c.is_control() || is_format_control(c) => out.extend(c.escape_unicode()),
                c => out.push(c),
            }
        }
        for byte in chunk.invalid() {
            out.push_str(&format!("\\x{byte:02x}"));
        }
    }
    out
}

/// A JSON text as one line for a terminal: what [`printable`] would escape is escaped in JSON's way. The text must
/// be compact, so that all such characters stand in strings.
pub fn printable_json(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for c in json.chars() {
        match c {
            c if c.is_control() || is_format_control(c) => {
                out.push_str(&format!("\\u{:04x}", u32::from(c)));
            }
            c => out.push(c),
        }
    }
    out
}

/// Characters that change how a terminal shows the rest of the line.
fn is_format_control(c: char) -> bool {
    matches!(c, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_stays_the_same_value_on_one_line() {
        let value = serde_json::json!({"a\u{85}": "\u{2028}\u{202e}\u{7f}\n\u{feff}ü\u{9b}\u{61c}\u{2066}\u{2069}\u{200e}"});
        let text = printable_json(&value.to_string());
        assert!(text.is_ascii() || text.contains('ü'));
        assert!(!text.chars().any(|c| c.is_control() || is_format_control(c)));
        assert_eq!(
            serde_json::from_str::<serde_json::Value>(&text).unwrap(),
            value
        );
    }

    #[test]
    fn our_own_lines_are_one_line_of_harmless_text() {
        assert_eq!(
            printable(b"a\nb\r\x1b[0m \xff\xc3\xa9", 100),
            "a\\nb\\u{d}\\u{1b}[0m \\xff\u{e9}"
        );
        assert_eq!(printable("\u{202e}x".as_bytes(), 100), "\\u{202e}x");
        assert_eq!(printable(&[b'x'; 50], 10), "xxxxxxxxxx…");
    }
}
