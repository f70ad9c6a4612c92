//! The way back: a configuration as a file.

use super::reader::Section;
use super::{Config, Key, Known, Method};
use std::fmt::Write;

/// A complete file that says what holds without a file, with a word on each key.
#[must_use]
pub fn defaults(methods: &[Known]) -> String {
    let config = Config::default();
    let mut out = String::from(HEAD);
    let mut table = |name: &str, rows: Vec<(&'static Key, Option<String>)>| {
        let _ = write!(out, "\n[{name}]\n"); // writing to a String cannot fail
        for (key, value) in rows {
            let _ = writeln!(out, "# {} ({})", key.doc, key.form); // as above
            let _ = match value {
                Some(value) => writeln!(out, "{} = {value}", key.name),
                None => writeln!(out, "#{} =", key.name),
            };
        }
    };
    table("spool", config.spool.show());
    table("intake", config.intake.show());
    table("retry", config.retry.show());
    for method in methods.iter().filter(|method| method.spooled) {
        let mut rows = limits(&config, method).show();
        if method.name == "zephyr" {
            rows.extend(config.zephyr.show());
        }
        table(&format!("method.{}", method.name), rows);
    }
    table("metrics", config.metrics.show());
    table("log", config.log.show());
    out
}

const HEAD: &str = "# notifyd.toml(5): every key with its default.\n";

/// What holds for a method that the file does not name.
fn limits(config: &Config, method: &Known) -> Method {
    Method {
        permits: Some(super::Permits(method.permits)),
        timeout: Some(super::Wait(std::time::Duration::from_secs(method.timeout))),
        first: Some(config.retry.first),
        maximum: Some(config.retry.maximum),
        lifetime: Some(config.retry.lifetime),
    }
}

impl Config {
    /// What differs from the defaults, as a file without comments.
    #[must_use]
    pub fn changed(&self) -> String {
        let mut out = String::new();
        let mut table = |name: &str,
                         rows: Vec<(&'static Key, Option<String>)>,
                         usual: Vec<(&'static Key, Option<String>)>| {
            let mut lines = String::new();
            for ((key, value), (_, usual)) in rows.into_iter().zip(usual) {
                if let Some(value) = value.filter(|value| Some(value) != usual.as_ref()) {
                    let _ = writeln!(lines, "{} = {value}", key.name); // writing to a String cannot fail
                }
            }
            if !lines.is_empty() {
                let _ = write!(out, "[{name}]\n{lines}"); // as above
            }
        };
        let usual = Config::default();
        table("spool", self.spool.show(), usual.spool.show());
        table("intake", self.intake.show(), usual.intake.show());
        table("retry", self.retry.show(), usual.retry.show());
        for (name, method) in &self.methods {
            let [mut rows, mut unset] = [method.show(), Method::default().show()];
            if name == "zephyr" {
                rows.extend(self.zephyr.show());
                unset.extend(usual.zephyr.show());
            }
            table(&format!("method.{name}"), rows, unset);
        }
        table("metrics", self.metrics.show(), usual.metrics.show());
        table("log", self.log.show(), usual.log.show());
        out
    }
}
