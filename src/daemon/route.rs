//! Which methods get a notification. Pure.
//!
//! As Cyrus' `notifyd/notifyd.c`: the method is the one that the notification names, compared without
//! case; an empty name means the default one (`-m`, else `null`). Besides, each method may want notifications that
//! name another one ([`Kind::wants`]), as notifyd.toml says.

use crate::config::toml::Config;
use crate::method::{self, Kind, METHODS};
use crate::wire::Notification;

/// Name of the default method when `-m` names none.
pub const DEFAULT_METHOD: &str = "null";

/// The ways of a notification.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Route {
    /// It names a method that does not exist.
    pub unknown: bool,
    /// A bit for each of [`METHODS`].
    wanted: u32,
}

impl Route {
    /// The methods that get it: their places in [`METHODS`].
    pub fn places(self) -> impl Iterator<Item = usize> {
        (0..METHODS.len()).filter(move |place| self.wanted & 1 << place != 0)
    }
}

/// Where `notification` goes.
pub fn route(notification: &Notification, default: &Kind, config: &Config) -> Route {
    let name = match notification.method.as_slice() {
        b"" => default.name.as_bytes(),
        name => name,
    };
    let mut route = Route {
        unknown: true,
        wanted: 0,
    };
    for (place, kind) in METHODS.iter().enumerate() {
        let named = kind.name.as_bytes().eq_ignore_ascii_case(name);
        route.unknown &= !named;
        route.wanted |= u32::from((kind.wants)(config, notification, named)) << place;
    }
    route
}

/// The default method that `-m NAME` asks for. `None` when there is none of that name; then [`DEFAULT_METHOD`] is as good as
/// what Cyrus' notifyd does, which is nothing.
pub fn default_method(name: &str) -> Option<&'static Kind> {
    method::find(name.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn routed(notification: &Notification, default: &str, toml: &str) -> (bool, Vec<&'static str>) {
        let (config, problems) = Config::read(toml, &method::known());
        assert_eq!(problems, []);
        let route = route(notification, default_method(default).unwrap(), &config);
        let names = route.places().map(|place| METHODS[place].name);
        (route.unknown, names.collect())
    }

    fn named(name: &str, default: &str) -> Option<&'static str> {
        let notification = Notification {
            method: name.into(),
            ..Notification::default()
        };
        let (unknown, places) = routed(&notification, default, "");
        assert_eq!(places.len(), usize::from(!unknown));
        places.first().copied()
    }

    #[test]
    fn names_are_compared_without_case_and_whole() {
        assert_eq!(named("LOG", "null"), Some("log"));
        assert_eq!(named("", "null"), Some("null"));
        assert_eq!(named("", "Mailto"), Some("mailto"));
        for unknown in ["lo", " log", "xmpp:a@b", "log\n"] {
            assert_eq!(named(unknown, "null"), None);
        }
    }

    #[test]
    fn a_method_may_want_what_names_another_one() {
        let alarm = |method: &str| Notification {
            method: method.into(),
            class: b"EVENT".to_vec(),
            message: br#"{"event":"CalendarAlarm","action":"email"}"#.to_vec(),
            ..Notification::default()
        };
        let always = "[alarm]\nmail = 'always'\n";
        assert_eq!(routed(&alarm("log"), "null", ""), (false, vec!["log"]));
        assert_eq!(
            routed(&alarm("log"), "null", always),
            (false, vec!["log", "mailto"])
        );
        assert_eq!(
            routed(&alarm("mailto"), "null", always),
            (false, vec!["mailto"])
        );
        assert_eq!(
            routed(&alarm("xmpp"), "null", always),
            (true, vec!["mailto"])
        );
        let login = Notification {
            message: br#"{"event":"Login"}"#.to_vec(),
            ..alarm("mailto")
        };
        assert_eq!(
            routed(&login, "null", ""),
            (false, vec![]),
            "no mail comes of it"
        );
    }
}
