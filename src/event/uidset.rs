//! A set of message UIDs: `6:8,10`, as in RFC 3501's `sequence-set` without `*`.

use std::ops::RangeInclusive;

/// UIDs as the ranges that came, in their order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UidSet(Vec<RangeInclusive<u32>>);

impl UidSet {
    /// Reads a set; `None` when it is not one. A range may be written backwards.
    #[must_use]
    pub fn parse(text: &str) -> Option<UidSet> {
        let range = |part: &str| {
            let (first, last) = part.split_once(':').unwrap_or((part, part));
            let (first, last) = (uid(first)?, uid(last)?);
            Some(first.min(last)..=first.max(last))
        };
        text.trim()
            .split(',')
            .map(range)
            .collect::<Option<Vec<_>>>()
            .map(UidSet)
    }

    /// The ranges, each from lowest to highest.
    #[must_use]
    pub fn ranges(&self) -> &[RangeInclusive<u32>] {
        &self.0
    }

    /// How many UIDs there are; one that stands twice counts twice.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.0
            .iter()
            .map(|r| u64::from(r.end() - r.start()) + 1)
            .sum()
    }

    /// Whether `uid` is in the set.
    #[must_use]
    pub fn contains(&self, uid: u32) -> bool {
        self.0.iter().any(|r| r.contains(&uid))
    }
}

/// Digits only: `str::parse` would take a plus.
fn uid(text: &str) -> Option<u32> {
    text.bytes()
        .all(|b| b.is_ascii_digit())
        .then(|| text.parse().ok())?
        .filter(|&n| n > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_sets() {
        let set = UidSet::parse("6:8,10,20:19").unwrap();
        assert_eq!(set.ranges(), [6..=8, 10..=10, 19..=20]);
        assert_eq!(set.count(), 6);
        assert!(set.contains(7) && set.contains(10) && !set.contains(9));
        assert_eq!(
            UidSet::parse("1:4294967295").unwrap().count(),
            u64::from(u32::MAX)
        );
    }

    #[test]
    fn refuses_what_is_none() {
        for bad in [
            "",
            ",",
            "1,",
            "0",
            "*",
            "1:*",
            "a",
            "+1",
            "-1",
            "1:2:3",
            "4294967296",
        ] {
            assert_eq!(UidSet::parse(bad), None, "{bad:?}");
        }
    }
}
