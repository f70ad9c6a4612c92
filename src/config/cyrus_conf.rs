//! cyrus.conf, read exactly as Cyrus' master reads it (`master/masterconf.c` of 3.6.1; 3.13 is the same).
//!
//! A section is a line `NAME {`, its entries one a line, and a line that begins with `}`. An entry is a
//! name of letters and digits and any number of `key=value` or `key="value"`. Master goes through the whole
//! file once for each section, and what looks odd here is what it does:
//!
//! * Only the first section of a name is read, and only when `{` stands in the same line; what follows the
//!   brace there is passed over.
//! * `#` begins a comment, even between quotes. There is no way to write a quote between quotes.
//! * A key may stand several times; the first counts. Keys that master does not know say nothing to it.
//! * A line of more than 4,094 bytes is several lines.
//!
//! What can go wrong is what master ends with, at its start and at SIGHUP alike, and [`ConfigError`] says
//! it in its words: a bad character, a missing quote, more than 64 arguments.

use super::error::{ConfigError, bytes};
use super::value::{is_space, trim};

/// The most bytes that fgets(3) gives master of a line.
const LINE: usize = 4095;
/// The most arguments of an entry.
const ARGUMENTS: usize = 64;
/// The longest message of master's `fatalf`.
const MESSAGE: usize = 2047;

/// The sections, in the order in which master reads them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Section {
    /// Commands that are run before all others, one after the other.
    Start,
    /// Servers with a socket that master opens.
    Services,
    /// Commands that are run from time to time.
    Events,
    /// Programs that are kept running.
    Daemon,
}

impl Section {
    /// All of them.
    pub const ALL: [Section; 4] = [
        Section::Start,
        Section::Services,
        Section::Events,
        Section::Daemon,
    ];

    /// The name in the file.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Section::Start => "START",
            Section::Services => "SERVICES",
            Section::Events => "EVENTS",
            Section::Daemon => "DAEMON",
        }
    }
}

/// Keys and values, in their order.
pub type Arguments = Vec<(Vec<u8>, Vec<u8>)>;

/// One line of a section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Where it stands.
    pub section: Section,
    /// Its name; for a service, what CYRUS_SERVICE will say.
    pub name: Vec<u8>,
    /// The number of its line, from 1.
    pub line: u32,
    /// Its arguments, as they stand there.
    pub arguments: Arguments,
}

impl Entry {
    /// The value of the first argument `key`.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&[u8]> {
        let mut found = self.arguments.iter().filter(|(k, _)| k == key.as_bytes());
        found.next().map(|(_, value)| value.as_slice())
    }

    /// The number in argument `key`: as far as there are digits, and `default` when it begins with none.
    #[must_use]
    pub fn int(&self, key: &str, default: i64) -> i64 {
        let Some(text) = self.get(key) else {
            return default;
        };
        let (sign, digits) = match text {
            [b'-', rest @ ..] => (-1, rest),
            _ => (1, text),
        };
        if !digits.first().is_some_and(u8::is_ascii_digit) {
            return default;
        }
        let digits = digits.iter().take_while(|b| b.is_ascii_digit());
        let add = |sum: i64, b: &u8| sum.saturating_mul(10).saturating_add(i64::from(b - b'0'));
        sign * digits.fold(0, add)
    }

    /// The switch in argument `key`, judged by its first letters.
    #[must_use]
    pub fn switch(&self, key: &str, default: bool) -> bool {
        self.get(key)
            .and_then(super::value::switch)
            .unwrap_or(default)
    }

    /// The words of `cmd`: the program and its arguments. Master knows no quoting here.
    #[must_use]
    pub fn command(&self) -> Vec<&[u8]> {
        let cmd = self.get("cmd").unwrap_or_default();
        cmd.split(|&b| is_space(b))
            .filter(|word| !word.is_empty())
            .collect()
    }
}

/// cyrus.conf as read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CyrusConf {
    /// All entries, section by section in master's order.
    pub entries: Vec<Entry>,
    /// Lines that look like the beginning of a section which master does not read, with the section.
    pub passed_over: Vec<(u32, Section)>,
}

impl CyrusConf {
    /// Reads `data`; `file` is the name for messages.
    ///
    /// # Errors
    /// In master's words, see above.
    pub fn parse(data: &[u8], file: &[u8]) -> Result<CyrusConf, ConfigError> {
        let lines = lines(data);
        let mut conf = CyrusConf::default();
        let mut read = Vec::new();
        for section in Section::ALL {
            let reader = Reader {
                file,
                lines: &lines,
                section,
            };
            read.extend(reader.read(&mut conf.entries)?);
        }
        for (line, number) in lines.iter().zip(1..) {
            let begun = Section::ALL
                .into_iter()
                .find(|section| opens(line, *section, true));
            if let Some(section) = begun.filter(|_| !read.contains(&number)) {
                conf.passed_over.push((number, section));
            }
        }
        Ok(conf)
    }

    /// The entries of one section.
    pub fn section(&self, section: Section) -> impl Iterator<Item = &Entry> {
        self.entries
            .iter()
            .filter(move |entry| entry.section == section)
    }
}

/// The lines as fgets gives them: without newline, leading white space, comment, and what follows a NUL.
fn lines(data: &[u8]) -> Vec<&[u8]> {
    let mut lines = Vec::new();
    let mut rest = data;
    while !rest.is_empty() {
        let window = &rest[..rest.len().min(LINE)];
        let end = window
            .iter()
            .position(|&b| b == b'\n')
            .map_or(window.len(), |at| at + 1);
        let (line, after) = rest.split_at(end);
        let until = |line: &'_ [u8], stop: &[u8]| {
            line.iter()
                .position(|b| stop.contains(b))
                .unwrap_or(line.len())
        };
        let line = &line[..until(line, b"\0\n")];
        let line = &line[line.iter().take_while(|&&b| is_space(b)).count()..];
        lines.push(&line[..until(line, b"#")]);
        rest = after;
    }
    lines
}

/// Whether a line names `section` at its start. Master compares the first letter with regard to case and the
/// rest without; `loosely`, as a human reads it.
fn opens(line: &[u8], section: Section, loosely: bool) -> bool {
    let name = section.name().as_bytes();
    let Some((head, tail)) = line.split_at_checked(name.len()) else {
        return false;
    };
    let end = tail.first().is_none_or(|b| !b.is_ascii_alphanumeric());
    let bare = trim(tail).first().is_none_or(|&b| b == b'{');
    head.eq_ignore_ascii_case(name) && end && if loosely { bare } else { head[0] == name[0] }
}

/// One way through the file, for one section.
struct Reader<'a> {
    file: &'a [u8],
    lines: &'a [&'a [u8]],
    section: Section,
}

impl Reader<'_> {
    /// Adds the section's entries; the numbers of the lines with which it began.
    fn read(&self, entries: &mut Vec<Entry>) -> Result<Vec<u32>, ConfigError> {
        let mut level = 0_i32;
        let mut begun = Vec::new();
        let mut lines = self.lines.iter().zip(1_u32..);
        while let Some((line, number)) = lines.next() {
            let opened = level == 0 && opens(line, self.section, false);
            for byte in *line {
                level += i32::from(*byte == b'{') - i32::from(*byte == b'}');
            }
            if !opened || level != 1 {
                continue;
            }
            // Master leaves the level at 1 behind the section, so that it does not find another.
            begun.push(number);
            for (line, number) in lines.by_ref() {
                match line.first() {
                    None => {}
                    Some(b'}') => break,
                    Some(_) => entries.push(self.entry(line, number)?),
                }
            }
        }
        Ok(begun)
    }

    fn entry(&self, line: &[u8], number: u32) -> Result<Entry, ConfigError> {
        let length = line
            .iter()
            .take_while(|b| b.is_ascii_alphanumeric())
            .count();
        let (name, rest) = line.split_at(length);
        let rest = match rest.first() {
            Some(&byte) if length > 0 && !is_space(byte) => {
                return Err(self.bad(&[byte], "name", number));
            }
            // A line that begins with another character has the empty name, and loses that character.
            Some(_) => &rest[1..],
            None => rest,
        };
        Ok(Entry {
            section: self.section,
            name: name.to_vec(),
            line: number,
            arguments: self.arguments(rest, number)?,
        })
    }

    fn arguments(&self, mut text: &[u8], number: u32) -> Result<Arguments, ConfigError> {
        let mut arguments = Vec::new();
        loop {
            text = &text[text.iter().take_while(|&&b| is_space(b)).count()..];
            if text.is_empty() {
                return Ok(arguments);
            }
            let end = text
                .iter()
                .take_while(|b| b.is_ascii_alphanumeric())
                .count();
            let (key, rest) = text.split_at(end);
            let rest = match rest.split_first() {
                Some((b'=', rest)) => rest,
                // At the end of the line, master prints the NUL that it finds there, and its message ends.
                Some((&byte, _)) => return Err(self.bad(&[byte], "argument", number)),
                None => return Err(self.error(bytes!("bad character '"))),
            };
            let (value, after) = match rest.split_first() {
                Some((b'"', rest)) => {
                    let end = rest.iter().position(|&b| b == b'"');
                    let Some(end) = end else {
                        return Err(self.error(bytes!("missing \" on line ", number.to_string())));
                    };
                    (&rest[..end], &rest[end + 1..])
                }
                _ => rest.split_at(rest.iter().position(|&b| is_space(b)).unwrap_or(rest.len())),
            };
            if arguments.len() == ARGUMENTS {
                return Err(self.error(bytes!("too many arguments on line ", number.to_string())));
            }
            arguments.push((key.to_vec(), value.to_vec()));
            text = after;
        }
    }

    fn bad(&self, byte: &[u8], what: &str, number: u32) -> ConfigError {
        self.error(bytes!(
            "bad character '",
            byte,
            "' in ",
            what,
            " on line ",
            number.to_string()
        ))
    }

    fn error(&self, what: Vec<u8>) -> ConfigError {
        ConfigError::limited(
            bytes!("configuration file ", self.file, ": ", what),
            MESSAGE,
        )
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
