//! Time and ids in the spool: microseconds since 1970.

use std::time::{SystemTime, UNIX_EPOCH};

/// A time in microseconds since 1970.
pub type Micros = i64;

/// The time now.
pub fn now() -> Micros {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Micros::try_from(since.as_micros()).unwrap_or(Micros::MAX)
}

/// The text form of a delivery's id: the same number in the log, in Message-ID, and in the spool's table.
pub fn id_text(id: i64) -> String {
    id.to_string()
}
