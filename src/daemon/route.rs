//! Which method gets a notification. Pure.
//!
//! As Cyrus' `notifyd/notifyd.c`: the method is the one that the notification names, compared without
//! case; an empty name means the default one (`-m`, else `null`).

use crate::method::{self, Kind, METHODS};
use crate::wire::Notification;

/// Name of the default method when `-m` names none.
pub const DEFAULT_METHOD: &str = "null";

/// The way of a notification.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Route {
    /// To this method: its place in [`METHODS`].
    Method(usize),
    /// To nobody: there is no method of that name.
    Unknown,
}

/// Where `notification` goes.
pub fn route(notification: &Notification, default: &Kind) -> Route {
    let name = match notification.method.as_slice() {
        b"" => default.name.as_bytes(),
        name => name,
    };
    match METHODS
        .iter()
        .position(|kind| kind.name.as_bytes().eq_ignore_ascii_case(name))
    {
        Some(place) => Route::Method(place),
        None => Route::Unknown,
    }
}

/// The default method that `-m NAME` asks for.
///
/// # Errors
/// One line with the names that there are.
pub fn default_method(name: &str) -> Result<&'static Kind, String> {
    method::find(name.as_bytes()).ok_or_else(|| {
        format!(
            "unknown notification method '{name}' in -m; there are: {}",
            method::names()
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn routed(name: &str, default: &str) -> Option<&'static str> {
        let notification = Notification {
            method: name.into(),
            ..Notification::default()
        };
        match route(&notification, default_method(default).unwrap()) {
            Route::Method(place) => Some(METHODS[place].name),
            Route::Unknown => None,
        }
    }

    #[test]
    fn names_are_compared_without_case_and_whole() {
        assert_eq!(routed("LOG", "null"), Some("log"));
        assert_eq!(routed("", "null"), Some("null"));
        assert_eq!(routed("", "Mailto"), Some("mailto"));
        for unknown in ["lo", " log", "xmpp:a@b", "log\n"] {
            assert_eq!(routed(unknown, "null"), None);
        }
    }

    #[test]
    fn an_unknown_default_names_the_known_ones() {
        assert_eq!(
            default_method("lgo").err().unwrap(),
            "unknown notification method 'lgo' in -m; there are: null, log, mailto, zephyr, external"
        );
    }
}
