//! A notification of each kind of mail, as Cyrus would send it.

use crate::wire::Notification;
use jiff::{Span, Timestamp};
use serde_json::json;

/// The notification of `kind` with `message`, or with one that is made up; none when there is no such kind.
pub(super) fn notification(kind: &str, message: Option<Vec<u8>>) -> Option<Notification> {
    let (class, example) = match kind {
        "alarm" => ("EVENT", alarm()),
        "quota" => ("EVENT", quota()),
        "signin" => ("EVENT", sign_in()),
        "imip" => ("IMIP", imip()),
        "newmail" => (
            "MAIL",
            "From: Ben Okafor <ben@example.org>\nSubject: Numbers for tomorrow\nTo: anna@example.com\n".into(),
        ),
        "sieve" => ("SIEVE", "Ben Okafor wrote to you about \"Numbers for tomorrow\".\n".into()),
        _ => return None,
    };
    // The user of an event stands in it.
    let user = if class == "EVENT" { "" } else { "anna" };
    let mailbox = match class {
        "MAIL" | "SIEVE" => "INBOX",
        _ => "",
    };
    let options = match class {
        "SIEVE" => vec![b"anna@example.com".to_vec()],
        _ => Vec::new(),
    };
    Some(Notification {
        method: b"mailto".into(),
        class: class.into(),
        priority: if class == "SIEVE" { "normal" } else { "" }.into(),
        user: user.into(),
        mailbox: mailbox.into(),
        options,
        message: message.unwrap_or_else(|| example.into_bytes()),
        fname: None,
    })
}

/// A time in so many minutes, as Cyrus writes it in alarms and iCalendar.
fn in_minutes(minutes: i64) -> String {
    let now = Timestamp::now();
    let time = now.checked_add(Span::new().minutes(minutes)).unwrap_or(now);
    time.strftime("%Y%m%dT%H%M00Z").to_string()
}

fn alarm() -> String {
    json!({
        "event": "CalendarAlarm",
        "serverFQDN": "mail.example.com",
        "alarmTime": in_minutes(0),
        "alarmRecipients": ["mailto:anna@example.com"],
        "alertId": "preview",
        "userId": "anna",
        "calendarId": "work",
        "calendarName": "Work",
        "calendarColor": "#2E7D32FF",
        "calendarOwner": "anna",
        "uid": "preview@example.com",
        "recurrenceId": "",
        "action": "email",
        "summary": "Planning meeting",
        "description": "Agenda:\n- figures of last month\n- who does what until the end of the year\n\nPlease bring your numbers.",
        "location": "Room 4, Main Street 12",
        "timezone": "Europe/Berlin",
        "start": in_minutes(15),
        "end": in_minutes(75),
        "allDay": 0,
        "attendeeNames": ["Anna Berger", "Chlo\u{e9} Martin", "Dan"],
        "attendeeEmails": ["mailto:anna@example.com", "mailto:chloe@example.org", "mailto:dan@example.org"],
        "attendeeStatus": ["ACCEPTED", "TENTATIVE", "NEEDS-ACTION"],
        "organizer": "mailto:ben@example.org",
    })
    .to_string()
}

fn quota() -> String {
    json!({
        "event": "QuotaChange",
        "timestamp": Timestamp::now().to_string(),
        "service": "lmtp",
        "uri": "imap://mail.example.com/INBOX",
        "diskQuota": 1_048_576,
        "diskUsed": 870_318,
        "maxMessages": -1,
        "messages": 0,
        "user": "anna",
        "serverFQDN": "mail.example.com",
    })
    .to_string()
}

fn sign_in() -> String {
    json!({
        "event": "Login",
        "timestamp": Timestamp::now().to_string(),
        "service": "imap",
        "serverDomain": "192.0.2.1",
        "serverPort": 993,
        "clientIP": "203.0.113.7",
        "clientPort": 42184,
        "uri": "imap://mail.example.com",
        "user": "anna",
        "serverFQDN": "mail.example.com",
    })
    .to_string()
}

fn imip() -> String {
    let event = [
        "BEGIN:VCALENDAR",
        "VERSION:2.0",
        "PRODID:-//CyrusIMAP.org/Cyrus//EN",
        "METHOD:REQUEST",
        "BEGIN:VEVENT",
        "UID:preview@example.com",
        &format!("DTSTAMP:{}", in_minutes(0)),
        &format!("DTSTART:{}", in_minutes(1440)),
        &format!("DTEND:{}", in_minutes(1500)),
        "SUMMARY:Planning meeting",
        "LOCATION:Room 4\\, Main Street 12",
        "DESCRIPTION:Please bring your numbers.",
        "SEQUENCE:0",
        "ORGANIZER;CN=Anna Berger:mailto:anna@example.com",
        "ATTENDEE;CN=Anna Berger;PARTSTAT=ACCEPTED:mailto:anna@example.com",
        "ATTENDEE;CN=Ben Okafor;PARTSTAT=NEEDS-ACTION;RSVP=TRUE:mailto:ben@example.org",
        "END:VEVENT",
        "END:VCALENDAR",
        "",
    ];
    json!({
        "recipient": "ben@example.org",
        "sender": "anna@example.com",
        "method": "REQUEST",
        "ical": event.join("\r\n"),
        "jsevent": null,
        "patch": null,
        "is_update": false,
    })
    .to_string()
}
