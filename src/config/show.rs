//! What was set, in the lines of `cyr_info -n SERVICE conf` (`do_conf` in Cyrus' `imap/cyr_info.c`).
//!
//! One line for each known option whose value differs from its default, in the order of Cyrus' table,
//! then the unknown keys in the order in which Cyrus' hash table (`lib/hash.c`, `lib/strhash.c`)
//! gives them out, which is the same each time because its seed is the first rand(3) of the process.
//!
//! What can go wrong: nothing. One thing looks wrong and is Cyrus': see [`bits`].

use super::imapd_conf::{ImapdConf, Slot, after_configdirectory, default_value};
use super::keys::{self, Key, Kind};
use super::secret;
use super::value::{self, Value};
use std::fmt;

impl ImapdConf {
    /// The lines of `cyr_info conf`, each with its newline. Secrets are shown, as there.
    #[must_use]
    pub fn changed(&self) -> Vec<u8> {
        self.lines(|_, value| value)
    }

    /// The same with secrets hidden; see [`secret`].
    #[must_use]
    pub fn without_secrets(&self) -> Vec<u8> {
        self.lines(|name, value| secret::masked(name, &value).into_owned())
    }

    /// The lines, with values as `show` shows those of an option.
    fn lines(&self, show: impl Fn(&[u8], Vec<u8>) -> Vec<u8>) -> Vec<u8> {
        let directory = self.text("configdirectory").unwrap_or_default();
        let mut out = Vec::new();
        for Slot { key, value, .. } in &self.slots {
            if differs(key, value, directory) {
                let value = match value {
                    Value::Text(Some(text)) => {
                        Value::Text(Some(show(key.name.as_bytes(), text.clone())))
                    }
                    other => other.clone(),
                };
                line(&mut out, key, &value);
            }
        }
        let mut unknown: Vec<_> = self.overflow.iter().collect();
        // The map is sorted and the sort is stable: within a bucket Cyrus sorts, too.
        unknown.sort_by_key(|(name, _)| bucket(name));
        for (name, value) in unknown {
            let value = show(name, value.clone());
            out.extend_from_slice(&[name.as_slice(), b": ", &value, b"\n"].concat());
        }
        out
    }
}

/// Values that are secret are not shown.
impl fmt::Debug for ImapdConf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.without_secrets();
        let lines = text.split(|&byte| byte == b'\n');
        f.debug_list()
            .entries(lines.map(String::from_utf8_lossy))
            .finish()
    }
}

/// The lines of `cyr_info conf-default`: every option with its default.
#[must_use]
pub fn defaults() -> Vec<u8> {
    let mut out = Vec::new();
    for key in keys::all() {
        line(&mut out, key, &default_value(key));
    }
    out
}

fn line(out: &mut Vec<u8>, key: &Key, value: &Value) {
    out.extend_from_slice(key.name.as_bytes());
    out.push(b':');
    out.extend_from_slice(&printed(key, value, None));
    out.push(b'\n');
}

/// Whether `value` is another than the default, with `{configdirectory}` replaced in the default.
fn differs(key: &Key, value: &Value, directory: &[u8]) -> bool {
    let default = default_value(key);
    match value {
        // No text and empty text are the same to `cyr_info`.
        Value::Text(_) => printed(key, &default, Some(directory)) != printed(key, value, None),
        _ => default != *value,
    }
}

/// What follows the colon. With `directory`, `{configdirectory}` is replaced as in a text option.
fn printed(key: &Key, value: &Value, directory: Option<&[u8]>) -> Vec<u8> {
    let text = match (key.kind, value) {
        (Kind::Bits(words), Value::Bits(set)) => return bits(words, *set),
        (Kind::Word(words), Value::Word(at)) => words.get(*at).copied().unwrap_or("").into(),
        (_, Value::Text(text)) => {
            let text = text.as_deref().unwrap_or_default();
            match (directory, after_configdirectory(text)) {
                (Some(directory), Some(tail)) => [directory, tail].concat(),
                _ => text.to_vec(),
            }
        }
        (_, Value::Switch(on)) => if *on { "yes" } else { "no" }.into(),
        (_, Value::Int(number)) => number.to_string().into_bytes(),
        _ => Vec::new(),
    };
    [b" ".as_slice(), &text].concat()
}

/// The words of a bit field as `cyr_info` prints them.
///
/// It takes the place among all spellings, aliases included, for the number of the bit, and shifts a
/// 32-bit 1 by it; so what it prints for `sieve_extensions`, the one option with aliases, is not what
/// was set. These are its lines, hence so here; [`ImapdConf::words`] tells the truth.
fn bits(words: &[&'static str], set: u64) -> Vec<u8> {
    let mut out = Vec::new();
    for (place, (_, name, _)) in (0u32..).zip(value::spellings(words)) {
        let mask = i64::from(1i32.wrapping_shl(place)).cast_unsigned();
        if set & mask != 0 {
            out.push(b' ');
            out.extend_from_slice(name.as_bytes());
        }
    }
    out
}

/// The bucket of Cyrus' hash table of 30 in which `name` lies.
fn bucket(name: &[u8]) -> u32 {
    /// What rand(3) of glibc returns first when nobody called srand(3).
    const SEED: u32 = 1_804_289_383;
    let step = |hash: u32, byte: &u8| hash.wrapping_mul(33) ^ u32::from(*byte);
    SEED.to_le_bytes().iter().chain(name).fold(5381, step) % 30
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use crate::config::{Context, Settings};

    fn changed(text: &str) -> String {
        let conf = Settings::parse(text.as_bytes(), &Context::default()).unwrap();
        String::from_utf8(conf.conf().changed()).unwrap()
    }

    #[test]
    fn only_what_differs() {
        assert_eq!(
            changed(
                "configdirectory: /x\nallowapop: yes\nsendmail: /usr/lib/sendmail\numask: 022\n"
            ),
            "configdirectory: /x\numask: 022\n"
        );
    }

    #[test]
    fn a_default_spelled_out_is_no_difference() {
        assert_eq!(
            changed("notifysocket: {configdirectory}/socket/notify\nconfigdirectory: /x\n"),
            "configdirectory: /x\n"
        );
        assert_eq!(
            changed("notifysocket: /x/socket/notify\nconfigdirectory: /x\n"),
            "configdirectory: /x\n"
        );
    }

    #[test]
    fn unknown_keys_in_the_order_of_the_hash() {
        assert_eq!(
            changed("configdirectory: /x\nb: 1\na: 2\nz: 3\nm: 4\nq1: 5\nq2: 6\nq3: 7\nq4: 9\n"),
            "configdirectory: /x\na: 2\nm: 4\nq4: 9\nq2: 6\nq3: 7\nq1: 5\nz: 3\nb: 1\n"
        );
    }
}
