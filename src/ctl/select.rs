//! Which deliveries a command is about: the filters that `queue`, `hold`, `delete` and the others share.
//!
//! Ids, state, method and age are the spool's business; class, event and user are looked up in each notification.

use super::Failure;
use super::arguments::Arguments;
use crate::config::value::{Unit, duration};
use crate::event::Event;
use crate::method;
use crate::spool::queue::{Queue, STATES, Select};
use crate::spool::{Micros, Row};
use crate::wire::{Notification, datagram};

/// The filters, as the usage shows them.
pub(super) const FILTERS: &str = "[--state S] [--method M] [--class C] [--event E] [--user U] [--older AGE] [--newer AGE] [ID ...]";

/// A delivery as the operator sees it.
pub(super) struct Listed {
    pub(super) row: Row,
    pub(super) state: String,
    /// `None` when the row is damaged.
    pub(super) notification: Option<Notification>,
}

impl Listed {
    fn new(row: Row, state: &str) -> Listed {
        let notification = datagram::decode(&row.kept.notification).ok();
        Listed {
            row,
            state: state.to_owned(),
            notification,
        }
    }

    /// The event's name for class EVENT, else empty.
    pub(super) fn event(&self) -> String {
        let Some(n) = self
            .notification
            .as_ref()
            .filter(|n| n.class.eq_ignore_ascii_case(b"EVENT"))
        else {
            return String::new();
        };
        Event::parse(&n.message)
            .map(|event| event.kind().name().to_owned())
            .unwrap_or_default()
    }

    /// The user of the notification, or of its event.
    pub(super) fn user(&self) -> Vec<u8> {
        match &self.notification {
            Some(n) if n.user.is_empty() && n.class.eq_ignore_ascii_case(b"EVENT") => {
                let event = Event::parse(&n.message).ok();
                event
                    .and_then(|event| event.user().map(|user| user.into_owned().into_bytes()))
                    .unwrap_or_default()
            }
            Some(n) => n.user.clone(),
            None => Vec::new(),
        }
    }
}

/// The filters of one command.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Filter {
    select: Select,
    class: Option<String>,
    event: Option<String>,
    user: Option<String>,
}

impl Filter {
    /// Takes the filters and ids out of `arguments`; `now` is what ages are counted from.
    pub(super) fn take(arguments: &mut Arguments, now: Micros) -> Result<Filter, Failure> {
        let mut filter = Filter::default();
        while let Some(state) = arguments.value("--state") {
            if !STATES.contains(&state.as_str()) {
                return Err(Failure::Usage(format!(
                    "no state '{state}'; there are: {}",
                    STATES.join(", ")
                )));
            }
            filter.select.states.push(state);
        }
        while let Some(name) = arguments.value("--method") {
            let kind = method::find(name.as_bytes());
            let kind = kind.ok_or_else(|| {
                Failure::Usage(format!(
                    "no method '{name}'; there are: {}",
                    method::names()
                ))
            })?;
            filter.select.methods.push(kind.name.to_owned());
        }
        filter.class = arguments.value("--class");
        filter.event = arguments.value("--event");
        filter.user = arguments.value("--user");
        filter.select.before = age(arguments, "--older")?.map(|age| now - age);
        filter.select.after = age(arguments, "--newer")?.map(|age| now - age);
        for id in arguments.rest()? {
            let number = id
                .parse()
                .map_err(|_| Failure::Usage(format!("'{id}' is not the id of a delivery")))?;
            filter.select.ids.push(number);
        }
        Ok(filter)
    }

    /// Whether it chooses all there is.
    pub(super) fn is_empty(&self) -> bool {
        *self == Filter::default()
    }

    /// Restricts it to these states, when the operator named none.
    pub(super) fn default_states(&mut self, states: &[&str]) {
        if self.select.states.is_empty() && self.select.ids.is_empty() {
            self.select.states = states.iter().map(|&state| state.to_owned()).collect();
        }
    }

    /// Calls `each` with each delivery that it chooses, oldest first.
    pub(super) fn each(
        &self,
        queue: &Queue,
        mut each: impl FnMut(Listed) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        queue.each(&self.select, |row, state| {
            let listed = Listed::new(row, state);
            if self.matches(&listed) {
                each(listed)?;
            }
            Ok(())
        })
    }

    fn matches(&self, listed: &Listed) -> bool {
        let class = |wanted: &String| {
            listed
                .notification
                .as_ref()
                .is_some_and(|n| n.class.eq_ignore_ascii_case(wanted.as_bytes()))
        };
        self.class.as_ref().is_none_or(class)
            && self
                .event
                .as_ref()
                .is_none_or(|wanted| listed.event().eq_ignore_ascii_case(wanted))
            && self
                .user
                .as_ref()
                .is_none_or(|wanted| listed.user() == wanted.as_bytes())
    }
}

/// An age in microseconds: `90`, `90s`, `15m`, `2h`, `3d`, or several of them (`1d12h`).
fn age(arguments: &mut Arguments, option: &str) -> Result<Option<Micros>, Failure> {
    let Some(text) = arguments.value(option) else {
        return Ok(None);
    };
    match duration(text.as_bytes(), Unit::Seconds) {
        Some(seconds) if seconds >= 0 => Ok(Some(Micros::from(seconds) * 1_000_000)),
        _ => Err(Failure::Usage(format!(
            "{option}: '{text}' is not an age such as 90s, 15m, 2h, 3d or 1d12h"
        ))),
    }
}
