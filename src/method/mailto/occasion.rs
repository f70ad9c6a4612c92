//! What a notification has to do with mail. Pure. Whether a mail may come of it is asked for each datagram, by the thread
//! for which every sender waits: that looks at the front of an event only. What it does not tell is found out by the
//! attempt.

use crate::config::toml::{Config, MailWhen};
use crate::event::{Event, EventKind, Front};
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

/// What `notification` is about; none when no mail can come of it. Reads all of an event when it must.
pub(super) fn occasion(notification: &Notification) -> Option<Occasion> {
    match at_first_sight(notification) {
        Some(occasion) => occasion,
        None => of_kind(Event::parse(&notification.message).ok()?.kind()),
    }
}

/// The occasion for which `mailto`, who got `notification`, sends a mail. That it got it says so, unless it got it because
/// nobody could tell yet what it is: then it is looked whether notifyd.toml wants a mail for what it turned out to be.
pub(super) fn wanted_occasion(config: &Config, notification: &Notification) -> Option<Occasion> {
    let named =
        notification.method.is_empty() || notification.method.eq_ignore_ascii_case(b"mailto");
    let occasion = occasion(notification)?;
    let known = at_first_sight(notification).is_some();
    (known || wants_mail(config, occasion, named)).then_some(occasion)
}

/// Whether `mailto` wants `notification`, which names it (`named`) or another method. Asked for each datagram, before it is
/// written down: what cannot be told at first sight is wanted when there may be a mail, and looked at later.
pub(super) fn wants(config: &Config, notification: &Notification, named: bool) -> bool {
    if !named && !takes_from_others(config) {
        return false; // without a look at the event
    }
    match at_first_sight(notification) {
        Some(Some(occasion)) => wants_mail(config, occasion, named),
        Some(None) => false,
        None => OF_EVENTS
            .iter()
            .any(|occasion| wants_mail(config, *occasion, named)),
    }
}

fn wants_mail(config: &Config, occasion: Occasion, named: bool) -> bool {
    let when = match occasion {
        // A method was named in the script.
        Occasion::Sieve => return named,
        Occasion::Alarm => config.alarm.mail,
        Occasion::Quota => config.quota.mail,
        Occasion::Imip => config.imip.mail,
        Occasion::NewMail => config.newmail.mail,
        Occasion::SignIn => config.signin.mail,
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

/// What the class tells, and the front of an event; none when that does not tell it.
fn at_first_sight(notification: &Notification) -> Option<Option<Occasion>> {
    match notification.class.as_slice() {
        b"EVENT" => of_front(&notification.message),
        b"IMIP" => Some(Some(Occasion::Imip)),
        b"MAIL" if notification.options.is_empty() => Some(Some(Occasion::NewMail)),
        _ => Some(Some(Occasion::Sieve)),
    }
}

fn of_front(message: &[u8]) -> Option<Option<Occasion>> {
    let front = Front::read_name(message);
    match front.name {
        Some(name) => Some(of_kind(&EventKind::from_name(&name))),
        None => front.is_all.then_some(None),
    }
}

/// What events can be about.
const OF_EVENTS: [Occasion; 3] = [Occasion::Alarm, Occasion::Quota, Occasion::SignIn];

fn of_kind(kind: &EventKind) -> Option<Occasion> {
    match kind {
        EventKind::CalendarAlarm => Some(Occasion::Alarm),
        EventKind::QuotaExceed | EventKind::QuotaWithin | EventKind::QuotaChange => {
            Some(Occasion::Quota)
        }
        EventKind::Login => Some(Occasion::SignIn),
        _ => None,
    }
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

    /// An event whose name stands behind more than anybody looks at.
    fn hidden(name: &str) -> Notification {
        Notification {
            method: b"log".to_vec(),
            class: b"EVENT".to_vec(),
            message: format!(r#"{{"a":"{}","event":"{name}"}}"#, "x".repeat(1 << 20)).into(),
            ..Notification::default()
        }
    }

    #[test]
    fn what_cannot_be_told_at_once_is_found_out_later() {
        let mut config = Config::default();
        let hidden = hidden("Login");
        assert_eq!(at_first_sight(&hidden), None);
        assert!(!wants(&config, &hidden, false), "no mail for anything");
        config.alarm.mail = MailWhen::Always;
        assert!(wants(&config, &hidden, false), "it may be an alarm");
        assert_eq!(wanted_occasion(&config, &hidden), None, "it is none");
        assert_eq!(occasion(&hidden), Some(Occasion::SignIn));
        config.signin.mail = MailWhen::Always;
        assert_eq!(wanted_occasion(&config, &hidden), Some(Occasion::SignIn));
        config.signin.mail = MailWhen::Named;
        let named = Notification {
            method: b"MailTo".to_vec(),
            ..hidden
        };
        assert_eq!(wanted_occasion(&config, &named), Some(Occasion::SignIn));
        let broken = Notification {
            message: b"{\"a\":\"\xff\\ud800\",\"event\":\"L\xffogin\"}".to_vec(),
            ..named
        };
        assert_eq!(
            at_first_sight(&broken),
            Some(None),
            "repaired: another event"
        );
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
