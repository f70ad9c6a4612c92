//! Room `ctl` (see the map in the crate's documentation).
