//! What a notification has to do with mail. Pure, and cheap: it is asked for each datagram.

use crate::config::toml::{Config, MailWhen};
use crate::event::{Event, EventKind};
use crate::wire::Notification;

/// What a mail is sent for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Occasion {
    /// A Sieve script says so: any notification with an address in its options.
    Sieve,
    /// A calendar alarm.
    Alarm,
    /// A mailbox that fills up, or does so no more.
    Quota,
    /// An appointment was changed: for its attendees.
    Imip,
    /// New mail came.
    NewMail,
    /// Somebody signed in.
    SignIn,
}

/// What `notification` is about; none when no mail can come of it.
pub(super) fn occasion(notification: &Notification) -> Option<Occasion> {
    match notification.class.as_slice() {
        b"EVENT" => of_event(&notification.message),
        b"IMIP" => Some(Occasion::Imip),
        b"MAIL" if notification.options.is_empty() => Some(Occasion::NewMail),
        _ => Some(Occasion::Sieve),
    }
}

/// Whether `mailto` wants `notification`, which names it (`named`) or another method.
pub(super) fn wants(config: &Config, notification: &Notification, named: bool) -> bool {
    if !named && !takes_from_others(config) {
        return false; // without a look at the event
    }
    let when = match occasion(notification) {
        None => return false,
        // A method was named in the script.
        Some(Occasion::Sieve) => return named,
        Some(Occasion::Alarm) => config.alarm.mail,
        Some(Occasion::Quota) => config.quota.mail,
        Some(Occasion::Imip) => config.imip.mail,
        Some(Occasion::NewMail) => config.newmail.mail,
        Some(Occasion::SignIn) => config.signin.mail,
    };
    match when {
        MailWhen::Off => false,
        MailWhen::Named => named,
        MailWhen::Always => true,
    }
}

/// Whether it gets any notification that names another method.
fn takes_from_others(config: &Config) -> bool {
    let each = [
        config.alarm.mail,
        config.quota.mail,
        config.imip.mail,
        config.newmail.mail,
        config.signin.mail,
    ];
    each.contains(&MailWhen::Always)
}

fn of_event(message: &[u8]) -> Option<Occasion> {
    // Cyrus puts the name first, so that nearly no event has to be read here.
    let kind = match name_in_front(message) {
        Some(name) => EventKind::from_name(name),
        None => Event::parse(message).ok()?.kind().clone(),
    };
    match kind {
        EventKind::CalendarAlarm => Some(Occasion::Alarm),
        EventKind::QuotaExceed | EventKind::QuotaWithin | EventKind::QuotaChange => {
            Some(Occasion::Quota)
        }
        EventKind::Login => Some(Occasion::SignIn),
        _ => None,
    }
}

fn name_in_front(message: &[u8]) -> Option<&str> {
    let rest = message.strip_prefix(br#"{"event":""#)?;
    let end = rest.iter().position(|&b| b == b'"')?;
    let name = std::str::from_utf8(&rest[..end]).ok()?;
    (!name.contains('\\')).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(class: &str, option: Option<&str>, message: &str) -> Option<Occasion> {
        occasion(&Notification {
            class: class.into(),
            options: option.into_iter().map(Into::into).collect(),
            message: message.into(),
            ..Notification::default()
        })
    }

    #[test]
    fn the_class_and_the_event_tell() {
        let event = |message| of("EVENT", None, message);
        assert_eq!(event(r#"{"event":"Login"}"#), Some(Occasion::SignIn));
        assert_eq!(
            event(r#"{"a":1,"event":"QuotaExceed"}"#),
            Some(Occasion::Quota)
        );
        assert_eq!(event(r#"{"event":"Lo\u0067in"}"#), Some(Occasion::SignIn));
        assert_eq!(event(r#"{"event":"Logout"}"#), None);
        assert_eq!(event("no JSON"), None);
        assert_eq!(of("IMIP", None, ""), Some(Occasion::Imip));
        assert_eq!(of("MAIL", None, ""), Some(Occasion::NewMail));
        assert_eq!(of("MAIL", Some("a@b"), ""), Some(Occasion::Sieve));
        assert_eq!(of("SIEVE", None, ""), Some(Occasion::Sieve));
    }
}
