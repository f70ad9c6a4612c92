//! Header fields (RFC 5322 section 2.2), safe against whatever is put into them.
//!
//! A field is made from a name of ours and a value of anybody's. No value can end the field: CR, LF and every
//! other control character becomes a blank. Text that is not ASCII becomes encoded words
//! (RFC 2047). Lines are folded to 76 characters where there is a place to fold, and text without such a place is
//! encoded, so that no line is longer than 998 octets (RFC 5322 section 2.1.1).

/// Where lines are folded, in octets.
const FOLD: usize = 76;
/// The longest line there may be, in octets, without its end.
pub const MAX_LINE: usize = 998;
/// Octets of text in one encoded word: 45 make 60 of base64, 72 with `=?UTF-8?B?` and `?=`.
const WORD: usize = 45;

/// One complete header field, folded, with its line ends (LF).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header(Vec<u8>);

impl Header {
    /// An unstructured field such as Subject (RFC 5322 section 3.6.5) with any text.
    pub fn unstructured(name: &str, value: &[u8]) -> Header {
        let value = without_controls(value);
        let longest = value
            .split(|&b| b == b' ')
            .map(<[u8]>::len)
            .max()
            .unwrap_or(0);
        if value.is_ascii() && longest <= MAX_LINE - FOLD {
            Header::folded(name, value.split(|&b| b == b' '))
        } else {
            let words = encoded_words(&String::from_utf8_lossy(&value));
            Header::folded(name, words.iter().map(Vec::as_slice))
        }
    }

    /// A structured field from text that needs no encoding, such as addresses and message ids. Only
    /// control characters are replaced. `None` when a line would be longer than [`MAX_LINE`].
    pub fn structured(name: &str, value: &[u8]) -> Option<Header> {
        let value = without_controls(value);
        let header = Header::folded(name, value.split(|&b| b == b' '));
        let fits = header
            .0
            .split(|&b| b == b'\n')
            .all(|line| line.len() <= MAX_LINE);
        fits.then_some(header)
    }

    /// Puts the words behind the name, a blank between them, or a line end and a blank.
    fn folded<'a>(name: &str, words: impl Iterator<Item = &'a [u8]>) -> Header {
        let mut out = name.as_bytes().to_vec();
        out.push(b':');
        let mut column = out.len();
        let mut blank_line = true;
        for word in words {
            // A continuation must hold more than white space, so an empty word never starts one.
            if column + 1 + word.len() > FOLD && !blank_line && !word.is_empty() {
                out.push(b'\n');
                column = 0;
            }
            out.push(b' ');
            out.extend_from_slice(word);
            column += 1 + word.len();
            blank_line &= word.is_empty();
        }
        out.push(b'\n');
        Header(out)
    }

    /// The field as it stands in the message.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// Blanks for control characters.
pub fn without_controls(value: &[u8]) -> Vec<u8> {
    value
        .iter()
        .map(|&b| if b.is_ascii_control() { b' ' } else { b })
        .collect()
}

/// `value` as a quoted-string (RFC 5322 section 3.2.4). Controls become blanks.
pub fn quoted_string(value: &[u8]) -> Vec<u8> {
    let mut out = vec![b'"'];
    for byte in without_controls(value) {
        if byte == b'"' || byte == b'\\' {
            out.push(b'\\');
        }
        out.push(byte);
    }
    out.push(b'"');
    out
}

/// `text` in encoded words.
pub(super) fn encoded_words(text: &str) -> Vec<Vec<u8>> {
    let mut words = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        // An encoded word must hold whole characters (RFC 2047 section 5).
        let end = rest.floor_char_boundary(WORD);
        words.push(
            [
                b"=?UTF-8?B?",
                base64(&rest.as_bytes()[..end]).as_slice(),
                b"?=",
            ]
            .concat(),
        );
        rest = &rest[end..];
    }
    words
}

/// RFC 4648 section 4, with padding.
fn base64(bytes: &[u8]) -> Vec<u8> {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
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
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text(header: &Header) -> &str {
        std::str::from_utf8(header.as_bytes()).unwrap()
    }

    #[test]
    fn plain_text_stays_as_it_is() {
        assert_eq!(
            text(&Header::unstructured(
                "Subject",
                b"[SIEVE] New mail notification"
            )),
            "Subject: [SIEVE] New mail notification\n"
        );
        assert_eq!(text(&Header::unstructured("Subject", b"")), "Subject: \n");
    }

    #[test]
    fn line_ends_do_not_get_through() {
        assert_eq!(
            text(&Header::unstructured("Subject", b"a\r\nBcc: x@y\0z")),
            "Subject: a  Bcc: x@y z\n"
        );
        assert_eq!(
            text(&Header::structured("To", b"<a\nb>").unwrap()),
            "To: <a b>\n"
        );
    }

    #[test]
    fn other_text_becomes_encoded_words() {
        assert_eq!(
            text(&Header::unstructured(
                "Subject",
                "Gr\u{fc}\u{df}e".as_bytes()
            )),
            "Subject: =?UTF-8?B?R3LDvMOfZQ==?=\n"
        );
        assert!(Header::structured("To", &[b'x'; 2000]).is_none());
    }

    #[test]
    fn quoted_strings_end_where_they_should() {
        assert_eq!(quoted_string(b"a\"b\\c\nd"), b"\"a\\\"b\\\\c d\"");
    }

    proptest! {
        #[test]
        fn every_value_is_one_field_of_short_lines(value in prop::collection::vec(any::<u8>(), 0..3000)) {
            let header = Header::unstructured("Subject", &value);
            let lines: Vec<&[u8]> = header.as_bytes().split(|&b| b == b'\n').collect();
            prop_assert_eq!(lines[lines.len() - 1], b"");
            prop_assert!(lines[0].starts_with(b"Subject:"));
            for line in &lines[1..lines.len() - 1] {
                prop_assert!(line.starts_with(b" ") && line.iter().any(|&b| b != b' '));
            }
            prop_assert!(lines.iter().all(|line| line.len() <= MAX_LINE && line.is_ascii()));
            prop_assert!(header.as_bytes().iter().all(|&b| b == b'\n' || !b.is_ascii_control()));
        }

        #[test]
        fn unfolding_gives_ascii_text_back(value in "[ -~]{0,300}") {
            let header = Header::unstructured("Subject", value.as_bytes());
            let unfolded = text(&header).trim_end_matches('\n').replace('\n', "");
            prop_assert_eq!(unfolded, format!("Subject: {value}"));
        }
    }
}
