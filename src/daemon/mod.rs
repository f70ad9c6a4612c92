//! Room `daemon` (see the map in the crate's documentation).
