//! Invitations, answers and cancellations by mail (iMIP, RFC 6047): class `IMIP`, which httpd sends when imapd.conf has
//! `imipnotifier` (`imap/http_caldav_sched.c`). Cyrus hands them over *instead of* sending them: what is not mailed
//! here reaches nobody. It does so for recipients elsewhere alone; those of the same server have it in their calendars.
//!
//! One mail a notification, from the person who invites or answers: words, and the iCalendar object as another form of
//! them (`text/calendar; method=…`), which calendar programs act upon. The same is there as a file, for others.

use super::super::Delivery;
use super::mail::{Composed, Mail, Once};
use super::notice::{self, digest, server};
use super::office::Office;
use super::repeats::dates;
use super::when::{appointment, mailbox, mailbox_of, name_and_email, out_of_utc, parts};
use crate::event::{Event, Param};
use crate::mail::Message;
use crate::mail::address::{Address, Mailbox};
use crate::mail::calendar::read::{Object, object};
use crate::mail::calendar::{Person, unquoted};
use crate::mail::mime::Part;
use crate::system::syslog::printable;
use jiff::tz::TimeZone;
use serde_json::{Map, Value, json};
use std::time::Duration;

mod changes;

use changes::Changes;

/// How long a repeat is known as one: Cyrus stamps each object with the second.
const KEEP: Duration = Duration::from_secs(86_400);
const FILE: &str = "invite.ics";

/// The mail that `delivery` leads to.
pub(super) fn compose(office: &Office, delivery: &Delivery) -> Composed {
    let invitation = match Invitation::read(office, delivery) {
        Ok(invitation) => invitation,
        Err(composed) => return composed,
    };
    let Some(message) = invitation.message(office, delivery) else {
        return Composed::Wrong(notice::UNWRITABLE.into());
    };
    let ical = digest(&[invitation.ical.as_bytes()]);
    Composed::Mails(vec![Mail {
        sender: Some(invitation.sender),
        recipients: vec![invitation.recipient],
        message,
        owner: delivery.notification.user.clone(),
        once: Some(Once {
            key: digest(&[b"imip", &ical]),
            keep: KEEP,
        }),
        until: None,
        wanted: None,
        remember: Vec::new(),
    }])
}

/// What is to be sent.
struct Invitation {
    sender: Address,
    recipient: Address,
    /// In upper case, a word.
    method: String,
    is_update: bool,
    changes: Changes,
    server: String,
    /// The time zone of the recipient, for times in UTC.
    zone: Option<TimeZone>,
    ical: String,
    object: Object,
}

impl Invitation {
    fn read(office: &Office, delivery: &Delivery) -> Result<Invitation, Composed> {
        let n = &delivery.notification;
        let wrong = |why: &str| Composed::Wrong(why.to_owned());
        if n.message.is_empty() {
            let why = "Cyrus sent nothing with it, as 3.6 does for tasks (VTODO): the recipient is not told";
            return Err(wrong(why));
        }
        let event = Event::parse(&n.message).map_err(|error| wrong(&error.to_string()))?;
        let text = |param| event.text(param).unwrap_or_default().into_owned();
        let ical = text(Param::Ical);
        let most = office.config.imip.max_size.0;
        if ical.len() as u64 > most {
            let size = ical.len();
            return Err(Composed::Wrong(format!(
                "the iCalendar object has {size} bytes, [imip] max_size is {most}"
            )));
        }
        let object = object(&ical);
        if object.kind.is_empty() {
            return Err(wrong("there is no iCalendar object in it"));
        }
        let method = Some(text(Param::Method)).filter(|method| !method.is_empty());
        let method = method
            .unwrap_or_else(|| object.method.clone())
            .to_uppercase();
        if !is_word(&method) {
            return Err(wrong("the iCalendar object has no method"));
        }
        let recipient = text(Param::Recipient);
        let recipient = whose(&recipient, &object, mailbox_of).map_err(|why| {
            let shown = printable(recipient.as_bytes(), 100);
            Composed::Wrong(format!("no recipient: {shown} {why}"))
        })?;
        // EMAIL is whatever the user has written there: nobody sends in its name.
        let sender = whose(&text(Param::Sender), &object, |person| mailbox(&person.uri))
            .ok()
            .or_else(|| office.user(&n.user));
        let sender = sender.ok_or_else(|| wrong("the sender has no mail address"))?;
        let recipient = recipient.in_domain(&office.domain);
        Ok(Invitation {
            sender: sender.in_domain(&office.domain),
            zone: office.time_zone(recipient.to_string().as_bytes()),
            recipient,
            method,
            is_update: event.truth(Param::IsUpdate).unwrap_or(false),
            changes: Changes::read(&event, object.event.recurrence.as_ref()),
            server: server(office, None),
            ical,
            object,
        })
    }

    fn message(&self, office: &Office, delivery: &Delivery) -> Option<Message> {
        let values = Value::Object(self.values(&delivery.notification.user));
        // He who reads it may be anybody's user: what is known is his domain at most.
        let reader = self.recipient.to_string();
        let words = office.words("imip", reader.as_bytes(), &values);
        let (from, to) = (
            self.with_name(&self.sender),
            self.with_name(&self.recipient),
        );
        let begun = notice::addressed(office, delivery, 0, from.as_bytes(), to.as_bytes(), &words)?;
        Some(begun.content(&words, office.config.mailto.html.0, &self.parts()))
    }

    /// The person in the object whose address it is.
    fn person(&self, address: &Address) -> Option<&Person> {
        let event = &self.object.event;
        let key = address.key();
        let known = |person: &&Person| {
            mailbox_of(person).is_ok_and(|other| other.key().eq_ignore_ascii_case(&key))
        };
        event
            .attendees
            .iter()
            .chain(&event.organizer)
            .filter(known)
            .max_by_key(|person| !person.name.is_empty())
    }

    fn name(&self, address: &Address) -> &str {
        self.person(address)
            .map_or("", |person| person.name.as_str())
    }

    /// The address with its name before it.
    fn with_name(&self, address: &Address) -> String {
        let name = self.name(address);
        let said = name.eq_ignore_ascii_case(&address.to_string());
        let mailbox = Mailbox {
            name: if said { String::new() } else { name.to_owned() },
            address: address.clone(),
        };
        mailbox.in_header()
    }

    fn parts(&self) -> [Part; 2] {
        let kind = match is_word(&self.object.kind) {
            true => format!("; component={}", self.object.kind),
            false => String::new(),
        };
        let content = self.ical.clone().into_bytes();
        [
            Part {
                content_type: format!("text/calendar; charset=utf-8; method={}{kind}", self.method),
                file: None,
                content: content.clone(),
            },
            Part {
                content_type: format!("application/ics; name={FILE}"),
                file: Some(FILE.into()),
                content,
            },
        ]
    }

    /// What the template gets.
    fn values(&self, user: &[u8]) -> Map<String, Value> {
        let mut values = appointment(&self.object.event, self.zone.as_ref());
        let start = self.object.event.start.as_ref();
        let start = start.map(|start| out_of_utc(start, self.zone.as_ref()));
        let person =
            |address: &Address| json!({ "name": self.name(address), "email": address.to_string() });
        let own = json!({
            "user": String::from_utf8_lossy(user),
            "method": self.method,
            "kind": self.object.kind,
            "is_update": self.is_update,
            "changed": if self.is_update { self.changes.what.as_slice() } else { &[] },
            "before": self.before(),
            "off_the_list": self.is_off_the_list(),
            "others": dates(&self.object.others, start.as_ref(), parts),
            "others_more": self.object.others.more,
            "sender": person(&self.sender),
            "recipient": person(&self.recipient),
            "organizer": self.object.event.organizer.as_ref().map(name_and_email),
            "status": self.answer(),
            "comment": self.object.comment,
            "server": self.server,
        });
        if let Value::Object(own) = own {
            values.extend(own);
        }
        if self.method == "CANCEL" {
            values.shift_remove("join");
        }
        values
    }

    /// When it was, where the time of all of it was changed.
    fn before(&self) -> Option<Map<String, Value>> {
        let before = self.changes.before.as_ref().filter(|_| self.is_update)?;
        Some(appointment(before, self.zone.as_ref()))
    }

    /// Whether it is cancelled for the recipient alone, and takes place.
    fn is_off_the_list(&self) -> bool {
        let event = &self.object.event;
        self.method == "CANCEL" && event.recurrence.is_none() && self.changes.without_somebody
    }

    /// What the sender of an answer says; empty when it is none.
    fn answer(&self) -> &str {
        let attendees = &self.object.event.attendees;
        let sender = attendees.iter().find(|person| {
            mailbox_of(person)
                .is_ok_and(|other| other.key().eq_ignore_ascii_case(&self.sender.key()))
        });
        match (self.method.as_str(), sender.or(attendees.first())) {
            ("REPLY", Some(person)) => &person.status,
            _ => "",
        }
    }
}

/// The address that `sent` means. Cyrus sends the URI of somebody in the object, without its `mailto:`. Up to 3.6 it is
/// still percent-coded then, from 3.8 on it is not: whose URI it is to the letter tells. `address` says what the address
/// of that one is.
///
/// # Errors
/// Why there is none.
fn whose(
    sent: &str,
    object: &Object,
    address: impl Fn(&Person) -> Result<Address, String>,
) -> Result<Address, String> {
    let sent = unquoted(sent);
    let event = &object.event;
    let mut people = event.attendees.iter().chain(&event.organizer);
    let is_meant = |person: &&Person| {
        person.uri.eq_ignore_ascii_case(sent) || person.address().eq_ignore_ascii_case(sent)
    };
    match people.find(is_meant) {
        Some(person) => address(person),
        None => mailbox(sent),
    }
}

/// A word that can stand in a Content-Type as it is.
fn is_word(text: &str) -> bool {
    (1..=40).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod words;
