//! Room `mail` (see the map in the crate's documentation).
