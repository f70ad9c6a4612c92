//! Makes JSON that a strict reader refuses readable, losing as little as possible.
//!
//! Bad UTF-8 becomes U+FFFD, a lone surrogate `\ud800` too; raw control characters in
//! strings are escaped; a number that no 64-bit float holds becomes a string; what
//! is nested deeper than [`MAX_DEPTH`] becomes null. All else stays as it is, so
//! that what is not JSON stays unreadable.

use std::fmt::Write;

/// Below serde_json's own limit of 128, at which it refuses the whole text.
const MAX_DEPTH: usize = 100;

/// Goes over the text once.
pub(super) fn repair(raw: &[u8]) -> String {
    let text = String::from_utf8_lossy(raw);
    let mut out = String::with_capacity(text.len());
    let mut rest = &*text;
    let mut depth = 0usize;
    while let Some(c) = rest.chars().next() {
        let mut used = c.len_utf8();
        match c {
            '"' => {
                used = string(
                    rest,
                    if depth > MAX_DEPTH {
                        None
                    } else {
                        Some(&mut out)
                    },
                )
            }
            '[' | '{' => {
                depth += 1;
                match depth {
                    d if d <= MAX_DEPTH => out.push(c),
                    d if d == MAX_DEPTH + 1 => out.push_str("null"),
                    _ => {}
                }
            }
            ']' | '}' => {
                if depth <= MAX_DEPTH {
                    out.push(c);
                }
                depth = depth.saturating_sub(1);
            }
            _ if depth > MAX_DEPTH => {}
            '-' | '0'..='9' => used = number(rest, &mut out),
            _ => out.push(c),
        }
        rest = &rest[used..];
    }
    out
}

/// Copies the string that `rest` begins with; gives its length, quotes included.
fn string(rest: &str, out: Option<&mut String>) -> usize {
    let mut dropped = String::new();
    let out = out.unwrap_or(&mut dropped);
    out.push('"');
    let mut at = 1;
    while let Some(c) = rest[at..].chars().next() {
        match c {
            '"' => {
                out.push('"');
                return at + 1;
            }
            '\\' => at += escape(&rest[at..], out),
            '\0'..='\x1f' => {
                // Writing to a String cannot fail.
                let _ = write!(out, "\\u{:04x}", u32::from(c));
                at += 1;
            }
            _ => {
                out.push(c);
                at += c.len_utf8();
            }
        }
    }
    at
}

/// Copies the escape that `rest` begins with, a pair of surrogates as one; gives its length.
fn escape(rest: &str, out: &mut String) -> usize {
    let used = match unit(rest) {
        Some(0xd800..=0xdbff) => match unit(&rest[6..]) {
            Some(0xdc00..=0xdfff) => 12,
            _ => 0,
        },
        Some(0xdc00..=0xdfff) => 0,
        Some(_) => 6,
        None => 1 + rest[1..].chars().next().map_or(0, char::len_utf8),
    };
    if used == 0 {
        out.push_str("\\ufffd");
        return 6;
    }
    out.push_str(&rest[..used]);
    used
}

/// The UTF-16 unit of `\uXXXX` at the start of `rest`.
fn unit(rest: &str) -> Option<u16> {
    let digits = rest.strip_prefix("\\u")?.get(..4)?;
    u16::from_str_radix(digits, 16).ok()
}

/// Copies the number that `rest` begins with, in quotes if it is out of range; gives its length.
fn number(rest: &str, out: &mut String) -> usize {
    let is_part = |c: char| c.is_ascii_digit() || matches!(c, '-' | '+' | '.' | 'e' | 'E');
    let number = rest.split(|c| !is_part(c)).next().unwrap_or_default();
    if number.parse::<f64>().is_ok_and(f64::is_infinite) {
        out.push('"');
        out.push_str(number);
        out.push('"');
    } else {
        out.push_str(number);
    }
    number.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn repaired(raw: &[u8]) -> String {
        repair(raw)
    }

    #[test]
    fn good_json_stays() {
        let good = r#" {"a": [1, -2.5e3, true, null], "b\"\\": "é☕ \ud83d\ude00 \u00e9 \/"} "#;
        assert_eq!(repaired(good.as_bytes()), good);
    }

    #[test]
    fn lone_surrogates_are_replaced() {
        assert_eq!(repaired(br#""a\ud800b""#), r#""a\ufffdb""#);
        assert_eq!(
            repaired(br#""\udc00\ud83d\ude00\uD83D""#),
            r#""\ufffd\ud83d\ude00\ufffd""#
        );
        assert_eq!(repaired(br#""\ud83d\n\\ud800""#), r#""\ufffd\n\\ud800""#);
        assert_eq!(
            repaired(br#""\ud83d\ud83d\ude00""#),
            r#""\ufffd\ud83d\ude00""#
        );
    }

    #[test]
    fn bad_utf8_and_controls_are_replaced() {
        assert_eq!(repaired(b"\"M\xfcller\""), "\"M\u{fffd}ller\"");
        assert_eq!(repaired(b"\"a\tb\x01\n\""), r#""a\u0009b\u0001\u000a""#);
    }

    #[test]
    fn numbers_out_of_range_become_strings() {
        assert_eq!(repaired(b"[1e999,-1e999,12]"), r#"["1e999","-1e999",12]"#);
    }

    #[test]
    fn depth_is_cut() {
        let deep = format!("[{}\"]\" 1{}, 2]", "[".repeat(500), "]".repeat(500));
        let text = repaired(deep.as_bytes());
        assert_eq!(
            text,
            format!("{}null{}, 2]", "[".repeat(100), "]".repeat(99))
        );
        serde_json::from_str::<serde_json::Value>(&text).unwrap();
    }
}
