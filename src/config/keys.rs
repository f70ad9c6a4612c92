//! Every option of Cyrus 3.6.1's imapd.conf, declared once: name, type, default and allowed words.
//!
//! All of them are here, and not only those that we use, because what Cyrus does with a line depends
//! on whether it knows the option: a service prefix counts for known options only, a known option
//! with a value of the wrong type is fatal, an unknown one is kept as it is. The rows are in the
//! files `options_1.rs` to `options_3.rs`; to add an option is to add a row there.
//!
//! Source: Cyrus' `lib/imapoptions` of 3.6.1 as Debian ships it (3.6.1-4+deb12u5), checked against
//! the running `cyr_info conf-default` by `tests/config.rs`.
//!
//! What can go wrong: a newer Cyrus has options and types that 3.6.1 does not know (byte sizes, for
//! instance). Its additions are unknown keys here and kept; a byte size with a unit for an option
//! that 3.6.1 holds to be an integer is refused, as 3.6.1 refuses it.

use std::collections::HashMap;
use std::sync::LazyLock;

/// The type of an option and, where the type has any, its allowed words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Any text (Cyrus' STRING). `{configdirectory}` at its start is replaced.
    Text,
    /// A whole number in C notation: decimal, `0x…` or `0…`; 64 bits, clamped.
    Int,
    /// On or off.
    Switch,
    /// One of the words; `1 yes t true` mean `on` and `0 no f false` mean `off` (ENUM).
    Word(&'static [&'static str]),
    /// One of the words, exactly (STRINGLIST).
    Listed(&'static [&'static str]),
    /// Any of the words, separated by white space (BITFIELD). `a=b` declares `b` an alias of `a`.
    Bits(&'static [&'static str]),
    /// A span of time: `1d2h3m4s`; the unit of a bare number is its reader's affair.
    Duration,
}

/// What became of an option that Cyrus has given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retired {
    /// The version since which the option is deprecated.
    pub since: &'static str,
    /// The option that takes its value, if there is one.
    pub successor: Option<&'static str>,
}

/// One option: a row of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key {
    /// The name, in lower case.
    pub name: &'static str,
    /// The type.
    pub kind: Kind,
    /// The default as it would stand in the file; `None` where Cyrus has no value at all.
    pub default: Option<&'static str>,
    /// Set when the option is deprecated.
    pub retired: Option<Retired>,
    /// What it is, in one line; empty for options that do not concern notifications.
    pub doc: &'static str,
}

impl Key {
    const fn new(name: &'static str, kind: Kind, default: Option<&'static str>) -> Key {
        Key {
            name,
            kind,
            default,
            retired: None,
            doc: "",
        }
    }

    pub(super) const fn until(
        mut self,
        since: &'static str,
        successor: Option<&'static str>,
    ) -> Key {
        self.retired = Some(Retired { since, successor });
        self
    }

    pub(super) const fn doc(mut self, doc: &'static str) -> Key {
        self.doc = doc;
        self
    }
}

type Words = &'static [&'static str];

pub(super) const fn text(name: &'static str, default: Option<&'static str>) -> Key {
    Key::new(name, Kind::Text, default)
}

pub(super) const fn int(name: &'static str, default: &'static str) -> Key {
    Key::new(name, Kind::Int, Some(default))
}

pub(super) const fn switch(name: &'static str, default: &'static str) -> Key {
    Key::new(name, Kind::Switch, Some(default))
}

pub(super) const fn word(name: &'static str, default: &'static str, words: Words) -> Key {
    Key::new(name, Kind::Word(words), Some(default))
}

pub(super) const fn listed(name: &'static str, default: Option<&'static str>, words: Words) -> Key {
    Key::new(name, Kind::Listed(words), default)
}

pub(super) const fn bits(name: &'static str, default: &'static str, words: Words) -> Key {
    Key::new(name, Kind::Bits(words), Some(default))
}

pub(super) const fn duration(name: &'static str, default: Option<&'static str>) -> Key {
    Key::new(name, Kind::Duration, default)
}

/// All options, in the order of Cyrus' table.
pub fn all() -> impl Iterator<Item = &'static Key> {
    super::options_1::ROWS
        .iter()
        .chain(&super::options_2::ROWS)
        .chain(&super::options_3::ROWS)
}

/// The place in [`all`] of the option `name` (lower case), or `None` when Cyrus does not know it.
pub(super) fn index_of(name: &[u8]) -> Option<usize> {
    static INDEX: LazyLock<HashMap<&'static [u8], usize>> = LazyLock::new(|| {
        all()
            .enumerate()
            .map(|(i, key)| (key.name.as_bytes(), i))
            .collect()
    });
    INDEX.get(name).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_lower_case_and_unique() {
        let mut seen = std::collections::HashSet::new();
        for key in all() {
            assert!(
                key.name
                    .bytes()
                    .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_'),
                "{}",
                key.name
            );
            assert!(seen.insert(key.name), "{} twice", key.name);
        }
        assert_eq!(seen.len(), 526);
    }

    #[test]
    fn a_successor_exists_and_has_the_same_type() {
        let mut retired = 0;
        for key in all() {
            let Some(Retired {
                successor: Some(name),
                ..
            }) = key.retired
            else {
                continue;
            };
            let index = index_of(name.as_bytes()).expect("a known option");
            assert_eq!(
                all().nth(index).expect("in range").kind,
                key.kind,
                "{}",
                key.name
            );
            retired += 1;
        }
        assert!(retired > 20);
    }
}
