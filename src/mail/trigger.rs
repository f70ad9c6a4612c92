//! The message that a Sieve script notifies about: what its header says that matters for a mail about it.
//!
//! Cyrus stages it with a first line of its own, `Return-Path: <sender>` (`imap/lmtpengine.c`). The rest came from
//! anywhere: bytes in any character set, lines of any length, no header at all. Nothing of that is an error.

use super::auto_submitted::is_automatic;
use super::encoded_word::decode;
use super::header::without_controls;

/// How much of a message is worth reading, in bytes: headers are seldom larger than a tenth of it.
pub const MAX_HEADER: u64 = 256 << 10;
/// The longest Message-ID that is passed on, in octets.
const MAX_ID: usize = 250;
/// How many Message-IDs of a thread are passed on.
const MAX_REFERENCES: usize = 20;

/// Who is told when the message cannot be delivered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ReturnPath {
    /// Not known.
    #[default]
    Absent,
    /// Nobody (`<>`).
    Empty,
    /// Somebody: what stands between the brackets.
    Sender(String),
}

/// The header of a message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trigger {
    /// Its envelope sender.
    pub return_path: ReturnPath,
    /// Whether a program made it (RFC 3834 section 5).
    pub automatic: bool,
    /// Its Message-ID, with the brackets.
    pub message_id: Option<String>,
    /// The Message-IDs in its References, or in In-Reply-To when it has no References.
    pub references: Vec<String>,
    /// Its Subject, unfolded; may have encoded words.
    pub subject: Option<Vec<u8>>,
    /// Its From, unfolded; may have encoded words.
    pub from: Option<Vec<u8>>,
}

impl Trigger {
    /// Reads the beginning of a message.
    pub fn parse(message: &[u8]) -> Trigger {
        let mut trigger = Trigger::default();
        let (mut references, mut in_reply_to) = (Vec::new(), Vec::new());
        for (n, (name, value)) in fields(message).into_iter().enumerate() {
            match name.to_ascii_lowercase().as_slice() {
                // Only the first line is Cyrus'.
                b"return-path" if n == 0 => trigger.return_path = return_path(&value),
                // There should be one; any of several counts.
                b"auto-submitted" => trigger.automatic |= is_automatic(&value),
                b"message-id" if trigger.message_id.is_none() => {
                    trigger.message_id = ids(&value).into_iter().next();
                }
                b"references" if references.is_empty() => references = ids(&value),
                b"in-reply-to" if in_reply_to.is_empty() => in_reply_to = ids(&value),
                b"subject" if trigger.subject.is_none() => trigger.subject = Some(value),
                b"from" if trigger.from.is_none() => trigger.from = Some(value),
                _ => {}
            }
        }
        trigger.references = match references.is_empty() {
            // RFC 5322 section 3.6.4: only when there is one parent.
            true if in_reply_to.len() == 1 => in_reply_to,
            _ => references,
        };
        trigger
    }

    /// What References of a mail about it are (RFC 5322 section 3.6.4); empty for none.
    pub fn thread(&self) -> Vec<&str> {
        let all = self.references.iter().chain(&self.message_id);
        let all: Vec<&str> = all.map(String::as_str).collect();
        match all.as_slice() {
            // The first is the root of the thread, the last ones its nearest messages.
            [first, rest @ ..] if all.len() > MAX_REFERENCES => {
                let last = &rest[rest.len() + 1 - MAX_REFERENCES..];
                [&[*first], last].concat()
            }
            _ => all,
        }
    }

    /// Its Subject, decoded.
    pub fn subject_text(&self) -> String {
        self.subject.as_deref().map(decode).unwrap_or_default()
    }

    /// Its From, decoded.
    pub fn from_text(&self) -> String {
        self.from.as_deref().map(decode).unwrap_or_default()
    }
}

/// Names and unfolded values of the header, in order. What is no field is skipped.
fn fields(message: &[u8]) -> Vec<(&[u8], Vec<u8>)> {
    let mut fields: Vec<(&[u8], Vec<u8>)> = Vec::new();
    for line in message.split(|&b| b == b'\n') {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.is_empty() {
            break;
        }
        if line[0] == b' ' || line[0] == b'\t' {
            if let Some((_, value)) = fields.last_mut() {
                value.extend(without_controls(line));
            }
        } else if let Some(colon) = line.iter().position(|&b| b == b':') {
            let value = without_controls(&line[colon + 1..]);
            fields.push((line[..colon].trim_ascii_end(), value));
        } else {
            // Its continuations are not the field's before it.
            fields.push((b"", Vec::new()));
        }
    }
    for (_, value) in &mut fields {
        *value = value.trim_ascii().to_vec();
    }
    fields
}

fn return_path(value: &[u8]) -> ReturnPath {
    let inside = value.strip_prefix(b"<").unwrap_or(value);
    let inside = inside.strip_suffix(b">").unwrap_or(inside).trim_ascii();
    match inside.is_empty() {
        true => ReturnPath::Empty,
        false => ReturnPath::Sender(String::from_utf8_lossy(inside).into_owned()),
    }
}

/// The Message-IDs in a value. What is no Message-ID, or is too long for one, is left out.
fn ids(value: &[u8]) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = value;
    while let Some(start) = rest.iter().position(|&b| b == b'<') {
        rest = &rest[start..];
        let Some(end) = rest.iter().position(|&b| b == b'>') else {
            break;
        };
        let id = &rest[..=end];
        let right = id.len() <= MAX_ID
            && id.len() > 2
            && id.iter().all(u8::is_ascii_graphic)
            && !id[1..].contains(&b'<');
        if right {
            found.push(String::from_utf8_lossy(id).into_owned());
        }
        rest = &rest[end + 1..];
    }
    found
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_usual_message() {
        let trigger = Trigger::parse(
            b"Return-Path: <bob@example.net>\r\nReceived: from x\r\n\tby y\r\nMessage-ID: <1@x>\r\n\
              References: <a@x>\r\n <b@x>\r\nIn-Reply-To: <b@x>\r\nFrom: Bob\r\n <bob@example.net>\r\n\
              Subject: =?UTF-8?Q?Gr=C3=BC=C3=9Fe?=\r\n\r\nSubject: not this\r\n",
        );
        assert_eq!(
            trigger.return_path,
            ReturnPath::Sender("bob@example.net".into())
        );
        assert!(!trigger.automatic);
        assert_eq!(trigger.thread(), ["<a@x>", "<b@x>", "<1@x>"]);
        assert_eq!(trigger.from_text(), "Bob <bob@example.net>");
        assert_eq!(trigger.subject_text(), "Gr\u{fc}\u{df}e");
    }

    #[test]
    fn the_first_line_is_the_only_return_path() {
        let path = |text: &str| Trigger::parse(text.as_bytes()).return_path;
        assert_eq!(path("Return-Path: <>\nSubject: x\n\n"), ReturnPath::Empty);
        assert_eq!(path("return-path:\t< >\n"), ReturnPath::Empty);
        assert_eq!(path("Subject: x\nReturn-Path: <>\n\n"), ReturnPath::Absent);
        assert_eq!(
            path("Return-Path: <a>\nReturn-Path: <>\n"),
            ReturnPath::Sender("a".into())
        );
        assert_eq!(path(""), ReturnPath::Absent);
    }

    #[test]
    fn any_field_may_say_that_it_is_automatic() {
        let automatic = |text: &str| Trigger::parse(text.as_bytes()).automatic;
        assert!(!automatic("Auto-Submitted: no (really)\n\n"));
        assert!(automatic(
            "Auto-Submitted: no\nauto-submitted:\n auto-replied\n\n"
        ));
        assert!(automatic("AUTO-SUBMITTED : auto-generated\n"));
        assert!(!automatic("Subject: x\n\nAuto-Submitted: auto-replied\n"));
    }

    #[test]
    fn only_message_ids_are_passed_on() {
        let long = format!("<{}@x>", "a".repeat(300));
        let many: String = (0..50).map(|n| format!(" <{n}@x>")).collect();
        let trigger = |fields: &str| Trigger::parse(fields.as_bytes());
        let odd = trigger(&format!(
            "References: a <b c@x> {long} <<d@x> <> <\u{e9}@x> <e@x> <f\n"
        ));
        assert_eq!(odd.thread(), ["<e@x>"]);
        let long = trigger(&format!("References:{many}\nMessage-ID: <last@x>\n"));
        assert_eq!(long.thread().len(), MAX_REFERENCES);
        assert_eq!((long.thread()[0], long.thread()[19]), ("<0@x>", "<last@x>"));
        assert_eq!(trigger("In-Reply-To: <a@x>\n").thread(), ["<a@x>"]);
        assert!(trigger("In-Reply-To: <a@x> <b@x>\n").thread().is_empty());
    }

    #[test]
    fn long_lines_and_no_header() {
        let long = [b"Subject: ".to_vec(), vec![b'x'; 100_000]].concat();
        assert_eq!(Trigger::parse(&long).subject.unwrap().len(), 100_000);
        assert_eq!(
            Trigger::parse(b"\0\xff no header\n at all"),
            Trigger::default()
        );
        let odd = Trigger::parse(b"Subject: a\nno field\n b\nFrom: c\n");
        assert_eq!(
            (odd.subject_text(), odd.from_text()),
            ("a".into(), "c".into())
        );
    }

    proptest! {
        #[test]
        fn anything_is_read(message in prop::collection::vec(any::<u8>(), 0..500)) {
            let trigger = Trigger::parse(&message);
            for id in trigger.thread() {
                prop_assert!(id.bytes().all(|b| b.is_ascii_graphic()) && id.len() <= MAX_ID);
            }
            for value in [trigger.subject, trigger.from].into_iter().flatten() {
                prop_assert!(!value.iter().any(u8::is_ascii_control));
            }
        }
    }
}
