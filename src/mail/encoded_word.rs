//! Encoded words (RFC 2047): text that is not ASCII in header fields.

use super::header::FOLD;
use mail_parser::decoders::base64::base64_decode;
use mail_parser::decoders::charsets::map::charset_decoder;

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
    let mut run: Option<Run> = None;
    let mut rest = value;
    while let Some(at) = rest.windows(2).position(|w| w == b"=?") {
        let gap = &rest[..at];
        // White space between two words is no part of the text.
        if run.is_none() || !gap.iter().all(u8::is_ascii_whitespace) {
            finish(&mut run, &mut out);
            out.extend_from_slice(gap);
        }
        rest = &rest[at..];
        match word(&rest[..rest.len().min(MAX_READ)]) {
            Some(word) => {
                rest = &rest[word.length..];
                match &mut run {
                    // Some programs divide text in the middle of a character (RFC 2047 section 5 forbids it).
                    Some(run) if run.charset == word.charset => run.bytes.extend(word.bytes),
                    _ => {
                        finish(&mut run, &mut out);
                        run = Some(Run {
                            charset: word.charset,
                            bytes: word.bytes,
                        });
                    }
                }
            }
            None => {
                finish(&mut run, &mut out);
                out.extend_from_slice(b"=?");
                rest = &rest[2..];
            }
        }
    }
    finish(&mut run, &mut out);
    out.extend_from_slice(rest);
    String::from_utf8_lossy(&out).into_owned()
}

/// Words side by side in one character set.
struct Run {
    charset: Vec<u8>,
    bytes: Vec<u8>,
}

/// Writes the text of `run`, which ends here.
fn finish(run: &mut Option<Run>, out: &mut Vec<u8>) {
    let Some(Run { charset, bytes }) = run.take() else {
        return;
    };
    match charset_decoder(&charset) {
        Some(decoder) => out.extend(decoder(&bytes).into_bytes()),
        None => out.extend(String::from_utf8_lossy(&bytes).into_owned().into_bytes()),
    }
}

/// One encoded word.
struct Word {
    /// In lower case.
    charset: Vec<u8>,
    /// The text, in that character set.
    bytes: Vec<u8>,
    /// How long the word is, with what stands around it, in octets.
    length: usize,
}

/// The encoded word that `text` begins with; none in a character set that we don't know.
fn word(text: &[u8]) -> Option<Word> {
    let mut parts = text.get(2..)?.splitn(3, |&b| b == b'?');
    let (charset, encoding, tail) = (parts.next()?, parts.next()?, parts.next()?);
    // RFC 2231 section 5: a language may follow the character set.
    let charset = charset.split(|&b| b == b'*').next()?.to_ascii_lowercase();
    if !is_known(&charset) {
        return None;
    }
    let end = end_of_word(tail)?;
    let inside = &tail[..end];
    let bytes = match encoding {
        b"B" | b"b" => base64_decode(inside)?,
        b"Q" | b"q" => from_q(inside),
        _ => return None,
    };
    let length = text.len() - tail.len() + end + 2;
    Some(Word {
        charset,
        bytes,
        length,
    })
}

/// Where the `?=` is that ends a word; none when a blank or another word comes first. So nothing is looked at again for
/// each of many beginnings without an end.
fn end_of_word(tail: &[u8]) -> Option<usize> {
    for (n, two) in tail.windows(2).enumerate() {
        // In base64 the end may stand behind an equals sign.
        let begins = two == b"=?" && tail.get(n + 2) != Some(&b'=');
        match two {
            b"?=" => return Some(n),
            _ if begins || two[0] == b' ' => return None,
            _ => {}
        }
    }
    None
}

/// Character sets that mail-parser knows by name, and of which it makes U+FFFD, as browsers do.
const UNREADABLE: [&[u8]; 6] = [
    b"csiso2022kr",
    b"hz-gb-2312",
    b"iso-2022-cn",
    b"iso-2022-cn-ext",
    b"iso-2022-kr",
    b"replacement",
];

fn is_known(charset: &[u8]) -> bool {
    // mail-parser has no decoder for what needs none.
    let utf8 = [&b"utf-8"[..], b"utf8"].contains(&charset);
    utf8 || !UNREADABLE.contains(&charset) && charset_decoder(charset).is_some()
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
pub fn base64(bytes: &[u8]) -> Vec<u8> {
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
            (b"=?KOI8-R?B?8tXT?= x", "Рус x"),
            (b"=?x-none?B?8tXT?= x", "=?x-none?B?8tXT?= x"),
            (b"=?ISO-2022-KR?B?8tXT?= x", "=?ISO-2022-KR?B?8tXT?= x"),
            (b"=?UTF-8?Q?a b?= =?", "=?UTF-8?Q?a b?= =?"),
            (b"=?UTF-8?X?a?=", "=?UTF-8?X?a?="),
            (b"=?UTF-8?Q?a =?UTF-8?Q?b?=", "=?UTF-8?Q?a b"),
            (b"=?UTF-8?Q?a=?UTF-8?Q?b?=", "=?UTF-8?Q?ab"),
            (b"=?UTF-8?Q?a??= x", "a? x"),
            (b"=?UTF-8?B?YQ==?=x", "ax"),
            ("=?ISO-8859-15*de?Q?5_=A4?=".as_bytes(), "5 €"),
            (b"=?windows-1252?Q?=93x=94?=", "\u{201c}x\u{201d}"),
            (b"\xff", "\u{fffd}"),
        ] {
            assert_eq!(decode(value), text);
        }
    }

    /// Subjects as mail programs write them, in the character sets that they use.
    #[test]
    fn every_character_set_of_mail_is_read() {
        for (value, text) in [
            (&b"=?koi8-r?B?8NLJ18XU?="[..], "Привет"),
            (b"=?KOI8-U?Q?=F0=D2=C9=D7=A6=D4?=", "Привіт"),
            (b"=?windows-1250?Q?=8Elu=9Dou=E8k=FD?=", "Žluťoučký"),
            (b"=?windows-1251?B?z/Do4uXy?=", "Привет"),
            (b"=?windows-1253?B?x+zl8e/r/OPp7w==?=", "Ημερολόγιο"),
            (b"=?windows-1254?Q?=DDstanbul?=", "İstanbul"),
            (b"=?windows-1255?B?+ezl7Q==?=", "שלום"),
            (b"=?windows-1256?B?49HNyMc=?=", "مرحبا"),
            (b"=?windows-1257?Q?=C8es=EBt?=", "Česėt"),
            (b"=?windows-1258?Q?Vi=EA=F2t?=", "Viê\u{323}t"),
            (b"=?iso-8859-2?Q?=AElu=BBou=E8k=FD?=", "Žluťoučký"),
            (b"=?iso-8859-5?B?v+DY0tXi?=", "Привет"),
            (b"=?iso-8859-7?B?x+zl8e/r/OPp7w==?=", "Ημερολόγιο"),
            (b"=?iso-8859-8-i?B?+ezl7Q==?=", "שלום"),
            (b"=?iso-8859-8?B?+ezl7Q==?=", "שלום"),
            (b"=?iso-8859-9?Q?=DDstanbul?=", "İstanbul"),
            (b"=?iso-8859-13?Q?=D8=FEr?=", "Ųžr"),
            (b"=?gb2312?B?xOO6w6OsysC95w==?=", "你好，世界"),
            (b"=?GBK?B?xOO6w4eL?=", "你好噵"),
            (b"=?gb18030?B?xOO6ww==?=", "你好"),
            (b"=?big5?B?p0GmbqFBpUCsyQ==?=", "你好，世界"),
            (b"=?ISO-2022-JP?B?GyRCJDMkcyRLJEEkTxsoQg==?=", "こんにちは"),
            (b"=?Shift_JIS?B?grGC8YLJgr+CzQ==?=", "こんにちは"),
            (b"=?EUC-JP?B?pLOk86TLpMGkzw==?=", "こんにちは"),
            (b"=?euc-kr?B?vsiz58fPvLy/5A==?=", "안녕하세요"),
            (b"=?ks_c_5601-1987?B?vsiz58fPvLy/5A==?=", "안녕하세요"),
            (b"=?windows-874?B?ysfRyrTV?=", "สวัสดี"),
            (b"=?utf-7?Q?Gr+APwA3w-e?=", "Grüße"),
            // A character divided between two words, and words in two character sets.
            (b"=?gb2312?B?xA==?=\r\n =?GB2312?B?47rD?=", "你好"),
            (b"=?koi8-r?B?8NLJ18XU?= =?utf-8?Q?_=E2=80=93?=", "Привет –"),
        ] {
            assert_eq!(decode(value), text, "{}", String::from_utf8_lossy(value));
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
