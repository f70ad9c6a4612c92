//! The INBOX of a user, by IMAP, and the mails in it, parsed.

use super::clients::Imap;
use super::server::Server;
use mail_parser::{Address, Message, MessageParser, MimeHeaders};
use std::fmt::Write as _;
use std::rc::Rc;

/// A mail as it lies in the INBOX.
pub(super) struct Received {
    raw: Vec<u8>,
    message: Message<'static>,
}

impl Received {
    fn new(raw: Vec<u8>) -> Received {
        let parsed = MessageParser::default().parse(&raw);
        let message = parsed.expect("a message").into_owned();
        Received { raw, message }
    }

    /// The value of the one field of that name, unfolded, otherwise as it stands there; panics when there are several.
    pub(super) fn field(&self, name: &str) -> Option<String> {
        let mut found = self
            .message
            .headers_raw()
            .filter(|(field, _)| field.eq_ignore_ascii_case(name));
        let value = found.next().map(|(_, value)| value);
        assert!(found.next().is_none(), "two fields {name} in\n{self}");
        value.map(|value| value.replace("\r\n", "").trim().to_owned())
    }

    /// Panics when there is no such field, or another value in it.
    pub(super) fn has_field(&self, name: &str, wanted: &str) {
        let value = self.field(name);
        assert_eq!(value.as_deref(), Some(wanted), "{name}, in\n{self}");
    }

    /// Whether the mail server says in it that a mail could not be delivered.
    pub(super) fn is_bounce(&self) -> bool {
        self.from() == ["MAILER-DAEMON@cyr.test"]
    }

    /// Subject, decoded.
    pub(super) fn subject(&self) -> &str {
        self.message.subject().unwrap_or_default()
    }

    /// The addresses in From.
    pub(super) fn from(&self) -> Vec<&str> {
        addresses(self.message.from())
    }

    /// The addresses in To.
    pub(super) fn to(&self) -> Vec<&str> {
        addresses(self.message.to())
    }

    /// The addresses in Cc.
    pub(super) fn cc(&self) -> Vec<&str> {
        addresses(self.message.cc())
    }

    /// The text part, decoded, its lines ended by LF.
    pub(super) fn text(&self) -> String {
        let text = self.message.body_text(0).unwrap_or_default();
        text.replace("\r\n", "\n")
    }

    /// The HTML part, decoded; none when the text is all there is.
    pub(super) fn html(&self) -> Option<String> {
        let mut parts = self.message.html_bodies();
        let part = parts.find(|part| part.is_text_html())?;
        Some(String::from_utf8(part.contents().to_vec()).expect("UTF-8"))
    }

    /// The parameters of the part of type text/calendar, as `name=value`, and its text. It may be there twice, for
    /// programs that act upon it and for those that store it.
    pub(super) fn calendar(&self) -> Option<(Vec<String>, String)> {
        let parts = self.message.parts.iter();
        let mut calendars = parts.filter(|part| part.is_content_type("text", "calendar"));
        let part = calendars.next()?;
        let same = calendars.all(|other| other.contents() == part.contents());
        assert!(same, "two different calendars in\n{self}");
        let attributes = part.content_type().and_then(|kind| kind.attributes());
        let parameters = attributes
            .unwrap_or_default()
            .iter()
            .map(|attribute| format!("{}={}", attribute.name, attribute.value));
        let text = String::from_utf8(part.contents().to_vec()).expect("UTF-8");
        Some((parameters.collect(), text))
    }

    /// What holds for each mail of ours (RFC 5322 sections 2.1.1 and 3.6, RFC 2045): it would go through any server.
    pub(super) fn is_proper(&self) {
        assert!(self.message.date().is_some(), "Date, in\n{self}");
        let id = self.field("Message-ID").unwrap_or_default();
        let proper = id.starts_with('<') && id.ends_with("@cyr.test>");
        assert!(proper, "Message-ID {id}, in\n{self}");
        assert_eq!(self.from().len(), 1, "From, in\n{self}");
        let version = self.field("MIME-Version");
        let plain = self.field("Content-Type").is_none();
        assert!(plain || version.as_deref() == Some("1.0"), "in\n{self}");
        let all = String::from_utf8_lossy(&self.raw);
        let (header, body) = all.split_once("\r\n\r\n").expect("an empty line");
        assert!(header.is_ascii(), "8-bit bytes in the header of\n{self}");
        let encoding = self.field("Content-Transfer-Encoding").unwrap_or_default();
        let eight = encoding.eq_ignore_ascii_case("8bit");
        assert!(eight || body.is_ascii(), "8-bit bytes in\n{self}");
        assert!(all.lines().all(|line| line.len() <= 998), "in\n{self}");
    }

    /// Whether `text` is anywhere in its text or its subject.
    pub(super) fn says(&self, text: &str) -> bool {
        self.subject().contains(text) || self.text().contains(text)
    }
}

impl std::fmt::Display for Received {
    fn fmt(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        String::from_utf8_lossy(&self.raw).fmt(to)
    }
}

fn addresses<'a>(list: Option<&'a Address<'_>>) -> Vec<&'a str> {
    let all = list.into_iter().flat_map(Address::iter);
    all.map(|one| one.address().unwrap_or_default()).collect()
}

/// A user's INBOX.
pub(super) struct Inbox {
    imap: Imap,
    next: u32,
    mails: Vec<Rc<Received>>,
}

impl Inbox {
    pub(super) fn open(server: &Server, user: &str) -> Inbox {
        let mut imap = server.imap(user);
        imap.command("SELECT INBOX");
        Inbox {
            imap,
            next: 1,
            mails: Vec::new(),
        }
    }

    /// All that is in it now.
    pub(super) fn look(&mut self) -> &[Rc<Received>] {
        self.imap.command("NOOP");
        let command = format!("UID FETCH {}:* (UID BODY.PEEK[])", self.next);
        let found = self.imap.literals(&command);
        for (line, raw) in found.unwrap_or_else(|error| panic!("{command}: {error}")) {
            // The last mail comes again when there is none beyond it.
            if let Some(uid) = uid(&line).filter(|uid| *uid >= self.next) {
                self.next = uid + 1;
                self.mails.push(Rc::new(Received::new(raw)));
            }
        }
        &self.mails
    }

    /// A line for each of the last mails that were seen, for a test that failed.
    pub(super) fn list(&self) -> String {
        const LAST: usize = 12;
        let mut list = format!("  {} mails\n", self.mails.len());
        for mail in &self.mails[self.mails.len().saturating_sub(LAST)..] {
            let id = mail.field("Message-ID").unwrap_or_default();
            let text = mail.text();
            let start: String = text.chars().take(60).collect();
            writeln!(list, "  {id} {:?} {start:?}", mail.subject()).unwrap();
        }
        list
    }
}

fn uid(line: &str) -> Option<u32> {
    let rest = line.split_once("UID ")?.1;
    rest.split(' ').next()?.parse().ok()
}
