//! Header fields (RFC 5322 section 2.2), safe against whatever is put into them.
//!
//! A field is made from a name of ours and a value of anybody's. No value can end the field: CR, LF and every
//! other control character becomes a blank. Text that is not ASCII becomes encoded words
//! (RFC 2047). Lines are folded to 76 characters where there is a place to fold, and text without such a place is
//! encoded, so that no line is longer than 998 octets (RFC 5322 section 2.1.1).

use super::address::is_atext;
use super::encoded_word::{decode, encode};

/// Where lines are folded, in octets.
pub(super) const FOLD: usize = 76;
/// The longest line there may be, in octets, without its end.
pub const MAX_LINE: usize = 998;
/// The longest word of a name that is not encoded, in octets.
const MAX_WORD: usize = 60;
/// The longest display name, in characters. Longer ones are cut.
const MAX_PHRASE: usize = 250;

/// One complete header field, folded, with its line ends (LF).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header(Vec<u8>);

impl Header {
    /// An unstructured field such as Subject (RFC 5322 section 3.6.5) with any text. What looks like an encoded word in
    /// it is encoded itself: the reader shall see the text and nothing else.
    pub fn unstructured(name: &str, value: &[u8]) -> Header {
        let looks_encoded = value.windows(2).any(|w| w == b"=?");
        Header::text(name, value, looks_encoded)
    }

    /// The same with a value from another mail or from a URI, which may have encoded words. They stay what they are.
    pub fn with_words(name: &str, value: &[u8]) -> Header {
        match value.is_ascii() {
            true => Header::text(name, value, false),
            false => Header::unstructured(name, decode(value).as_bytes()),
        }
    }

    fn text(name: &str, value: &[u8], must_encode: bool) -> Header {
        let value = without_controls(value);
        if value.is_ascii() && !must_encode {
            let plain = Header::folded(name, value.split(|&b| b == b' '));
            if plain.fits() {
                return plain;
            }
        }
        let words = encode(&String::from_utf8_lossy(&value), name.len() + 1);
        Header::folded(name, words.iter().map(Vec::as_slice))
    }

    /// A structured field from text that needs no encoding, such as addresses and message ids. Only
    /// control characters are replaced. `None` when a line would be longer than [`MAX_LINE`].
    pub fn structured(name: &str, value: &[u8]) -> Option<Header> {
        let value = without_controls(value);
        let header = Header::folded(name, value.split(|&b| b == b' '));
        header.fits().then_some(header)
    }

    /// Its name.
    pub fn name(&self) -> &[u8] {
        self.0.split(|&b| b == b':').next().unwrap_or_default()
    }

    fn fits(&self) -> bool {
        let mut lines = self.0.split(|&b| b == b'\n');
        lines.all(|line| line.len() <= MAX_LINE)
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

/// Characters that are not seen and change how the rest is shown (Unicode's bidirectional controls, joiners, marks):
/// with them an address or a name looks like another one.
pub(super) fn is_hidden(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// A display name as it stands before an address (RFC 5322 section 3.2.5): as it is, quoted, or in encoded
/// words. Controls become blanks, what [`is_hidden`] goes, and so does what is behind [`MAX_PHRASE`]. `None` when nothing is left.
pub fn phrase(name: &str) -> Option<String> {
    let seen = name.chars().filter(|&c| !is_hidden(c));
    let blank = |c: char| if c.is_control() { ' ' } else { c };
    let name: String = seen.take(MAX_PHRASE).map(blank).collect();
    let words: Vec<&str> = name.split(' ').filter(|word| !word.is_empty()).collect();
    let name = words.join(" ");
    if name.is_empty() {
        return None;
    }
    if !name.is_ascii() || words.iter().any(|word| word.len() > MAX_WORD) {
        // Half a line is kept for the name of the field, and for the address.
        let words = encode(&name, FOLD / 2);
        return Some(String::from_utf8_lossy(&words.join(&b' ')).into_owned());
    }
    let plain = words.iter().all(|word| word.chars().all(is_atext)) && !name.contains("=?");
    Some(match plain {
        true => name,
        false => String::from_utf8_lossy(&quoted_string(name.as_bytes())).into_owned(),
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
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
        for long in [[b'x'; 2000], [b' '; 2000]] {
            let header = Header::unstructured("Subject", &long);
            assert!(header.fits() && text(&header).contains("=?UTF-8?B?"));
        }
    }

    #[test]
    fn text_that_looks_encoded_arrives_as_it_is() {
        let word = "=?UTF-8?Q?x?=";
        let header = Header::unstructured("Subject", word.as_bytes());
        assert_ne!(text(&header), format!("Subject: {word}\n"));
        assert_eq!(decode(&header.as_bytes()["Subject: ".len()..]).trim(), word);
        let header = Header::with_words("Subject", word.as_bytes());
        assert_eq!(text(&header), format!("Subject: {word}\n"));
        let mixed = "\u{e9} =?UTF-8?Q?x?=";
        let header = Header::with_words("Subject", mixed.as_bytes());
        assert_eq!(
            decode(&header.as_bytes()["Subject: ".len()..]).trim(),
            "\u{e9} x"
        );
    }

    #[test]
    fn quoted_strings_end_where_they_should() {
        assert_eq!(quoted_string(b"a\"b\\c\nd"), b"\"a\\\"b\\\\c d\"");
    }

    #[test]
    fn names_stand_before_addresses() {
        let phrase = |name| phrase(name).unwrap_or_default();
        assert_eq!(phrase("Mail Sieve Subsystem"), "Mail Sieve Subsystem");
        assert_eq!(phrase("Doe, Bob \"B\""), "\"Doe, Bob \\\"B\\\"\"");
        assert_eq!(phrase("=?UTF-8?Q?x?="), "\"=?UTF-8?Q?x?=\"");
        assert_eq!(phrase("J\u{fc}rgen"), "=?UTF-8?B?SsO8cmdlbg==?=");
        assert_eq!(phrase("a\u{202e}b\r\nBcc: x"), "\"ab Bcc: x\"");
        assert_eq!(phrase("\u{202e} \n"), "");
    }

    proptest! {
        #[test]
        fn every_value_is_one_field_of_short_lines(value in prop::collection::vec(any::<u8>(), 0..3000)) {
            for header in [Header::unstructured("Subject", &value), Header::with_words("Subject", &value)] {
                let lines: Vec<&[u8]> = header.as_bytes().split(|&b| b == b'\n').collect();
                prop_assert_eq!(lines[lines.len() - 1], b"");
                prop_assert!(lines[0].starts_with(b"Subject:"));
                for line in &lines[1..lines.len() - 1] {
                    prop_assert!(line.starts_with(b" ") && line.iter().any(|&b| b != b' '));
                }
                prop_assert!(lines.iter().all(|line| line.len() <= MAX_LINE && line.is_ascii()));
                prop_assert!(header.as_bytes().iter().all(|&b| b == b'\n' || !b.is_ascii_control()));
            }
        }

        /// RFC 2047 section 2: a line with an encoded word has at most 76 characters.
        #[test]
        fn lines_with_encoded_words_are_short(value in "\\PC{0,300}") {
            let header = Header::unstructured("Subject", format!("\u{fc}{value}").as_bytes());
            prop_assert!(header.as_bytes().split(|&b| b == b'\n').all(|line| line.len() <= FOLD));
        }

        #[test]
        fn unfolding_gives_ascii_text_back(value in "[ -~]{0,300}") {
            prop_assume!(!value.contains("=?"));
            let header = Header::unstructured("Subject", value.as_bytes());
            let unfolded = text(&header).trim_end_matches('\n').replace('\n', "");
            prop_assert_eq!(unfolded, format!("Subject: {value}"));
        }

        #[test]
        fn a_name_is_one_phrase(name in any::<String>()) {
            let phrase = phrase(&name).unwrap_or_default();
            prop_assert!(phrase.is_ascii() && !phrase.contains(|c: char| c.is_ascii_control()));
            let open = phrase.replace("\\\\", "").replace("\\\"", "");
            let quotes = open.matches('"').count();
            prop_assert!(quotes == 0 && phrase.chars().all(|c| c == ' ' || is_atext(c))
                || quotes == 2 && open.starts_with('"') && open.ends_with('"'));
        }
    }
}
