//! The notations of values: numbers, switches, words, spans of time and sizes.
//!
//! Pure functions from bytes to values, each as Cyrus' reader does it: `config_parse_switch`,
//! `config_parseduration` and strtol(3) with base 0 in `lib/libconfig.c` of 3.6.1, and, for newer
//! releases, `config_parsebytesize`. All return `None` for what the notation does not cover; the
//! caller knows the option and the line and words the error.
//!
//! What can go wrong: numbers outside the range. Cyrus clamps integers and lets durations overflow;
//! integers are clamped here too, durations wrap as its builds do.

use super::keys::Kind;

/// White space as isspace(3) has it in the C locale.
pub(super) fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | 0x0b | 0x0c | b'\r')
}

/// `text` without white space at both ends.
pub(super) fn trim(text: &[u8]) -> &[u8] {
    let start = text
        .iter()
        .position(|&b| !is_space(b))
        .unwrap_or(text.len());
    let end = text
        .iter()
        .rposition(|&b| !is_space(b))
        .map_or(start, |at| at + 1);
    &text[start..end]
}

/// A whole number in C notation (decimal, `0x…`, `0…`, with sign), clamped to 64 bits.
#[must_use]
pub fn integer(text: &[u8]) -> Option<i64> {
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, text),
    };
    let (radix, digits) = match digits {
        [b'0', b'x' | b'X', rest @ ..] => (16, rest),
        [b'0', _, ..] => (8, digits),
        _ => (10, digits),
    };
    if digits.is_empty() {
        return None;
    }
    let mut value: i128 = 0;
    for &byte in digits {
        let digit = char::from(byte).to_digit(radix)?;
        // 2^64 is far outside of i64 and far inside of i128: clamped below.
        value = (value * i128::from(radix) + i128::from(digit)).min(1 << 64);
    }
    let value = if negative { -value } else { value };
    Some(i64::try_from(value).unwrap_or(if negative { i64::MIN } else { i64::MAX }))
}

/// A switch, judged by its first letters: `1 y on t` or `0 n of f`.
#[must_use]
pub fn switch(text: &[u8]) -> Option<bool> {
    match text {
        [b'0' | b'n' | b'f', ..] | [b'o', b'f', ..] => Some(false),
        [b'1' | b'y' | b't', ..] | [b'o', b'n', ..] => Some(true),
        _ => None,
    }
}

/// The unit of a bare number in a duration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// `d`
    Days,
    /// `h`
    Hours,
    /// `m`
    Minutes,
    /// `s`
    Seconds,
}

/// A duration in seconds: `1d2h3m4s`, an optional leading `-`, a bare number at the end in `unit`.
#[must_use]
pub fn duration(text: &[u8], unit: Unit) -> Option<i32> {
    let bare = text
        .last()
        .is_some_and(u8::is_ascii_digit)
        .then_some(match unit {
            Unit::Days => b'd',
            Unit::Hours => b'h',
            Unit::Minutes => b'm',
            Unit::Seconds => b's',
        });
    let (negative, rest) = match text {
        [b'-', rest @ ..] => (true, rest),
        _ => (false, text),
    };
    let (mut total, mut number) = (0i32, None::<i32>);
    for byte in rest.iter().copied().chain(bare) {
        if byte.is_ascii_digit() {
            let digit = i32::from(byte - b'0');
            number = Some(number.unwrap_or(0).wrapping_mul(10).wrapping_add(digit));
            continue;
        }
        let seconds = match byte {
            b'd' => 86_400,
            b'h' => 3_600,
            b'm' => 60,
            b's' => 1,
            _ => return None,
        };
        total = total.wrapping_add(number.take()?.wrapping_mul(seconds));
    }
    Some(if negative {
        total.wrapping_neg()
    } else {
        total
    })
}

/// A size in bytes: `10 GiB`; K, M or G with optional `i` and `B`, case-blind, powers of 1024; a bare
/// number counts in `unit` bytes. Cyrus has this notation from 3.8 on.
#[must_use]
pub fn byte_size(text: &[u8], unit: i64) -> Option<i64> {
    let (negative, rest) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, text),
    };
    let digits = rest.iter().take_while(|b| b.is_ascii_digit()).count();
    let number: i64 = std::str::from_utf8(&rest[..digits]).ok()?.parse().ok()?;
    let suffix = trim(&rest[digits..]).to_ascii_uppercase();
    let scale = match suffix.as_slice() {
        b"" => unit,
        b"B" => 1,
        b"K" | b"KB" | b"KI" | b"KIB" => 1 << 10,
        b"M" | b"MB" | b"MI" | b"MIB" => 1 << 20,
        b"G" | b"GB" | b"GI" | b"GIB" => 1 << 30,
        _ => return None,
    };
    let size = number.checked_mul(scale)?;
    Some(if negative { -size } else { size })
}

/// What an option is set to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    /// [`Kind::Text`], [`Kind::Duration`] (not yet parsed) and [`Kind::Listed`].
    Text(Option<Vec<u8>>),
    Int(i64),
    Switch(bool),
    /// [`Kind::Word`]: the place in its list.
    Word(usize),
    /// [`Kind::Bits`]: one bit for each word, aliases share theirs.
    Bits(u64),
}

/// Why a value does not fit its option.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Misfit {
    NotInteger,
    NotSwitch,
    /// Not one of the allowed words.
    BadWord(Vec<u8>),
    BadDuration,
}

/// An alias that was used: its name, and the name to use instead.
pub(super) type Alias = (&'static str, &'static str);

/// Reads `text` (trimmed, not empty) as a value of type `kind`. Aliases that occur go to `aliases`.
pub(super) fn read(kind: Kind, text: &[u8], aliases: &mut Vec<Alias>) -> Result<Value, Misfit> {
    match kind {
        Kind::Text => Ok(Value::Text(Some(text.to_vec()))),
        Kind::Int => integer(text).map(Value::Int).ok_or(Misfit::NotInteger),
        Kind::Switch => switch(text).map(Value::Switch).ok_or(Misfit::NotSwitch),
        Kind::Duration => match duration(text, Unit::Seconds) {
            Some(_) => Ok(Value::Text(Some(text.to_vec()))),
            None => Err(Misfit::BadDuration),
        },
        Kind::Listed(words) => match words.iter().find(|word| word.as_bytes() == text) {
            Some(word) => Ok(Value::Text(Some(word.as_bytes().to_vec()))),
            None => Err(Misfit::BadWord(text.to_vec())),
        },
        Kind::Word(words) => {
            let text = match text {
                b"1" | b"yes" | b"t" | b"true" => b"on",
                b"0" | b"no" | b"f" | b"false" => b"off".as_slice(),
                other => other,
            };
            let place = words.iter().position(|word| word.as_bytes() == text);
            place
                .map(Value::Word)
                .ok_or_else(|| Misfit::BadWord(text.to_vec()))
        }
        Kind::Bits(words) => read_bits(words, text, aliases).map(Value::Bits),
    }
}

fn read_bits(words: &[&'static str], text: &[u8], aliases: &mut Vec<Alias>) -> Result<u64, Misfit> {
    let mut bits = 0;
    for word in text.split(|&b| is_space(b)).filter(|word| !word.is_empty()) {
        let found = spellings(words).find(|(_, name, _)| name.as_bytes() == word);
        let (bit, name, preferred) = found.ok_or_else(|| Misfit::BadWord(word.to_vec()))?;
        if name != preferred {
            aliases.push((name, preferred));
        }
        bits |= 1 << bit;
    }
    Ok(bits)
}

/// Every spelling of a bit field's words, as (bit, spelling, preferred spelling), in Cyrus' order.
pub(super) fn spellings(
    words: &[&'static str],
) -> impl Iterator<Item = (usize, &'static str, &'static str)> {
    words.iter().enumerate().flat_map(|(bit, names)| {
        let preferred = names.split('=').next().unwrap_or(names);
        names.split('=').map(move |name| (bit, name, preferred))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_are_c_integers() {
        for (text, value) in [
            ("0", Some(0)),
            ("12", Some(12)),
            ("+12", Some(12)),
            ("-0x1F", Some(-31)),
            ("017", Some(15)),
            ("08", None),
            ("0x", None),
            ("", None),
            ("-", None),
            ("--1", None),
            ("1k", None),
            ("99999999999999999999999999999999999999999", Some(i64::MAX)),
            ("-99999999999999999999999999999999999999999", Some(i64::MIN)),
            ("-9223372036854775808", Some(i64::MIN)),
        ] {
            assert_eq!(integer(text.as_bytes()), value, "{text}");
        }
    }

    #[test]
    fn durations() {
        for (text, value) in [
            ("1d2h3m4s", Some(93_784)),
            ("-1", Some(-60)),
            ("10", Some(600)),
            ("1h30", Some(5_400)),
            ("5s5s", Some(10)),
            ("-", Some(0)),
            ("h", None),
            ("1w", None),
            ("1d 2h", None),
            ("1dh", None),
        ] {
            assert_eq!(duration(text.as_bytes(), Unit::Minutes), value, "{text}");
        }
    }

    #[test]
    fn byte_sizes() {
        for (text, value) in [
            ("10", Some(10_240)),
            ("10 GiB", Some(10 << 30)),
            ("1k", Some(1024)),
            ("7B", Some(7)),
            ("-2mb", Some(-(2 << 20))),
            ("+3", Some(3_072)),
            ("1 K B", None),
            ("1T", None),
            ("K", None),
            ("9999999999999G", None),
        ] {
            assert_eq!(byte_size(text.as_bytes(), 1024), value, "{text}");
        }
    }

    #[test]
    fn aliases_share_their_bit() {
        let words: &'static [&'static str] = &["a", "b=bb", "c"];
        let mut aliases = Vec::new();
        let value = read(Kind::Bits(words), b"bb \t c", &mut aliases);
        assert_eq!(value, Ok(Value::Bits(0b110)));
        assert_eq!(aliases, [("bb", "b")]);
        let bad = read(Kind::Bits(words), b"a z", &mut Vec::new());
        assert_eq!(bad, Err(Misfit::BadWord(b"z".to_vec())));
    }
}
