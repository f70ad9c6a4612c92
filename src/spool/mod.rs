//! Room `spool` (see the map in the crate's documentation).
