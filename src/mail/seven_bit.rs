//! A message for a server that takes only seven bits (RFC 6152 section 3).

use super::body::quoted_printable;

const FIELD: &[u8] = b"content-transfer-encoding:";

/// `message` with its body as quoted-printable (RFC 2045 section 6.7), when it is one part with `8BIT` and its header is
/// ASCII, as our plain texts are; `None` for any other.
pub fn recode(message: &[u8]) -> Option<Vec<u8>> {
    let end = message.windows(2).position(|two| two == b"\n\n")?;
    let (head, body) = (&message[..=end], &message[end + 2..]);
    let fields: Vec<&[u8]> = head.split_inclusive(|b| *b == b'\n').collect();
    let at = fields.iter().position(|line| {
        line.get(..FIELD.len())
            .is_some_and(|name| name.eq_ignore_ascii_case(FIELD))
    })?;
    let value = fields[at][FIELD.len()..].trim_ascii();
    if !value.eq_ignore_ascii_case(b"8bit") || !head.is_ascii() {
        return None;
    }
    let mut out = Vec::with_capacity(message.len() * 2);
    for (n, line) in fields.iter().enumerate() {
        match n == at {
            true => out.extend_from_slice(b"Content-Transfer-Encoding: QUOTED-PRINTABLE\n"),
            false => out.extend_from_slice(line),
        }
    }
    out.push(b'\n');
    out.extend(quoted_printable(body));
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::Message;
    use crate::mail::header::Header;

    #[test]
    fn a_plain_text_is_recoded() {
        let message = Message::new()
            .field(Header::unstructured("Subject", b"a"))
            .text("Gr\u{fc}\u{df}e = \n".as_bytes());
        let got = recode(&message.to_bytes()).unwrap();
        assert_eq!(
            String::from_utf8(got).unwrap(),
            "Subject: a\nMIME-Version: 1.0\nContent-Type: text/plain; charset=UTF-8\n\
             Content-Transfer-Encoding: QUOTED-PRINTABLE\n\nGr=C3=BC=C3=9Fe =3D=20\n\n"
        );
    }

    #[test]
    fn what_is_anything_else_stays() {
        for message in [
            "a: b\n\n\u{fc}\n",
            "To: \u{fc}\nContent-Transfer-Encoding: 8bit\n\n\u{fc}\n",
            "Content-Transfer-Encoding: base64\n\n\u{fc}\n",
            "\u{fc}",
        ] {
            assert_eq!(recode(message.as_bytes()), None, "{message}");
        }
    }
}
