//! Encoded words (RFC 2047) in what others wrote, and names that may need them.

use super::header::{encoded_words, quoted_string, without_controls};
use std::borrow::Cow;

/// A name before an address (RFC 5322 section 3.4): quoted, or in encoded words.
pub fn phrase(name: &str) -> Vec<u8> {
    let name = without_controls(name.trim().as_bytes());
    match name.is_ascii() && name.len() < 200 {
        true => quoted_string(&name),
        false => encoded_words(&String::from_utf8_lossy(&name)).join(&b' '),
    }
}

/// `text` with its encoded words as people read them. Those in a charset that we do not know, and what only looks
/// like one, stay. Blanks between two of them go (section 6.2).
pub fn decode(text: &str) -> Cow<'_, str> {
    if !text.contains("=?") {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let (mut rest, mut after_word) = (text, false);
    while let Some(start) = rest.find("=?") {
        let (before, from) = rest.split_at(start);
        let word = word(from);
        let between = after_word && word.is_some() && before.trim().is_empty();
        if !between {
            out.push_str(before);
        }
        after_word = word.is_some();
        match word {
            Some((meant, length)) => {
                out.push_str(&meant);
                rest = &from[length..];
            }
            None => {
                out.push_str("=?");
                rest = &from[2..];
            }
        }
    }
    out.push_str(rest);
    Cow::Owned(out)
}

/// What the encoded word that `text` begins with means, and how long it is.
fn word(text: &str) -> Option<(String, usize)> {
    let mut parts = text.get(2..)?.splitn(4, '?');
    let (charset, encoding, content) = (parts.next()?, parts.next()?, parts.next()?);
    if !parts.next()?.starts_with('=') || content.contains([' ', '\t']) {
        return None;
    }
    let length = 2 + charset.len() + 1 + encoding.len() + 1 + content.len() + 2;
    let bytes = match encoding {
        "B" | "b" => base64(content)?,
        "Q" | "q" => quoted(content)?,
        _ => return None,
    };
    // RFC 2231 section 5 puts a language behind the charset.
    let charset = charset.split('*').next().unwrap_or_default();
    let meant = in_charset(&bytes, charset)?;
    let meant = meant.replace(|c: char| c.is_control(), " ");
    Some((meant, length))
}

fn in_charset(bytes: &[u8], charset: &str) -> Option<String> {
    match charset.to_ascii_lowercase().as_str() {
        "utf-8" | "utf8" | "us-ascii" | "ascii" => {
            Some(String::from_utf8_lossy(bytes).into_owned())
        }
        "iso-8859-1" | "latin1" | "windows-1252" | "cp1252" => {
            Some(bytes.iter().map(|&b| western(b)).collect())
        }
        "iso-8859-15" => Some(bytes.iter().map(|&b| latin9(b)).collect()),
        _ => None,
    }
}

/// Windows-1252, which is what mail that says ISO-8859-1 has.
fn western(byte: u8) -> char {
    const HIGH: [char; 32] = [
        '€', '\u{81}', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\u{8d}', 'Ž',
        '\u{8f}', '\u{90}', '‘', '’', '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', '\u{9d}',
        'ž', 'Ÿ',
    ];
    match byte {
        0x80..=0x9f => HIGH[usize::from(byte - 0x80)],
        other => char::from(other),
    }
}

fn latin9(byte: u8) -> char {
    match byte {
        0xa4 => '€',
        0xa6 => 'Š',
        0xa8 => 'š',
        0xb4 => 'Ž',
        0xb8 => 'ž',
        0xbc => 'Œ',
        0xbd => 'œ',
        0xbe => 'Ÿ',
        other => char::from(other),
    }
}

fn base64(text: &str) -> Option<Vec<u8>> {
    let (mut bits, mut have) = (0_u32, 0);
    let mut out = Vec::with_capacity(text.len() / 4 * 3);
    for byte in text.trim_end_matches('=').bytes() {
        let digit = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(digit);
        have += 6;
        if have >= 8 {
            have -= 8;
            out.push((bits >> have) as u8);
        }
    }
    Some(out)
}

fn quoted(text: &str) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        rest = tail;
        match (first, tail) {
            (b'_', _) => out.push(b' '),
            (b'=', [high, low, after @ ..]) => {
                let digit = |b: u8| char::from(b).to_digit(16);
                out.push((digit(*high)? << 4 | digit(*low)?) as u8);
                rest = after;
            }
            (b'=', _) => return None,
            _ => out.push(*first),
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::header::Header;
    use proptest::prelude::*;

    #[test]
    fn what_mails_have() {
        for (text, meant) in [
            ("plain", "plain"),
            ("=?UTF-8?B?R3LDvMOfZQ==?=", "Grüße"),
            ("Hello XX =?utf-8?q?Gr=C3=BC=C3=9Fe?= !", "Hello XX Grüße !"),
            (
                "=?iso-8859-1?Q?J=F6rg_M=FCller?= <j@example.net>",
                "Jörg Müller <j@example.net>",
            ),
            ("=?UTF-8?Q?a?= \t=?UTF-8?Q?b?= c", "ab c"),
            ("=?ISO-8859-15*de?Q?5_=A4?=", "5 €"),
            ("=?windows-1252?Q?=93x=94?=", "“x”"),
            ("=?koi8-r?B?zu/3?= x", "=?koi8-r?B?zu/3?= x"),
            ("a =? b =?UTF-8?Q?c", "a =? b =?UTF-8?Q?c"),
            ("=?UTF-8?Q?a=0D=0ABcc:_x?=", "a  Bcc: x"),
            ("=?UTF-8?X?a?=", "=?UTF-8?X?a?="),
            ("=?UTF-8?Q?=?=", "=?UTF-8?Q?=?="),
        ] {
            assert_eq!(decode(text), meant, "{text}");
        }
    }

    #[test]
    fn names_before_addresses() {
        assert_eq!(phrase("Alice \"A\" B\n"), b"\"Alice \\\"A\\\" B\"");
        assert_eq!(phrase("Jörg"), "=?UTF-8?B?SsO2cmc=?=".as_bytes());
    }

    proptest! {
        #[test]
        fn any_text_is_read(text in "(=\\?|\\?|=|UTF-8|[QBé a_]|\\?=){0,40}") {
            let _ = decode(&text);
        }

        #[test]
        fn what_we_encode_is_read_back(text in "[a-zäöü☕ ]{0,120}") {
            let header = Header::unstructured("X", format!("é{text}").as_bytes());
            let line = std::str::from_utf8(header.as_bytes()).unwrap().replace('\n', "");
            prop_assert_eq!(decode(&line), format!("X: é{text}"));
        }
    }
}
