//! Reads what sendmail got on its stdin, just enough for the tests: fields, body, and the
//! two encodings that ours uses for 8-bit text (RFC 2047 words, quoted-printable).

/// A message, line ends made LF.
#[derive(Clone, Debug)]
pub struct Mail {
    /// Name and value of each field, unfolded, in order.
    pub fields: Vec<(String, Vec<u8>)>,
    /// All after the first empty line.
    pub body: Vec<u8>,
}

impl Mail {
    /// Panics when it isn't a message.
    pub fn parse(stdin: &[u8]) -> Mail {
        let text = lf(stdin);
        let end = text
            .windows(2)
            .position(|w| w == b"\n\n")
            .expect("an empty line ends the header");
        let mut fields: Vec<(String, Vec<u8>)> = Vec::new();
        for line in text[..end].split(|b| *b == b'\n') {
            if line.starts_with(b" ") || line.starts_with(b"\t") {
                fields
                    .last_mut()
                    .expect("a field to go on with")
                    .1
                    .extend_from_slice(line);
                continue;
            }
            let colon = line
                .iter()
                .position(|b| *b == b':')
                .unwrap_or_else(|| panic!("no field: {}", line.escape_ascii()));
            let name = String::from_utf8(line[..colon].to_vec()).expect("ASCII field name");
            fields.push((name, line[colon + 1..].trim_ascii_start().to_vec()));
        }
        Mail {
            fields,
            body: text[end + 2..].to_vec(),
        }
    }
    /// The value of the one field of that name (without case); panics when there are several.
    pub fn field(&self, name: &str) -> Option<&[u8]> {
        let mut found = self
            .fields
            .iter()
            .filter(|(n, _)| n.eq_ignore_ascii_case(name));
        let value = found.next().map(|(_, v)| v.as_slice());
        assert!(
            found.next().is_none(),
            "two fields {name}: {:?}",
            self.fields
        );
        value
    }
    /// The same as text; panics when there is none or it isn't UTF-8.
    pub fn text(&self, name: &str) -> &str {
        let value = self
            .field(name)
            .unwrap_or_else(|| panic!("no field {name}: {:?}", self.fields));
        str::from_utf8(value).expect("UTF-8")
    }
    /// The body with its transfer encoding undone.
    pub fn decoded_body(&self) -> Vec<u8> {
        match self
            .field("Content-Transfer-Encoding")
            .map(<[u8]>::to_ascii_lowercase)
            .as_deref()
        {
            Some(b"quoted-printable") => quoted(&self.body, false),
            Some(b"base64") => base64(&self.body),
            _ => self.body.clone(),
        }
    }
}

impl Mail {
    /// A field value with its encoded words (RFC 2047, UTF-8) decoded.
    pub fn words(value: &str) -> String {
        words(value)
    }
}

/// CRLF made LF.
fn lf(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    for (i, b) in bytes.iter().enumerate() {
        if *b != b'\r' || bytes.get(i + 1) != Some(&b'\n') {
            out.push(*b);
        }
    }
    out
}

/// A field value with its encoded words (RFC 2047, UTF-8) decoded.
fn words(value: &str) -> String {
    let (mut out, mut rest, mut after_word) = (Vec::new(), value, false);
    while let Some(at) = rest.find("=?") {
        let Some((word, next)) = encoded_word(&rest[at..]) else {
            break;
        };
        // White space between two encoded words is no part of the text.
        if !(after_word && rest[..at].trim().is_empty()) {
            out.extend_from_slice(&rest.as_bytes()[..at]);
        }
        out.extend(word);
        (rest, after_word) = (next, true);
    }
    out.extend_from_slice(rest.as_bytes());
    String::from_utf8(out).expect("UTF-8 after decoding")
}

fn encoded_word(text: &str) -> Option<(Vec<u8>, &str)> {
    let mut parts = text.strip_prefix("=?")?.splitn(3, '?');
    let (charset, kind, tail) = (parts.next()?, parts.next()?, parts.next()?);
    let (body, rest) = tail.split_once("?=")?;
    assert!(
        charset.eq_ignore_ascii_case("utf-8"),
        "encoded word in {charset}"
    );
    let bytes = if kind.eq_ignore_ascii_case("q") {
        quoted(body.as_bytes(), true)
    } else {
        base64(body.as_bytes())
    };
    Some((bytes, rest))
}

fn quoted(bytes: &[u8], word: bool) -> Vec<u8> {
    let (mut out, mut i) = (Vec::new(), 0);
    while i < bytes.len() {
        match bytes[i] {
            b'=' if bytes.get(i + 1) == Some(&b'\n') => i += 2,
            b'=' => {
                let digits = str::from_utf8(&bytes[i + 1..i + 3]).expect("hex digits");
                out.push(u8::from_str_radix(digits, 16).expect("hex digits"));
                i += 3;
            }
            b => {
                out.push(if word && b == b'_' { b' ' } else { b });
                i += 1;
            }
        }
    }
    out
}

fn base64(bytes: &[u8]) -> Vec<u8> {
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let (mut out, mut bits, mut count) = (Vec::new(), 0u32, 0);
    for digit in bytes
        .iter()
        .filter_map(|b| DIGITS.iter().position(|d| d == b))
    {
        bits = bits << 6 | u32::try_from(digit).expect("below 64");
        count += 6;
        if count >= 8 {
            count -= 8;
            out.push((bits >> count & 0xff) as u8);
        }
    }
    out
}
