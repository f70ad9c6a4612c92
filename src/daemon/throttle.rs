//! Says a thing once a minute at most, and how often it was kept back since.

use std::collections::HashMap;
use std::time::{Duration, Instant};

const EVERY: Duration = Duration::from_secs(60);
/// How many names are remembered; beyond that they share one place, so that a flood of made-up names costs nothing.
const NAMES: usize = 256;

/// Remembers when each name was last spoken of.
#[derive(Debug, Default)]
pub(super) struct Throttle {
    said: HashMap<Vec<u8>, Said>,
}

#[derive(Debug)]
struct Said {
    at: Instant,
    kept_back: u64,
}

impl Throttle {
    /// How many times it was kept back since it was last said, when it may be said now; else `None`.
    pub(super) fn may_say(&mut self, name: &[u8], now: Instant) -> Option<u64> {
        let name = if self.said.len() < NAMES || self.said.contains_key(name) {
            name
        } else {
            b""
        };
        match self.said.get_mut(name) {
            Some(said) if now.duration_since(said.at) < EVERY => {
                said.kept_back += 1;
                None
            }
            Some(said) => {
                said.at = now;
                Some(std::mem::take(&mut said.kept_back))
            }
            None => {
                self.said.insert(
                    name.to_vec(),
                    Said {
                        at: now,
                        kept_back: 0,
                    },
                );
                Some(0)
            }
        }
    }
}

/// `" (and 7 more)"`, or nothing.
pub(super) fn and_more(kept_back: u64) -> String {
    if kept_back == 0 {
        String::new()
    } else {
        format!(" (and {kept_back} more in the last minute)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn once_a_minute_and_counted() {
        let mut throttle = Throttle::default();
        let start = Instant::now();
        assert_eq!(throttle.may_say(b"a", start), Some(0));
        assert_eq!(throttle.may_say(b"a", start), None);
        assert_eq!(throttle.may_say(b"a", start), None);
        assert_eq!(throttle.may_say(b"b", start), Some(0));
        assert_eq!(throttle.may_say(b"a", start + EVERY), Some(2));
    }

    #[test]
    fn a_flood_of_names_is_bounded() {
        let mut throttle = Throttle::default();
        for n in 0..10_000u32 {
            throttle.may_say(&n.to_ne_bytes(), Instant::now());
        }
        assert!(throttle.said.len() <= NAMES + 1);
    }
}
