//! Plain-text bodies (RFC 2045, RFC 2046 section 4.1) for text of unknown origin.

use super::header::{Header, MAX_LINE};
use std::io::Write as _;

/// Longest line of quoted-printable, in octets (RFC 2045 section 6.7).
const QUOTED_LINE: usize = 76;

/// The MIME fields for `text` and the body itself, which ends in a line end.
///
/// * ASCII text needs no fields, as Cyrus' own notifyd sends it.
/// * UTF-8 goes as it is (`8BIT`), with the three fields that Cyrus' own notifyd sends.
/// * What cannot go as it is (bytes that are no UTF-8, lines over 998 octets, bare CR, control
///   characters) goes as quoted-printable, in charset `UTF-8`, or `UNKNOWN-8BIT` (RFC 1428).
///
/// CRLF becomes LF.
pub fn text(text: &[u8]) -> (Vec<Header>, Vec<u8>) {
    let mut text = with_lf(text);
    text.push(b'\n');
    let plain = is_plain(&text);
    if plain && text.is_ascii() {
        return (Vec::new(), text);
    }
    let valid = std::str::from_utf8(&text).is_ok();
    let charset = if valid { "UTF-8" } else { "UNKNOWN-8BIT" };
    let encoding = if plain && valid {
        "8BIT"
    } else {
        "QUOTED-PRINTABLE"
    };
    let fields = [
        ("MIME-Version", "1.0".to_owned()),
        ("Content-Type", format!("text/plain; charset={charset}")),
        ("Content-Transfer-Encoding", encoding.to_owned()),
    ];
    let fields = fields
        .iter()
        .map(|(name, value)| Header::unstructured(name, value.as_bytes()))
        .collect();
    (
        fields,
        if plain && valid {
            text
        } else {
            quoted_printable(&text)
        },
    )
}

fn with_lf(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() + 1);
    for (n, &byte) in text.iter().enumerate() {
        if !(byte == b'\r' && text.get(n + 1) == Some(&b'\n')) {
            out.push(byte);
        }
    }
    out
}

/// Nothing in it needs an encoding of its own.
fn is_plain(text: &[u8]) -> bool {
    text.split(|&b| b == b'\n').all(|line| {
        line.len() <= MAX_LINE && !line.iter().any(|b| b.is_ascii_control() && *b != b'\t')
    })
}

pub(super) fn quoted_printable(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() * 2);
    let mut column = 0;
    for (n, &byte) in text.iter().enumerate() {
        if byte == b'\n' {
            out.push(b'\n');
            column = 0;
            continue;
        }
        let at_end = text.get(n + 1) == Some(&b'\n');
        let literal =
            matches!(byte, b'!'..=b'<' | b'>'..=b'~') || (matches!(byte, b' ' | b'\t') && !at_end);
        let width = if literal { 1 } else { 3 };
        // Room for the soft line break's "=".
        if column + width > QUOTED_LINE - 1 {
            out.extend_from_slice(b"=\n");
            column = 0;
        }
        if literal {
            out.push(byte);
        } else {
            let _ = write!(out, "={byte:02X}"); // a Vec takes everything
        }
        column += width;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn names(fields: &[Header]) -> String {
        fields
            .iter()
            .map(|f| String::from_utf8_lossy(f.as_bytes()).into_owned())
            .collect()
    }

    #[test]
    fn ascii_needs_nothing() {
        assert_eq!(
            text(b"hello\r\nworld"),
            (vec![], b"hello\nworld\n".to_vec())
        );
        assert_eq!(text(b""), (vec![], b"\n".to_vec()));
    }

    #[test]
    fn utf8_goes_as_stock_sends_it() {
        let (fields, body) = text("Gr\u{fc}\u{df}e".as_bytes());
        assert_eq!(
            names(&fields),
            "MIME-Version: 1.0\nContent-Type: text/plain; charset=UTF-8\nContent-Transfer-Encoding: 8BIT\n"
        );
        assert_eq!(body, "Gr\u{fc}\u{df}e\n".as_bytes());
    }

    #[test]
    fn the_rest_is_quoted() {
        let (fields, body) = text(b"a\xff=b ");
        assert!(
            names(&fields).contains("UNKNOWN-8BIT") && names(&fields).contains("QUOTED-PRINTABLE")
        );
        assert_eq!(body, b"a=FF=3Db=20\n");
        let (fields, body) = text(&[b'x'; 2000]);
        assert!(names(&fields).contains("charset=UTF-8"));
        assert!(
            body.split(|&b| b == b'\n')
                .all(|line| line.len() <= QUOTED_LINE)
        );
    }

    /// RFC 2045 section 6.7, read by the letter.
    fn unquote(body: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        let mut rest = body;
        while let [first, tail @ ..] = rest {
            match (first, tail) {
                (b'=', [b'\n', after @ ..]) => rest = after,
                (b'=', [high, low, after @ ..]) => {
                    out.push(
                        u8::from_str_radix(std::str::from_utf8(&[*high, *low]).unwrap(), 16)
                            .unwrap(),
                    );
                    rest = after;
                }
                _ => {
                    out.push(*first);
                    rest = tail;
                }
            }
        }
        out
    }

    proptest! {
        #[test]
        fn every_text_arrives(input in prop::collection::vec(any::<u8>(), 0..2000)) {
            let (fields, body) = text(&input);
            prop_assert!(body.split(|&b| b == b'\n').all(|line| line.len() <= MAX_LINE && !line.contains(&b'\r')));
            let quoted = names(&fields).contains("QUOTED-PRINTABLE");
            let got = if quoted { unquote(&body) } else { body };
            let mut want = with_lf(&input);
            want.push(b'\n');
            prop_assert_eq!(got, want);
        }
    }
}
