//! Says a thing only so often a minute, and how often it was kept back since.

use std::collections::HashMap;
use std::time::{Duration, Instant};

const EVERY: Duration = Duration::from_secs(60);
/// How many names are remembered; beyond that they share one place, so that a flood of made-up names costs nothing.
const NAMES: usize = 256;

/// Remembers how often each name was spoken of in its current minute.
#[derive(Debug, Default)]
pub struct Throttle {
    said: HashMap<Vec<u8>, Said>,
}

#[derive(Debug)]
struct Said {
    since: Instant,
    times: u32,
    kept_back: u64,
}

impl Throttle {
    /// May `name` be spoken of, at most `most` times a minute? If so, how many times it was kept back since the last time.
    pub fn may_say(&mut self, name: &[u8], most: u32, now: Instant) -> Option<u64> {
        let name = if self.said.len() < NAMES || self.said.contains_key(name) {
            name
        } else {
            b""
        };
        let said = self.said.entry(name.to_vec()).or_insert(Said {
            since: now,
            times: 0,
            kept_back: 0,
        });
        if now.duration_since(said.since) >= EVERY {
            (said.since, said.times) = (now, 0);
        }
        if said.times >= most {
            said.kept_back += 1;
            return None;
        }
        said.times += 1;
        Some(std::mem::take(&mut said.kept_back))
    }
}

/// `" (and 7 more)"`, or nothing.
pub fn and_more(kept_back: u64) -> String {
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
    fn so_often_a_minute_and_counted() {
        let mut throttle = Throttle::default();
        let start = Instant::now();
        assert_eq!(throttle.may_say(b"a", 2, start), Some(0));
        assert_eq!(throttle.may_say(b"a", 2, start), Some(0));
        assert_eq!(throttle.may_say(b"a", 2, start), None);
        assert_eq!(throttle.may_say(b"a", 2, start), None);
        assert_eq!(throttle.may_say(b"b", 2, start), Some(0));
        assert_eq!(throttle.may_say(b"a", 2, start + EVERY), Some(2));
    }

    #[test]
    fn a_flood_of_names_is_bounded() {
        let mut throttle = Throttle::default();
        for n in 0..10_000u32 {
            throttle.may_say(&n.to_ne_bytes(), 1, Instant::now());
        }
        assert!(throttle.said.len() <= NAMES + 1);
    }
}
