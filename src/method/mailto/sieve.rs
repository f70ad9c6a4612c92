//! Mail that a Sieve script asks for (RFC 5435, RFC 5436), and any other notification with an address in its options.
//!
//! Cyrus sends the script's mailto URI as the first option, `:message` as the message with two line ends behind it, and
//! `:importance` as the priority. It sends neither `:from` nor the envelope; what the envelope was is in the first line of
//! the message that the mail is about, when that was kept ([`crate::mail::trigger`]).
//!
//! There are two styles. `cyrus` has the From, the Subject, the body and the envelope sender (`<>`) that
//! Cyrus' own notifyd gives each mail, `rfc5436` those of RFC 5436 section 2.7. The rest is the same in both.

use super::super::Delivery;
use super::mail::{Composed, Mail, Notes, Once};
use super::office::Office;
use crate::config::toml::{OwnerForm, Style};
use crate::mail::Message;
use crate::mail::address::{Address, Mailbox};
use crate::mail::encoded_word;
use crate::mail::header::Header;
use crate::mail::template::{self, Words};
use crate::mail::trigger::{MAX_HEADER, ReturnPath, Trigger};
use crate::mail::uri::MailtoUri;
use crate::system::syslog::printable;
use crate::wire::Notification;
use ring::digest::{SHA256, digest};
use serde_json::{Value, json};
use std::fs::File;
use std::io::Read as _;
use std::path::Path;
use std::time::Duration;

/// What Cyrus calls its Sieve in X-Sieve (`sieve/sieve_interface.h`).
const SIEVE_VERSION: &[u8] = b"CMU Sieve 3.0";
/// How long it is known who was told about a message: a script has run to its end long before.
const TOLD: Duration = Duration::from_secs(86_400);
/// How much of a stranger's text is in one line of the log.
const MAX_SHOWN: usize = 300;

mod actions;

/// What a mail is made of.
struct Case<'a> {
    office: &'a Office,
    delivery: &'a Delivery,
    uri: MailtoUri,
    /// The message that it is about.
    trigger: Option<Trigger>,
}

/// The mail that `delivery` leads to.
pub(super) fn compose(office: &Office, delivery: &Delivery, notes: &mut Notes) -> Composed {
    let n = &delivery.notification;
    let Some(option) = n.options.first() else {
        return Composed::Nothing("no recipient: the notification has no address".into());
    };
    let uri = match MailtoUri::parse(option) {
        Ok(uri) => uri,
        Err(why) => return Composed::Wrong(printable(why.as_bytes(), MAX_SHOWN)),
    };
    let begin = beginning(&delivery.message_file);
    let trigger = begin.as_deref().map(Trigger::parse);
    if let Some(why) = trigger.as_ref().and_then(|t| no_mail_about(office, t)) {
        return Composed::Nothing(why.into());
    }
    if !uri.ignored.is_empty() {
        let ignored = printable(uri.ignored.join(", ").as_bytes(), MAX_SHOWN);
        let user = printable(&n.user, MAX_SHOWN);
        notes.warnings.push(format!(
            "mailto: not taken from the URI in a script of user {user}: {ignored}"
        ));
    }
    let case = Case {
        office,
        delivery,
        uri,
        trigger,
    };
    let Some(message) = case.message() else {
        return Composed::Wrong("a header field does not fit in a line".into());
    };
    Composed::Mails(vec![Mail {
        sender: case.sender(),
        message,
        recipients: case.uri.to.into_iter().chain(case.uri.cc).collect(),
        owner: n.user.clone(),
        once: begin.map(|begin| once(n, &begin)),
        until: None,
        wanted: None,
        remember: Vec::new(),
    }])
}

/// The beginning of the message that the mail is about; none when it was not kept, which is normal.
fn beginning(file: &Path) -> Option<Vec<u8>> {
    let mut begin = Vec::new();
    let file = File::open(file).ok()?;
    file.take(MAX_HEADER).read_to_end(&mut begin).ok()?;
    Some(begin)
}

/// Why nobody is told about this message: such mails would go round for ever (RFC 5435 section 8, RFC 5436 section 2.7).
fn no_mail_about(office: &Office, trigger: &Trigger) -> Option<&'static str> {
    if trigger
        .message_id
        .as_ref()
        .is_some_and(|id| office.is_ours(id))
    {
        return Some("no mail: the message that it is about is a mail of ours");
    }
    let automatic = "no mail: the message that it is about was sent by a program (Auto-Submitted)";
    trigger.automatic.then_some(automatic)
}

/// One script tells nobody twice about one message (RFC 5436 section 2.7). Cyrus gives names of staged messages again
/// within a second, and copies of ours have inodes of their own: so it is the name with what the header says.
fn once(n: &Notification, begin: &[u8]) -> Once {
    let name = n.fname.as_deref().unwrap_or_default();
    let message = digest(&SHA256, begin);
    let identity = digest(&SHA256, &[name, b"\0", message.as_ref()].concat());
    Once {
        key: [n.user.as_slice(), b"\0", identity.as_ref()].concat(),
        keep: TOLD,
    }
}

impl Case<'_> {
    fn style(&self) -> Style {
        self.office.config.mailto.style
    }

    /// Whether only the operator shall know whose script it is (RFC 3834 section 3.1.1: no login names).
    fn hides_user(&self) -> bool {
        self.office.config.mailto.owner == OwnerForm::Token
    }

    /// The envelope sender. Nobody hears of a mail about one that has no sender itself, or none that we know.
    fn sender(&self) -> Option<Address> {
        let known = |trigger: &Trigger| matches!(trigger.return_path, ReturnPath::Sender(_));
        match self.style() {
            Style::Rfc5436 if self.trigger.as_ref().is_some_and(known) && !self.hides_user() => {
                self.office.user(&self.delivery.notification.user)
            }
            _ => None,
        }
    }

    /// `None` when a field does not fit.
    fn message(&self) -> Option<Message> {
        let n = &self.delivery.notification;
        let mut message = self
            .office
            .begin(self.delivery, 0)?
            .field(Header::structured("X-Sieve", SIEVE_VERSION)?)
            .field(self.from()?);
        for (name, addresses) in [("To", &self.uri.to), ("Cc", &self.uri.cc)] {
            if !addresses.is_empty() {
                message = message.field(Header::structured(name, list(addresses).as_bytes())?);
            }
        }
        let words = match self.style() {
            Style::Cyrus => None,
            Style::Rfc5436 => Some(self.words()),
        };
        let subject = match &words {
            None => [b"[", n.class.as_slice(), b"] New mail notification"].concat(),
            Some(words) => words.subject.clone().into_bytes(),
        };
        message = message
            .field(Header::unstructured("Subject", &subject))
            .field(Header::structured(
                "Auto-Submitted",
                &self.office.auto_notified(&n.user),
            )?);
        if let Some(trigger) = &self.trigger
            && let thread = trigger.thread()
            && !thread.is_empty()
        {
            let thread = thread.join(" ");
            message = message.field(Header::structured("References", thread.as_bytes())?);
        }
        for (name, value) in self.other_fields() {
            message = message.field(Header::with_words(&name, value.as_bytes()));
        }
        Some(match &words {
            None => message.text(self.stock_text()),
            Some(words) => message.content(words, self.office.config.mailto.html.0, &[]),
        })
    }

    fn from(&self) -> Option<Header> {
        let user = || {
            self.office
                .user(&self.delivery.notification.user)
                .map(Mailbox::from)
        };
        let mailbox = match (self.office.own_from(), self.style()) {
            (None, Style::Rfc5436) if !self.hides_user() => user(),
            (own, _) => own,
        };
        match mailbox {
            Some(mailbox) => Header::structured("From", mailbox.in_header().as_bytes()),
            None => self.office.stock_from(),
        }
    }

    /// The fields that `:importance` leads to, and those of the URI. A script's `:importance` goes before its URI; but
    /// Cyrus sends `normal` for a script without `:importance` too, and so what is normal gives way to the URI.
    fn other_fields(&self) -> Vec<(String, String)> {
        let mut fields = self.uri.fields.clone();
        let is_importance = |(name, _): &(String, String)| {
            let names = ["importance", "priority", "x-priority"];
            names.iter().any(|n| n.eq_ignore_ascii_case(name))
        };
        let (importance, number) = match self.delivery.notification.priority.as_slice() {
            b"high" => ("High", "1"),
            b"normal" if !fields.iter().any(is_importance) => ("Normal", "3"),
            b"low" => ("Low", "5"),
            _ => return fields,
        };
        fields.retain(|field| !is_importance(field));
        fields.insert(0, ("Importance".into(), importance.into()));
        fields.insert(1, ("X-Priority".into(), number.into()));
        fields
    }

    /// The body as Cyrus' own notifyd sends it.
    fn stock_text(&self) -> &[u8] {
        let message = &self.delivery.notification.message;
        match self.office.config.mailto.actions.0 {
            true => message,
            false => actions::without(message),
        }
    }

    /// Subject and body from the templates.
    fn words(&self) -> Words {
        let values = self.values();
        let user = &self.delivery.notification.user;
        let mut words = self.office.words("sieve", user, &values);
        if words.subject.trim().is_empty() {
            words.subject = template::subject(values["subject"].as_str().unwrap_or_default());
        }
        words
    }

    /// What templates can say.
    fn values(&self) -> Value {
        let n = &self.delivery.notification;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let trigger = self.trigger.clone().unwrap_or_default();
        json!({
            "subject": subject(&text(said(&n.message)), &self.uri, &trigger),
            "body": self.uri.body.clone().unwrap_or_default(),
            "class": text(&n.class),
            "priority": text(&n.priority),
            "user": if self.hides_user() { String::new() } else { text(&n.user) },
            "mailbox": text(&n.mailbox),
            "trigger": { "subject": trigger.subject_text(), "from": trigger.from_text() },
        })
    }
}

/// What the script's `:message` said: without what Cyrus puts behind it.
fn said(message: &[u8]) -> &[u8] {
    let text = actions::without(message);
    let end = text.iter().rposition(|b| !matches!(b, b'\r' | b'\n'));
    &text[..end.map_or(0, |end| end + 1)]
}

/// `:message`, else the URI's subject, else that of the message that it is about (RFC 5436 section 2.7).
///
/// When a script has no `:message`, Cyrus sends `$from$: $subject$` filled in, and does not say so (`sieve/sieve.y`). That
/// gives way to the URI's subject, which the script has.
fn subject(said: &str, uri: &MailtoUri, trigger: &Trigger) -> String {
    let default = format!("{}: {}", trigger.from_text(), trigger.subject_text());
    let of_uri = uri.subject.as_deref().unwrap_or_default();
    if !said.is_empty() && (of_uri.is_empty() || said != default) {
        return one_line(said);
    }
    match of_uri {
        "" => one_line(&trigger.subject_text()),
        // It may have encoded words (RFC 6068 section 6.3).
        of_uri => one_line(&encoded_word::decode(of_uri.as_bytes())),
    }
}

fn one_line(text: &str) -> String {
    text.replace("\r\n", " ").replace(char::is_control, " ")
}

fn list(addresses: &[Address]) -> String {
    let all: Vec<String> = addresses
        .iter()
        .map(|a| format!("<{}>", a.in_header()))
        .collect();
    all.join(", ")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
