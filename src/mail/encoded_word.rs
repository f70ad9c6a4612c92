//! Encoded words (RFC 2047): text that is not ASCII in header fields.

use super::header::FOLD;

/// What stands around the text of a word that we write.
const AROUND: usize = "=?UTF-8?B??=".len();
/// Octets of text in one encoded word: 45 make 60 of base64, 72 with what stands around it.
const WORD: usize = 45;
/// The longest encoded word that is looked for, in octets. RFC 2047 allows 75; some write longer ones.
const MAX_READ: usize = 1000;

/// `text` as encoded words. No line has more than [`FOLD`] octets (RFC 2047 section 2) when each stands in one of
/// its own but the first, in whose line `column` octets stand already.
pub(super) fn encode(text: &str, column: usize) -> Vec<Vec<u8>> {
    let room = (FOLD.saturating_sub(column + 1 + AROUND) / 4 * 3).clamp(3, WORD);
    let mut words = Vec::new();
    let (mut rest, mut most) = (text, room);
    while !rest.is_empty() {
        // An encoded word must hold whole characters (RFC 2047 section 5).
        let end = match rest.floor_char_boundary(most) {
            0 => rest.ceil_char_boundary(1),
            end => end,
        };
        let word = base64(&rest.as_bytes()[..end]);
        words.push([b"=?UTF-8?B?", word.as_slice(), b"?="].concat());
        (rest, most) = (&rest[end..], WORD);
    }
    words
}

/// `value` with its encoded words decoded. Words in a character set that we don't know stay as they are.
pub fn decode(value: &[u8]) -> String {
    let mut out = Vec::with_capacity(value.len());
    let (mut rest, mut after_word) = (value, false);
    while let Some(at) = rest.windows(2).position(|w| w == b"=?") {
        let gap = &rest[..at];
        // White space between two words is no part of the text.
        if !(after_word && gap.iter().all(u8::is_ascii_whitespace)) {
            out.extend_from_slice(gap);
        }
        rest = &rest[at..];
        match word(&rest[..rest.len().min(MAX_READ)]) {
            Some((bytes, length)) => {
                out.extend(bytes);
                rest = &rest[length..];
                after_word = true;
            }
            None => {
                out.extend_from_slice(b"=?");
                rest = &rest[2..];
                after_word = false;
            }
        }
    }
    out.extend_from_slice(rest);
    String::from_utf8_lossy(&out).into_owned()
}

/// The text, in UTF-8, of the encoded word that `text` begins with, and how long the word is.
fn word(text: &[u8]) -> Option<(Vec<u8>, usize)> {
    let mut parts = text.get(2..)?.splitn(3, |&b| b == b'?');
    let (charset, encoding, tail) = (parts.next()?, parts.next()?, parts.next()?);
    let end = tail.windows(2).position(|w| w == b"?=")?;
    let inside = &tail[..end];
    if inside.contains(&b' ') {
        return None;
    }
    let bytes = match encoding {
        b"B" | b"b" => from_base64(inside)?,
        b"Q" | b"q" => from_q(inside),
        _ => return None,
    };
    // RFC 2231 section 5: a language may follow the character set.
    let charset = charset.split(|&b| b == b'*').next()?.to_ascii_lowercase();
    let bytes = match charset.as_slice() {
        b"utf-8" | b"utf8" | b"us-ascii" => bytes,
        b"iso-8859-1" | b"windows-1252" => western(&bytes, western_char),
        b"iso-8859-15" => western(&bytes, latin9_char),
        _ => return None,
    };
    Some((bytes, text.len() - tail.len() + end + 2))
}

fn western(bytes: &[u8], meaning: fn(u8) -> char) -> Vec<u8> {
    bytes.iter().map(|&b| meaning(b)).collect::<String>().into()
}

/// Windows-1252, which is what mail that says ISO-8859-1 has.
fn western_char(byte: u8) -> char {
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

fn latin9_char(byte: u8) -> char {
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

fn from_q(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let [first, tail @ ..] = rest {
        rest = tail;
        match (first, tail) {
            (b'_', _) => out.push(b' '),
            (b'=', [high, low, after @ ..]) => match super::uri::hex(*high, *low) {
                Some(byte) => {
                    out.push(byte);
                    rest = after;
                }
                None => out.push(b'='),
            },
            _ => out.push(*first),
        }
    }
    out
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// RFC 4648 section 4, with padding.
fn base64(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let byte = |n: usize| u32::from(chunk.get(n).copied().unwrap_or(0));
        let group = byte(0) << 16 | byte(1) << 8 | byte(2);
        for n in 0..4 {
            let sextet = (group >> (18 - 6 * n)) & 63;
            out.push(if n <= chunk.len() {
                ALPHABET[sextet as usize]
            } else {
                b'='
            });
        }
    }
    out
}

fn from_base64(text: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len() / 4 * 3);
    let (mut bits, mut have) = (0u32, 0);
    for byte in text.iter().take_while(|&&b| b != b'=') {
        let sextet = ALPHABET.iter().position(|a| a == byte)?;
        bits = (bits << 6 | u32::try_from(sextet).ok()?) & 0xff_ffff;
        have += 6;
        if have >= 8 {
            have -= 8;
            out.push((bits >> have & 0xff) as u8);
        }
    }
    Some(out)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn words_are_read() {
        for (value, text) in [
            (&b"plain"[..], "plain"),
            (b"=?UTF-8?B?R3LDvMOfZQ==?=", "Gr\u{fc}\u{df}e"),
            (b"a =?utf-8?q?=C3=A9_x?= b", "a \u{e9} x b"),
            (
                b"=?ISO-8859-1?Q?caf=E9?= =?iso-8859-1*fr?Q?s?=",
                "caf\u{e9}s",
            ),
            (b"=?UTF-8?B?w?= =?UTF-8?B?w7w=?=", "\u{fc}"),
            (b"=?KOI8-R?B?8tXT?= x", "=?KOI8-R?B?8tXT?= x"),
            (b"=?UTF-8?Q?a b?= =?", "=?UTF-8?Q?a b?= =?"),
            (b"=?UTF-8?X?a?=", "=?UTF-8?X?a?="),
            ("=?ISO-8859-15*de?Q?5_=A4?=".as_bytes(), "5 €"),
            (b"=?windows-1252?Q?=93x=94?=", "\u{201c}x\u{201d}"),
            (b"\xff", "\u{fffd}"),
        ] {
            assert_eq!(decode(value), text);
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(text in any::<String>(), column in 0usize..55) {
            let words = encode(&text, column);
            prop_assert!(words.iter().all(|w| w.len() < FOLD));
            prop_assert!(words.first().is_none_or(|w| column + 1 + w.len() <= FOLD));
            prop_assert_eq!(decode(&words.join(&b' ')), text);
        }

        #[test]
        fn anything_is_read(value in prop::collection::vec(any::<u8>(), 0..300)) {
            decode(&value);
        }
    }
}
