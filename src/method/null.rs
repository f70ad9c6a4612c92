//! `null`: discards the notification.

use super::{Delivery, Kind, Method, Outcome};
use crate::system::cancel::Cancel;
use std::time::Duration;

pub(super) const KIND: Kind = Kind {
    name: "null",
    about: "does nothing",
    immediate: true,
    wants_message: false,
    wants: super::NAMED,
    permits: 1,
    timeout: Duration::from_secs(1),
    build: |_| Box::new(Null),
};

struct Null;

impl Method for Null {
    fn deliver(&self, _: &Delivery, _: Duration, _: &Cancel) -> Outcome {
        Outcome::Delivered("discarded".into())
    }
}
