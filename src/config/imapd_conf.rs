//! imapd.conf, read exactly as Cyrus 3.6.1 reads it (`config_read` in `lib/libconfig.c`).
//!
//! A line is `key: value`. Keys are letters, digits, `-` and `_` without regard to case; values are
//! trimmed and never empty. `#` begins a comment, `@include: FILE` reads another file at that place.
//! A known option may stand once plain and once with the service's name before it
//! (`notify_sendmail`), and the latter wins wherever it stands. Unknown keys are kept.
//!
//! What can go wrong is what Cyrus ends with, and [`ConfigError`] says it in Cyrus' words: a file
//! that cannot be opened or is included twice, a bad name, an empty value, a value of the wrong type,
//! an option set twice, no configdirectory. On one input Cyrus aborts without a word, a line whose
//! key is empty (`: x`, or `notify_: x` in service notify); here that is a bad name.
//!
//! Reading is a function that the caller passes in, so nothing here touches the disk.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::error::{ConfigError, bytes};
use super::files::{Files, ReadFile};
use super::keys::{self, Key, Retired};
use super::lines::Line;
use super::secret;
use super::value::{self, Misfit, Value};

/// Options of those whose values can misfit that `notifyd` acts on: there, a value that does not fit is fatal always.
const ACTED_ON: [&str; 2] = ["debug", "smtp_backend"];

/// How an option came to its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Seen {
    No,
    Plain,
    ForService,
}

#[derive(Clone, PartialEq, Eq)]
pub(super) struct Slot {
    pub(super) key: &'static Key,
    pub(super) value: Value,
    seen: Seen,
}

/// The default of `key` as a value.
pub(super) fn default_value(key: &Key) -> Value {
    let text = key.default.unwrap_or_default();
    match key.default {
        None => Value::Text(None),
        Some("") if matches!(key.kind, keys::Kind::Bits(_)) => Value::Bits(0),
        // Every default in the table reads as a value of its type: tested.
        Some(_) => value::read(key.kind, text.as_bytes(), &mut Vec::new())
            .unwrap_or(Value::Text(Some(text.as_bytes().to_vec()))),
    }
}

/// A configuration as read: each option's value, the unknown keys, and what to warn about.
#[derive(Clone, PartialEq, Eq)]
pub struct ImapdConf {
    pub(super) slots: Vec<Slot>,
    pub(super) overflow: BTreeMap<Vec<u8>, Vec<u8>>,
    service: Vec<u8>,
    lenient: bool,
    warnings: Vec<String>,
    places: BTreeMap<&'static str, Place>,
    secrets: BTreeMap<Vec<u8>, (Vec<u8>, u32)>,
}

/// Where an option stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The file's name, as it was given or included.
    pub file: Vec<u8>,
    /// The last line of it, from 1.
    pub line: u32,
}

impl ImapdConf {
    /// Reads `file` and what it includes for `service`. `prefix` is CYRUS_PREFIX: put before each
    /// file name and tried first. `lenient`: see [`Context`](super::Context). Fails as Cyrus does, see [`ConfigError`].
    pub fn read(
        file: &Path,
        service: &[u8],
        prefix: Option<&OsStr>,
        lenient: bool,
        read: ReadFile<'_>,
    ) -> Result<ImapdConf, ConfigError> {
        let mut conf = ImapdConf {
            slots: keys::all()
                .map(|key| Slot {
                    key,
                    value: default_value(key),
                    seen: Seen::No,
                })
                .collect(),
            overflow: BTreeMap::new(),
            service: service.to_vec(),
            lenient,
            warnings: Vec::new(),
            places: BTreeMap::new(),
            secrets: BTreeMap::new(),
        };
        let mut files = Files::new(prefix, read);
        files.open(file.as_os_str().as_bytes())?;
        while let Some((name, line)) = files.next_line() {
            if let Some(include) = conf.line(&name, &line)? {
                files.open(&include)?;
            }
        }
        conf.finish()?;
        Ok(conf)
    }

    /// What an administrator should be told though it stops nothing: deprecated options and words.
    #[must_use]
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// The value of the key that Cyrus does not know: for this service first, then for all.
    #[must_use]
    pub fn unknown(&self, key: &str) -> Option<&[u8]> {
        let own = bytes!(self.service, b"_", key).to_ascii_lowercase();
        let value = self
            .overflow
            .get(&own)
            .or_else(|| self.overflow.get(key.as_bytes()));
        value.map(Vec::as_slice)
    }

    /// Takes one logical line; the name of a file to include now, if the line says so.
    fn line(&mut self, file: &[u8], line: &Line) -> Result<Option<Vec<u8>>, ConfigError> {
        let number = line.number.to_string();
        let text = value::trim(&line.text);
        if text.is_empty() || text[0] == b'#' {
            return Ok(None);
        }
        let bad_name = || {
            let at = bytes!(
                "invalid option name on line ",
                number,
                " of configuration file "
            );
            ConfigError::new(bytes!(at, file))
        };
        let start = usize::from(text[0] == b'@');
        let in_name = |&b: &u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        let end = start + text[start..].iter().take_while(|b| in_name(b)).count();
        if text.get(end) != Some(&b':') {
            return Err(bad_name());
        }
        let name = text[..end].to_ascii_lowercase();
        let value = value::trim(&text[end + 1..]);
        if value.is_empty() {
            let message = bytes!(
                "empty option value on line ",
                number,
                " of configuration file"
            );
            return Err(ConfigError::new(message));
        }
        match name.as_slice() {
            b"@include" => return Ok(Some(value.to_vec())),
            [b'@', ..] => {
                let at = bytes!(
                    "invalid directive on line ",
                    number,
                    " of configuration file "
                );
                return Err(ConfigError::new(bytes!(at, file)));
            }
            b"" => return Err(bad_name()),
            _ if self.own(&name) == Some(b"") => return Err(bad_name()),
            _ => {
                if secret::is_secret(&name) {
                    let first = (name.clone(), line.number);
                    self.secrets.entry(file.to_vec()).or_insert(first);
                }
                if let Some(key) = self.set(&name, value, &number)? {
                    let place = Place {
                        file: file.to_vec(),
                        line: line.number,
                    };
                    self.places.insert(key, place);
                }
            }
        }
        Ok(None)
    }

    /// What follows `SERVICE_` in `name`.
    fn own<'n>(&self, name: &'n [u8]) -> Option<&'n [u8]> {
        let (head, tail) = name.split_at_checked(self.service.len())?;
        if !head.eq_ignore_ascii_case(&self.service) {
            return None;
        }
        tail.strip_prefix(b"_")
    }

    /// The known option that this sets, if it does.
    fn set(
        &mut self,
        name: &[u8],
        text: &[u8],
        number: &str,
    ) -> Result<Option<&'static str>, ConfigError> {
        let own = self.own(name).and_then(keys::index_of);
        let Some(index) = own.or_else(|| keys::index_of(name)) else {
            self.keep(name, text, number)?;
            return Ok(None);
        };
        let how = if own.is_some() {
            Seen::ForService
        } else {
            Seen::Plain
        };
        let slot = &self.slots[index];
        match (slot.seen, how) {
            (Seen::ForService, Seen::Plain) => return Ok(None),
            (before, now) if before == now => return Err(twice(name, number)),
            _ => {}
        }
        let key = slot.key;
        if key.retired.is_some() {
            self.keep(name, text, number)?;
        }
        let mut aliases = Vec::new();
        let value = match value::read(key.kind, text, &mut aliases) {
            Ok(value) => value,
            Err(misfit) => {
                let error = does_not_fit(key.name, text, &misfit, number);
                if !self.lenient || ACTED_ON.contains(&key.name) {
                    return Err(error);
                }
                self.warnings.push(format!(
                    "{error}: not a value that Cyrus 3.6 knows; passed over"
                ));
                return Ok(None);
            }
        };
        for (alias, preferred) in aliases {
            self.warnings.push(format!(
                "Value '{alias}' for option '{}' is deprecated in favor of value '{preferred}'",
                key.name
            ));
        }
        self.slots[index].value = value;
        self.slots[index].seen = how;
        Ok(Some(key.name))
    }

    /// Keeps a key that Cyrus does not know, or the original of a deprecated one.
    fn keep(&mut self, name: &[u8], text: &[u8], number: &str) -> Result<(), ConfigError> {
        match self.overflow.insert(name.to_vec(), text.to_vec()) {
            None => Ok(()),
            Some(_) => Err(twice(name, number)),
        }
    }

    /// What Cyrus does once all lines are read.
    fn finish(&mut self) -> Result<(), ConfigError> {
        let Some(directory) = self.text("configdirectory").map(<[u8]>::to_vec) else {
            let message = "configdirectory option not specified in configuration file";
            return Err(ConfigError::new(message.into()));
        };
        for slot in &mut self.slots {
            if slot.key.kind == keys::Kind::Text
                && slot.key.name != "configdirectory"
                && let Value::Text(Some(text)) = &mut slot.value
                && let Some(tail) = after_configdirectory(text)
            {
                *text = bytes!(directory, tail);
            }
        }
        for index in 0..self.slots.len() {
            if self.slots[index].seen != Seen::No
                && let Some(retired) = self.slots[index].key.retired
            {
                self.retire(index, retired);
            }
        }
        self.check_default_partition()
    }

    fn retire(&mut self, index: usize, Retired { since, successor }: Retired) {
        let name = self.slots[index].key.name;
        let Some(successor) = successor else {
            self.warnings
                .push(format!("Option '{name}' is deprecated in version {since}."));
            return;
        };
        self.warnings.push(format!(
            "Option '{name}' is deprecated in favor of '{successor}' since version {since}."
        ));
        let Some(heir) = keys::index_of(successor.as_bytes()) else {
            return;
        };
        if self.slots[heir].seen != Seen::No {
            return;
        }
        self.slots[heir].seen = self.slots[index].seen;
        self.slots[heir].value = match &mut self.slots[index].value {
            Value::Text(text) => Value::Text(text.take()),
            other => other.clone(),
        };
    }

    fn check_default_partition(&mut self) -> Result<(), ConfigError> {
        let slot = keys::index_of(b"defaultpartition").map(|index| &mut self.slots[index].value);
        if let Some(Value::Text(Some(name))) = slot {
            if !name.iter().all(u8::is_ascii_alphanumeric) {
                let message = "defaultpartition option contains non-alnum character";
                return Err(ConfigError::new(message.into()));
            }
            name.make_ascii_lowercase();
        }
        Ok(())
    }

    /// Where the known option `name` is set; `None` when it is not.
    #[must_use]
    pub fn place(&self, name: &str) -> Option<&Place> {
        self.places.get(name)
    }

    /// The files in which secrets stand, as they were given or included: each with the option that holds the first one,
    /// and its line.
    pub fn secrets(&self) -> impl Iterator<Item = (&[u8], &[u8], u32)> {
        self.secrets
            .iter()
            .map(|(file, (name, line))| (file.as_slice(), name.as_slice(), *line))
    }

    fn value(&self, name: &str) -> Option<&Value> {
        keys::index_of(name.as_bytes()).map(|index| &self.slots[index].value)
    }

    /// The value of the text, duration or listed option `name`; `None` when it has none.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&[u8]> {
        match self.value(name) {
            Some(Value::Text(text)) => text.as_deref(),
            _ => None,
        }
    }

    /// The value of the integer option `name`; `None` when there is no such integer.
    #[must_use]
    pub fn int(&self, name: &str) -> Option<i64> {
        match self.value(name) {
            Some(Value::Int(number)) => Some(*number),
            _ => None,
        }
    }

    /// The value of the switch `name`; `None` when there is no such switch.
    #[must_use]
    pub fn switch(&self, name: &str) -> Option<bool> {
        match self.value(name) {
            Some(Value::Switch(on)) => Some(*on),
            _ => None,
        }
    }

    /// The words that are set in the option `name`: one for a single choice, any number for a bit
    /// field (aliases by their preferred name), none for other types.
    #[must_use]
    pub fn words(&self, name: &str) -> Vec<&'static str> {
        let Some(index) = keys::index_of(name.as_bytes()) else {
            return Vec::new();
        };
        let slot = &self.slots[index];
        match (slot.key.kind, &slot.value) {
            (keys::Kind::Word(words), Value::Word(at)) => {
                words.get(*at).copied().into_iter().collect()
            }
            (keys::Kind::Bits(words), Value::Bits(bits)) => value::spellings(words)
                .filter(|(bit, name, preferred)| bits >> bit & 1 == 1 && name == preferred)
                .map(|(_, name, _)| name)
                .collect(),
            _ => Vec::new(),
        }
    }
}

/// What follows `{configdirectory}` in a text that begins with it.
pub(super) fn after_configdirectory(text: &[u8]) -> Option<&[u8]> {
    const MARK: &[u8] = b"{configdirectory}";
    let (head, tail) = text.split_at_checked(MARK.len())?;
    head.eq_ignore_ascii_case(MARK).then_some(tail)
}

fn twice(name: &[u8], number: &str) -> ConfigError {
    let what = bytes!("option '", name, "' was specified twice in config file ");
    ConfigError::new(bytes!(what, "(second occurrence on line ", number, ")"))
}

fn does_not_fit(name: &str, text: &[u8], misfit: &Misfit, number: &str) -> ConfigError {
    let place = bytes!(" for ", name, " in line ", number);
    ConfigError::new(match misfit {
        Misfit::NotInteger => bytes!("non-integer value", place),
        Misfit::NotSwitch => bytes!("non-switch value", place),
        Misfit::BadWord(word) => bytes!("invalid value '", word, "'", place),
        Misfit::BadDuration => bytes!("unparsable duration '", text, "'", place),
    })
}
