//! Mail for calendar alarms: event `CalendarAlarm`, which calalarmd sends (`imap/caldav_alarm.c`).
//!
//! An alarm whose action is `email` is one mail to each of its recipients (RFC 5545 section 3.6.6), or to the user when
//! it names nobody. What the event has are the texts of the appointment, not those of the alarm. Times are local ones
//! in the zone that the event names; those of an appointment without zone Cyrus takes for UTC, and so do we when we ask
//! how late it is. Cyrus sends no definition of the zone: a name that is not known has no moments, and the alarm counts
//! as due when it came.

mod series;

pub(super) use series::hold_back;

use super::super::Delivery;
use super::mail::{Composed, Mail, Notes, Once};
use super::notice::{self, digest, server};
use super::office::Office;
use super::when::{appointment, mailbox, mailbox_of, parts_or_null};
use crate::config::toml::Recipients;
use crate::event::{Event, Param};
use crate::mail::address::Address;
use crate::mail::calendar::{
    self, Moment, Person, one_line, parameter_text, status, unescape, unquoted, write, zone,
};
use crate::mail::mime::Part;
use crate::system::syslog::printable;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Map, Value, json};
use std::collections::HashSet;
use std::time::{Duration, SystemTime};

/// Recipients of one alarm that get mail at most.
const RECIPIENTS: usize = 100;
/// Attendees that are read at most.
const ATTENDEES: usize = 1000;
/// How long a repeat is known as one.
const KEEP: Duration = Duration::from_secs(86_400);
/// What `timezone` says when there is none.
const FLOATING: &str = "[floating]";

/// The mails that `delivery` leads to.
pub(super) fn compose(office: &Office, delivery: &Delivery, notes: &mut Notes) -> Composed {
    let event = match Event::parse(&delivery.notification.message) {
        Ok(event) => event,
        Err(error) => return Composed::Wrong(error.to_string()),
    };
    let action = text(&event, Param::Action).to_lowercase();
    if action != "email" && !office.config.alarm.display.0 {
        return Composed::Nothing("an alarm for calendar programs; see [alarm] display".into());
    }
    let user = text(&event, Param::UserId);
    let recipients = match recipients(office, &event, user.as_bytes(), notes) {
        Ok(recipients) => recipients,
        Err(nobody) => return nobody,
    };
    let alarm = Alarm::read(&event, delivery.received);
    let values = values(office, &event, &alarm);
    let words = office.words("alarm", user.as_bytes(), &Value::Object(values));
    let parts = file(&event, &alarm.appointment, delivery.received);
    // What all have in common is made once.
    let first = recipients.iter().find_map(|to| {
        let to = std::slice::from_ref(to);
        notice::message(office, delivery, 0, to, &words, &parts)
    });
    let mails = recipients.into_iter().enumerate().filter_map(|(n, to)| {
        let message = notice::readdressed(office, delivery, n, &to, first.as_ref()?)?;
        Some(Mail {
            sender: None,
            recipients: vec![to],
            message,
            owner: user.as_bytes().to_vec(),
            once: Some(once(&event, &user, &action)),
            until: alarm.due.checked_add(office.config.alarm.late.0),
            wanted: Some(alarm.due),
            remember: Vec::new(),
        })
    });
    match mails.collect::<Vec<_>>() {
        none if none.is_empty() => Composed::Wrong(notice::UNWRITABLE.into()),
        mails => Composed::Mails(mails),
    }
}

fn text(event: &Event<'_>, param: Param) -> String {
    event.text(param).unwrap_or_default().into_owned()
}

/// The same alarm again: calalarmd may send it twice when it is started anew. What tells two apart is what every version of
/// Cyrus sends: reminders of two instances of a series may fall together.
fn once(event: &Event<'_>, user: &str, action: &str) -> Once {
    let of = |param| text(event, param);
    let parts = [
        "alarm".to_owned(),
        user.to_owned(),
        of(Param::Uid),
        of(Param::Start),
        action.to_owned(),
        of(Param::AlarmTime),
    ];
    Once {
        key: digest(&parts.each_ref().map(|part| part.as_bytes())),
        keep: KEEP,
    }
}

/// Who gets it: [`RECIPIENTS`] at most, nobody twice, nobody who has declined. Who cannot or shall not is left out with
/// one warning; when nobody is left the user gets it.
///
/// # Errors
/// What to say when nobody gets it.
fn recipients(
    office: &Office,
    event: &Event<'_>,
    user: &[u8],
    notes: &mut Notes,
) -> Result<Vec<Address>, Composed> {
    let own = office.user(user).filter(|_| !user.is_empty());
    let declined = declined(office, event);
    if own
        .as_ref()
        .is_some_and(|own| declined.contains(&own.key().to_lowercase()))
    {
        return Err(Composed::Nothing("the user has declined the event".into()));
    }
    let mut all: Vec<Address> = Vec::new();
    let mut known = HashSet::new();
    let mut not_coming = 0;
    let mut left_out = LeftOut::default();
    for uri in event.list(Param::AlarmRecipients) {
        if all.len() == RECIPIENTS {
            left_out.add(&uri, &format!("more than {RECIPIENTS} recipients"));
            continue;
        }
        let address = mailbox(&uri)
            .map(|address| address.in_domain(&office.domain))
            .and_then(|address| match allowed(office, &address, own.as_ref()) {
                true => Ok(address),
                false => Err("is not allowed by [alarm] recipients".into()),
            });
        match address {
            Ok(address) if declined.contains(&address.key().to_lowercase()) => not_coming += 1,
            Ok(address) if known.insert(address.key()) => all.push(address),
            Ok(_) => {}
            Err(why) => left_out.add(&uri, &why),
        }
    }
    if let Some(first) = left_out.first {
        let count = left_out.count;
        let [user, uid] = [user, text(event, Param::Uid).as_bytes()].map(|b| printable(b, 100));
        notes.warnings.push(format!(
            "alarm: user {user}: event {uid}: {count} of its recipients left out: {first}"
        ));
    }
    if all.is_empty() && not_coming > 0 {
        return Err(Composed::Nothing(
            "its recipients have declined the event".into(),
        ));
    }
    match (all.is_empty(), own) {
        (false, _) => Ok(all),
        (true, Some(own)) => Ok(vec![own]),
        (true, None) => Err(Composed::Wrong(
            "no address can be made of the user's name".into(),
        )),
    }
}

/// Who has declined the event. Since 3.8 Cyrus looks itself whether the user has.
fn declined(office: &Office, event: &Event<'_>) -> HashSet<String> {
    let (mut declined, mut coming) = (HashSet::new(), HashSet::new());
    for person in attendees(event) {
        let Ok(address) = mailbox_of(&person) else {
            continue;
        };
        let key = address.in_domain(&office.domain).key().to_lowercase();
        match person.status.as_str() {
            "declined" => declined.insert(key),
            _ => coming.insert(key),
        };
    }
    declined.retain(|key| !coming.contains(key));
    declined
}

/// Recipients that get no mail: how many, and the first with the reason.
#[derive(Default)]
struct LeftOut {
    count: usize,
    first: Option<String>,
}

impl LeftOut {
    fn add(&mut self, uri: &str, why: &str) {
        self.count += 1;
        let shown = || {
            format!(
                "{}: {}",
                printable(uri.as_bytes(), 100),
                printable(why.as_bytes(), 100)
            )
        };
        self.first.get_or_insert_with(shown);
    }
}

fn allowed(office: &Office, address: &Address, own: Option<&Address>) -> bool {
    let domain = |address: &Address| {
        address
            .key()
            .rsplit_once('@')
            .map(|(_, domain)| domain.to_owned())
    };
    match office.config.alarm.recipients {
        Recipients::Any => true,
        Recipients::Domain => own.is_some_and(|own| domain(own) == domain(address)),
        Recipients::Own => own.is_some_and(|own| own.key() == address.key()),
    }
}

/// What the event says.
struct Alarm {
    appointment: calendar::Event,
    /// When it was due, as clocks showed it there.
    shown: Option<Moment>,
    /// When that was.
    due: SystemTime,
    /// How many seconds late it came here; whole minutes, and 0 for less.
    late: u64,
}

impl Alarm {
    fn read(event: &Event<'_>, received: SystemTime) -> Alarm {
        let appointment = read(event);
        let shown = Clocks::of(event).read(event, Param::AlarmTime);
        let due = shown
            .as_ref()
            .and_then(instant)
            .map_or(received, SystemTime::from);
        let late = received.duration_since(due).unwrap_or_default().as_secs();
        let shown = match (shown, &appointment.start) {
            (Some(shown), Some(start)) => shown.beside(start).or(Some(shown)),
            (shown, _) => shown,
        };
        Alarm {
            shown,
            appointment,
            due,
            late: if late < 60 { 0 } else { (late + 30) / 60 * 60 },
        }
    }
}

/// When that is; none when it is in a zone that we do not know.
fn instant(moment: &Moment) -> Option<Timestamp> {
    match moment {
        Moment::Local(local) => Some(local.to_zoned(TimeZone::UTC).ok()?.timestamp()),
        moment => moment.timestamp(),
    }
}

/// By which clocks the times of an event are meant.
struct Clocks {
    name: String,
    zone: Option<TimeZone>,
}

impl Clocks {
    /// Whether they are those of UTC.
    fn is_utc(&self) -> bool {
        self.zone == Some(TimeZone::UTC)
    }

    fn of(event: &Event<'_>) -> Clocks {
        let name = text(event, Param::Timezone).trim().to_owned();
        Clocks {
            zone: zone(&name),
            name,
        }
    }

    fn read(&self, event: &Event<'_>, param: Param) -> Option<Moment> {
        let moment = Moment::read(&text(event, param), self.zone.as_ref())?;
        let floats = self.name.is_empty() || self.name.eq_ignore_ascii_case(FLOATING);
        Some(match floats {
            true => moment,
            false => moment.in_unknown(&self.name),
        })
    }
}

fn read(event: &Event<'_>) -> calendar::Event {
    let of = |param| unescape(&text(event, param)).into_owned();
    let clocks = Clocks::of(event);
    let start = clocks.read(event, Param::Start);
    let recurrence = clocks.read(event, Param::RecurrenceId);
    let recurrence = recurrence.map(|instance| match &start {
        // Cyrus writes a day as its midnight.
        Some(Moment::Date(_)) => Moment::Date(instance.date()),
        _ => instance,
    });
    let attendees = attendees(event);
    calendar::Event {
        uid: of(Param::Uid),
        summary: of(Param::Summary),
        description: of(Param::Description),
        location: of(Param::Location),
        organizer: organizer(event, &attendees),
        attendees,
        end: clocks.read(event, Param::End),
        // An event begins at some time; what only ends is a task.
        task: start.is_none(),
        start,
        recurrence,
        // What is due is one instance, be it of a series or not.
        series: None,
        and_later: false,
        // Cyrus sends neither.
        meetings: Vec::new(),
        url: String::new(),
    }
}

fn attendees(event: &Event<'_>) -> Vec<Person> {
    let names = event.list(Param::AttendeeNames);
    let states = event.list(Param::AttendeeStatus);
    let uris = event
        .list(Param::AttendeeEmails)
        .into_iter()
        .take(ATTENDEES);
    uris.enumerate()
        .map(|(n, uri)| Person {
            name: names
                .get(n)
                .map(|name| one_line(&parameter_text(name)))
                .unwrap_or_default(),
            uri: unquoted(&uri).to_owned(),
            email: String::new(),
            status: status(states.get(n).map_or("", |status| status)),
        })
        .collect()
}

/// The event has the organizer's address alone; the name may be among the attendees.
fn organizer(event: &Event<'_>, attendees: &[Person]) -> Option<Person> {
    let organizer = Person {
        uri: Some(unquoted(&text(event, Param::Organizer)).to_owned())
            .filter(|uri| !uri.is_empty())?,
        ..Person::default()
    };
    let same = |other: &&Person| other.address().eq_ignore_ascii_case(organizer.address());
    let name = attendees.iter().find(same).map(|other| other.name.clone());
    Some(Person {
        name: name.unwrap_or_default(),
        ..organizer
    })
}

/// What the template gets.
fn values(office: &Office, event: &Event<'_>, alarm: &Alarm) -> Map<String, Value> {
    let zone = office.time_zone(text(event, Param::UserId).as_bytes());
    let mut values = appointment(&alarm.appointment, zone.as_ref());
    let name = Some(text(event, Param::CalendarName)).filter(|name| !name.is_empty());
    let own = json!({
        "user": text(event, Param::UserId),
        "calendar": {
            "name": name.unwrap_or_else(|| text(event, Param::CalendarId)),
            "color": color(&text(event, Param::CalendarColor)),
        },
        "alarm": parts_or_null(alarm.shown.as_ref()),
        "late": alarm.late,
        "server": server(office, event.text(Param::ServerFqdn).as_deref()),
    });
    if let Value::Object(own) = own {
        values.extend(own);
    }
    values
}

/// `#RRGGBB`, as HTML wants it; empty for what is no colour.
fn color(text: &str) -> &str {
    let digits = text.strip_prefix('#').unwrap_or_default();
    let good = [6, 8].contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_hexdigit());
    if good { &text[..7] } else { "" }
}

/// The appointment as a file; none when nobody can tell when it is.
fn file(event: &Event<'_>, appointment: &calendar::Event, received: SystemTime) -> Vec<Part> {
    let certain = match &appointment.start {
        Some(Moment::Unknown(..)) | None => None,
        Some(_) => Timestamp::try_from(received).ok(),
    };
    let Some(stamp) = certain else {
        return Vec::new();
    };
    // Before 3.8 Cyrus does not say which instance of a series it is, nor that it is one. Whoever imports the file must not
    // lose the series to this instance.
    let mut appointment = appointment.clone();
    if event.json(Param::RecurrenceId).is_none() {
        let start = text(event, Param::Start);
        let own = digest(&[appointment.uid.as_bytes(), start.as_bytes()]);
        let own: String = own.iter().map(|byte| format!("{byte:02x}")).collect();
        appointment.uid = format!("{own}@cyrus-notifyd");
    }
    vec![Part {
        content_type: "text/calendar; charset=utf-8; name=event.ics".into(),
        file: Some("event.ics".into()),
        content: write::publish(&appointment, stamp).into_bytes(),
    }]
}

#[cfg(test)]
mod tests;
