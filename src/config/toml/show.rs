//! The way back: a configuration as a file, and as values for programs.

use super::reader::Section;
use super::{Config, Key, Known, Method, Permits, Wait};
use std::fmt::Write;
use std::time::Duration;

/// Keys with the text of their values, as it would stand in the file; none where nothing is set.
type Rows = Vec<(&'static Key, Option<String>)>;
/// Tables that stand once, by name.
type Tables = Vec<(&'static str, Rows)>;

/// A table with all of its keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// Its name in the file.
    pub name: String,
    /// Its keys with the text of their values.
    pub rows: Rows,
}

const HEAD: &str = "# notifyd.toml(5): every key with its default.\n";

/// A complete file that says what holds without a file, with a word on each key.
#[must_use]
pub fn defaults(methods: &[Known]) -> String {
    let mut out = String::from(HEAD);
    for Table { name, rows } in Config::default().in_force(methods) {
        let _ = write!(out, "\n[{name}]\n"); // writing to a String cannot fail
        for (key, value) in rows {
            let value = value.unwrap_or_default();
            let _ = writeln!(out, "# {}\n{} = {value}", key.doc, key.name); // as above
        }
    }
    out
}

impl Config {
    /// Every key with the value that holds, for these methods.
    #[must_use]
    pub fn in_force(&self, methods: &[Known]) -> Vec<Table> {
        let table = |name: &str, rows: Rows| Table {
            name: name.to_owned(),
            rows,
        };
        let spooled = methods.iter().filter(|method| method.spooled);
        let methods = spooled.map(|method| {
            let mut rows = self.limits(method).show();
            if method.name == "zephyr" {
                rows.extend(self.zephyr.show());
            }
            table(&format!("method.{}", method.name), rows)
        });
        let plain = |(name, rows): (&str, Rows)| table(name, rows);
        let (first, last) = self.plain();
        first
            .into_iter()
            .map(plain)
            .chain(methods)
            .chain(last.into_iter().map(plain))
            .collect()
    }

    /// What holds for a method: its own word, else the common one, else what it brings along.
    fn limits(&self, known: &Known) -> Method {
        let said = self.method(known.name);
        let timeout = Wait(Duration::from_secs(known.timeout));
        Method {
            permits: said.permits.or(Some(Permits(known.permits))),
            timeout: said.timeout.or(Some(timeout)),
            first: said.first.or(Some(self.retry.first)),
            maximum: said.maximum.or(Some(self.retry.maximum)),
            lifetime: said.lifetime.or(Some(self.retry.lifetime)),
        }
    }

    /// What differs from the defaults, as a file without comments.
    #[must_use]
    pub fn changed(&self) -> String {
        let usual = Config::default();
        let ((first, last), (usual_first, usual_last)) = (self.plain(), usual.plain());
        let mut out = String::new();
        for ((table, rows), (_, usual)) in first.into_iter().zip(usual_first) {
            add_changed(&mut out, table, rows, usual);
        }
        for (name, method) in &self.methods {
            let [mut rows, mut unset] = [method.show(), Method::default().show()];
            if name == "zephyr" {
                rows.extend(self.zephyr.show());
                unset.extend(usual.zephyr.show());
            }
            add_changed(&mut out, &format!("method.{name}"), rows, unset);
        }
        for ((table, rows), (_, usual)) in last.into_iter().zip(usual_last) {
            add_changed(&mut out, table, rows, usual);
        }
        out
    }

    /// The tables that stand once, in the manual's order: those before the methods' and those after.
    fn plain(&self) -> (Tables, Tables) {
        let first = vec![
            ("spool", self.spool.show()),
            ("intake", self.intake.show()),
            ("retry", self.retry.show()),
        ];
        let last = vec![
            ("mailto", self.mailto.show()),
            ("alarm", self.alarm.show()),
            ("quota", self.quota.show()),
            ("imip", self.imip.show()),
            ("newmail", self.newmail.show()),
            ("signin", self.signin.show()),
            ("templates", self.templates.show()),
            ("metrics", self.metrics.show()),
            ("log", self.log.show()),
        ];
        (first, last)
    }
}

fn add_changed(out: &mut String, table: &str, rows: Rows, usual: Rows) {
    let mut lines = String::new();
    for ((key, value), (_, usual)) in rows.into_iter().zip(usual) {
        if let Some(value) = value.filter(|value| Some(value) != usual.as_ref()) {
            let _ = writeln!(lines, "{} = {value}", key.name); // writing to a String cannot fail
        }
    }
    if !lines.is_empty() {
        let _ = write!(out, "[{table}]\n{lines}"); // as above
    }
}
