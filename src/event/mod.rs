//! Room `event` (see the map in the crate's documentation).
