//! Our own configuration, `notifyd.toml`: all that Cyrus' imapd.conf has no option for.
//!
//! It is found through `notifyd_config` in imapd.conf, else at [`DEFAULT_FILE`], and may be absent. From the file to
//! the values that we use:
//!
//! | step | where | what can go wrong |
//! |---|---|---|
//! | find and read it | `file.rs` | a file that was named and is not there |
//! | text to tables, after the mistakes too | the `toml` crate | syntax |
//! | tables to typed values | `reader.rs`, `form.rs` and the forms beside it | unknown keys, wrong types, bad values |
//! | the declaration of all keys | [`keys`] | – |
//! | the way back | [`show`] | nothing |
//!
//! # A file with mistakes
//!
//! A mistake never stops the intake: every Cyrus program would wait. It costs the key that it is in, and no other one:
//! that key has its default. So a typing error in a time limit does not move the spool to another folder,
//! which would leave behind what is owed. Where the syntax is broken, the reader goes on behind the mistake; a value
//! that touches it is not believed, because it may have been cut. Of a key that stands twice the first counts.
//! All mistakes are reported, with their lines. `allow_uids` loses the user that is wrong and keeps the others;
//! when the whole of it cannot be read, strangers are refused: a mistake does not open a door.

mod file;
mod form;
pub mod keys;
mod mail;
mod place;
mod reader;
pub mod show;
mod time;
mod users;
mod zone;

pub use file::{DEFAULT_FILE, Own};
pub use form::{Flag, Level, Limit, Percent, Permits, Size, Synchronous, WhenFull};
pub use keys::{
    Alarm, Imip, Intake, KEYS, Key, Log, Mailto, Method, Metrics, NewMail, Quota, Retry, SignIn,
    Spool, Templates, Zephyr,
};
pub use mail::{
    Language, Languages, MailWhen, OwnerForm, Percentages, Recipients, SameMailbox, Style, Text,
};
pub use place::{Folder, Listen, MaybeFolder, Mode, Name};
pub use time::{Age, Wait};
pub use users::Users;
pub use zone::{Zone, Zones};

use reader::{Reader, Section};
use std::collections::BTreeMap;
use std::fmt;
use toml::de::{DeTable, DeValue};

/// What the rest of the program tells this room about a method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Known {
    /// Its name, in lower case: `[method.NAME]`.
    pub name: &'static str,
    /// Whether it goes through the spool. The others are done at once and have nothing to set.
    pub spooled: bool,
    /// How many attempts at once unless the file says otherwise.
    pub permits: u64,
    /// Time limit of an attempt in seconds, unless the file says otherwise.
    pub timeout: u64,
}

/// One mistake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Line in the file, from 1; 0 when it is about the whole file.
    pub line: usize,
    /// What is wrong: the table and the key, and what would be right. One line.
    pub what: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => f.write_str(&self.what),
            line => write!(f, "line {line}: {}", self.what),
        }
    }
}

/// What the file says, defaults filled in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// `[spool]`
    pub spool: Spool,
    /// `[intake]`
    pub intake: Intake,
    /// `[retry]`
    pub retry: Retry,
    /// `[method.NAME]`, for those methods that the file names.
    pub methods: BTreeMap<String, Method>,
    /// `[method.zephyr]`: what only this method has.
    pub zephyr: Zephyr,
    /// `[mailto]`
    pub mailto: Mailto,
    /// `[alarm]`
    pub alarm: Alarm,
    /// `[quota]`
    pub quota: Quota,
    /// `[imip]`
    pub imip: Imip,
    /// `[newmail]`
    pub newmail: NewMail,
    /// `[signin]`
    pub signin: SignIn,
    /// `[templates]`
    pub templates: Templates,
    /// `[metrics]`
    pub metrics: Metrics,
    /// `[log]`
    pub log: Log,
}

impl Default for Config {
    /// What an empty file says.
    fn default() -> Config {
        Config::read("", &[]).0
    }
}

/// The tables at the top, for hints.
const TABLES: &[&str] = &[
    "spool",
    "intake",
    "retry",
    "method",
    "mailto",
    "alarm",
    "quota",
    "imip",
    "newmail",
    "signin",
    "templates",
    "metrics",
    "log",
];

impl Config {
    /// Reads `text`; `methods` are those that there are. All mistakes, in the order of their lines. What has a mistake
    /// has its default.
    #[must_use]
    pub fn read(text: &str, methods: &[Known]) -> (Config, Vec<Problem>) {
        let (root, errors) = DeTable::parse_recoverable(text);
        let mut problems = reader::Problems::new(text, &errors);
        let mut root = Reader::new(root.into_inner(), String::new(), &mut problems);
        let mut config = Config {
            spool: root.section("spool"),
            intake: root.section("intake"),
            retry: root.section("retry"),
            methods: BTreeMap::new(),
            zephyr: Zephyr::default(),
            mailto: root.section("mailto"),
            alarm: root.section("alarm"),
            quota: root.section("quota"),
            imip: root.section("imip"),
            newmail: root.section("newmail"),
            signin: root.section("signin"),
            templates: root.section("templates"),
            metrics: root.section("metrics"),
            log: root.section("log"),
        };
        if let Some(table) = root.table("method") {
            read_methods(&mut config, table, methods, root.problems);
        }
        root.end(TABLES);
        (config, problems.into_sorted())
    }

    /// What `[method.NAME]` says, if anything.
    #[must_use]
    pub fn method(&self, name: &str) -> Method {
        self.methods.get(name).cloned().unwrap_or_default()
    }
}

fn read_methods<'t>(
    config: &mut Config,
    table: DeTable<'t>,
    known: &[Known],
    problems: &mut reader::Problems<'t>,
) {
    let names: Vec<&str> = known
        .iter()
        .filter(|method| method.spooled)
        .map(|method| method.name)
        .collect();
    for (key, value) in table {
        let name = key.get_ref().to_string();
        if !names.contains(&name.as_str()) {
            problems.add_with(key.span(), || {
                match known.iter().any(|method| method.name == name) {
                    true => format!(
                        "[method.{name}]: this method is done at once and has nothing to set"
                    ),
                    false => format!(
                        "[method.{name}]: there is no such method; {}",
                        reader::hint(&name, &names)
                    ),
                }
            });
            continue;
        }
        let span = value.span();
        let DeValue::Table(table) = value.into_inner() else {
            problems.add(span, format!("[method.{name}] must be a table"));
            continue;
        };
        let mut reader = Reader::new(table, format!("method.{name}"), problems);
        config
            .methods
            .insert(name.clone(), Method::read(&mut reader));
        if name == "zephyr" {
            config.zephyr = Zephyr::read(&mut reader);
        }
        reader.end(&[]);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod laws;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
