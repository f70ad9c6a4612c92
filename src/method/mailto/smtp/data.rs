//! A message as it goes over the wire (RFC 5321 sections 2.3.8 and 4.5.2).

/// `message`, its lines ended by CRLF, those that begin with a dot with one more, and the lone dot that ends it.
///
/// A CR alone ends a line as well: whichever of CR, LF and CRLF a server takes for the end of a line, none begins with
/// a dot that is not doubled, so that nothing in a message can end it.
pub(super) fn with_dots(message: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(message.len() + message.len() / 32 + 16);
    for line in lines(message) {
        if line.starts_with(b".") {
            out.push(b'.');
        }
        out.extend_from_slice(line);
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b".\r\n");
    out
}

/// The same for who adds the dots and the last line's end.
pub(super) fn without_dots(message: &[u8]) -> Vec<u8> {
    let lines: Vec<&[u8]> = lines(message).collect();
    lines.join(b"\r\n".as_slice())
}

/// The lines of `message` without their ends.
fn lines(message: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(message).filter(|message| !message.is_empty());
    std::iter::from_fn(move || {
        let text = rest?;
        let end = text.iter().position(|b| matches!(b, b'\r' | b'\n'));
        let line = &text[..end.unwrap_or(text.len())];
        let after = end.map_or(text.len(), |end| {
            end + 1 + usize::from(text[end..].starts_with(b"\r\n"))
        });
        rest = Some(&text[after..]).filter(|rest| !rest.is_empty());
        Some(line)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn lines_and_dots() {
        for (message, sent) in [
            ("a\nb\n", "a\r\nb\r\n.\r\n"),
            ("a\nb", "a\r\nb\r\n.\r\n"),
            (".\n", "..\r\n.\r\n"),
            ("h\n\n.a\n..\n", "h\r\n\r\n..a\r\n...\r\n.\r\n"),
            ("a\r\nb\r\n", "a\r\nb\r\n.\r\n"),
            ("a\r.\rb\n", "a\r\n..\r\nb\r\n.\r\n"),
            ("a\n\n", "a\r\n\r\n.\r\n"),
            ("", ".\r\n"),
        ] {
            assert_eq!(with_dots(message.as_bytes()), sent.as_bytes(), "{message}");
        }
        assert_eq!(without_dots(b"a\n.b\n"), b"a\r\n.b");
    }

    proptest! {
        /// A server that reads by RFC 5321 gets the lines back, and no server sees an end before the end.
        #[test]
        fn every_message_arrives_and_ends_where_it_should(message in "[a.\r\n]{0,60}") {
            let sent = with_dots(message.as_bytes());
            let body = sent.strip_suffix(b".\r\n").unwrap();
            prop_assert!(body.is_empty() || body.ends_with(b"\r\n"));
            let got: Vec<&[u8]> = body
                .split_inclusive(|b| *b == b'\n')
                .map(|line| line.strip_suffix(b"\r\n").unwrap())
                .collect();
            for line in &got {
                prop_assert!(*line != b"." && !line.contains(&b'\r'));
            }
            let got: Vec<&[u8]> = got.iter().map(|line| line.strip_prefix(b".").unwrap_or(line)).collect();
            let want: Vec<&[u8]> = lines(message.as_bytes()).collect();
            prop_assert_eq!(got, want);
        }
    }
}
