//! The way back: a configuration as a file, and as values for programs.

use super::reader::Section;
use super::{Config, Key, Known, Method, Permits, Wait};
use std::fmt::Write;
use std::time::Duration;

/// Keys with the text of their values, as it would stand in the file; none where nothing is set.
type Rows = Vec<(&'static Key, Option<String>)>;

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
        [
            table("spool", self.spool.show()),
            table("intake", self.intake.show()),
            table("retry", self.retry.show()),
        ]
        .into_iter()
        .chain(methods)
        .chain([
            table("metrics", self.metrics.show()),
            table("log", self.log.show()),
        ])
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
        let mut out = String::new();
        add_changed(&mut out, "spool", self.spool.show(), usual.spool.show());
        add_changed(&mut out, "intake", self.intake.show(), usual.intake.show());
        add_changed(&mut out, "retry", self.retry.show(), usual.retry.show());
        for (name, method) in &self.methods {
            let [mut rows, mut unset] = [method.show(), Method::default().show()];
            if name == "zephyr" {
                rows.extend(self.zephyr.show());
                unset.extend(usual.zephyr.show());
            }
            add_changed(&mut out, &format!("method.{name}"), rows, unset);
        }
        add_changed(
            &mut out,
            "metrics",
            self.metrics.show(),
            usual.metrics.show(),
        );
        add_changed(&mut out, "log", self.log.show(), usual.log.show());
        out
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
