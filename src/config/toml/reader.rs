//! Takes known keys out of a table; what is left in the end is unknown.
//!
//! What can go wrong is a [`Problem`] each, with the line. A value on which a syntax error lies is not believed.

use super::Problem;
use super::form::Form;
use super::keys::{KEYS, Key};
use std::collections::BTreeSet;
use std::ops::Range;
use toml::de::{DeTable, DeValue, Error};

/// A table that is made of declared keys.
pub(super) trait Section: Default {
    /// Takes its keys out of `reader`.
    fn read(reader: &mut Reader<'_, '_>) -> Self;
    /// Its keys with the text of their values; none where nothing is set.
    fn show(&self) -> Vec<(&'static Key, Option<String>)>;
}

/// Collects problems; knows the lines.
pub(super) struct Problems<'t> {
    text: &'t str,
    /// Where the syntax is broken.
    broken: Vec<Range<usize>>,
    found: Vec<(usize, String)>,
    /// How many were found when there were [`MOST`] already, and where the first of them lies.
    more: usize,
    more_at: usize,
    /// Where lines begin.
    lines: Vec<usize>,
}

/// Most mistakes that are told one by one; a file with as many is no notifyd.toml.
const MOST: usize = 50;

impl<'t> Problems<'t> {
    /// Begins with the syntax errors of `text`. One mistake may lead to several; one for each line is enough.
    pub(super) fn new(text: &'t str, errors: &[Error]) -> Problems<'t> {
        let ends = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        let mut problems = Problems {
            text,
            broken: Vec::new(),
            found: Vec::new(),
            more: 0,
            more_at: usize::MAX,
            lines: ends.map(|(at, _)| at + 1).collect(),
        };
        let mut lines = BTreeSet::new();
        for error in errors {
            let span = error.span().unwrap_or_default();
            if lines.insert(problems.line(span.start)) {
                problems.add(
                    span.clone(),
                    syntax(error.message(), text.get(span.clone())),
                );
            }
            problems.broken.push(span);
        }
        problems
    }

    /// Adds one that lies at `span`. It stays one line, whatever a quoted key holds.
    pub(super) fn add(&mut self, span: Range<usize>, what: String) {
        self.add_with(span, || what);
    }

    /// The same, with words that are only made when they are told.
    pub(super) fn add_with(&mut self, span: Range<usize>, what: impl FnOnce() -> String) {
        if self.found.len() >= MOST {
            self.more += 1;
            self.more_at = self.more_at.min(span.start);
            return;
        }
        self.found
            .push((span.start, what().replace(char::is_control, "?")));
    }

    fn is_broken(&self, span: Range<usize>) -> bool {
        self.broken
            .iter()
            .any(|broken| broken.start <= span.end && span.start <= broken.end)
    }

    fn line(&self, at: usize) -> usize {
        let at = at.min(self.text.len());
        1 + self.lines.partition_point(|&begin| begin <= at)
    }

    /// All of them, in the order of the file.
    pub(super) fn into_sorted(mut self) -> Vec<Problem> {
        self.found.sort_by_key(|(at, _)| *at);
        let mut found = std::mem::take(&mut self.found);
        if self.more > 0 {
            found.push((self.more_at, format!("and {} more mistakes", self.more)));
        }
        found
            .into_iter()
            .map(|(at, what)| Problem {
                line: self.line(at),
                what,
            })
            .collect()
    }
}

fn syntax(message: &str, at: Option<&str>) -> String {
    match (message, at) {
        ("duplicate key", Some(name)) => format!("{name} stands twice; the first one counts"),
        _ => format!("syntax: {message}"),
    }
}

/// What is left of a table.
pub(super) struct Reader<'p, 't> {
    table: DeTable<'t>,
    name: String,
    /// Names that were asked for.
    asked: Vec<&'static str>,
    pub(super) problems: &'p mut Problems<'t>,
}

impl<'p, 't> Reader<'p, 't> {
    /// Reads `table`, which the file calls `name`; empty for the file itself.
    pub(super) fn new(
        table: DeTable<'t>,
        name: String,
        problems: &'p mut Problems<'t>,
    ) -> Reader<'p, 't> {
        Reader {
            table,
            name,
            asked: Vec::new(),
            problems,
        }
    }

    /// The value of `key`, or its default.
    pub(super) fn take<T: Form>(&mut self, key: &'static str, otherwise: &str) -> T {
        self.asked.push(key);
        let Some((name, value)) = self.table.remove_entry(key) else {
            return default(otherwise);
        };
        if self.problems.is_broken(name.span().start..value.span().end) {
            return default(otherwise);
        }
        let (table, problems) = (&self.name, &mut *self.problems);
        let mut complain = |span: Range<usize>, what: String| {
            problems.add(span, format!("[{table}] {key}: {what}"))
        };
        T::read(&value, &mut complain).unwrap_or_else(|| default(otherwise))
    }

    /// The table `name` in this one.
    pub(super) fn table(&mut self, name: &'static str) -> Option<DeTable<'t>> {
        let value = self.table.remove(name)?;
        let span = value.span();
        match value.into_inner() {
            DeValue::Table(table) => Some(table),
            _ => {
                self.problems
                    .add(span, format!("[{name}] must be a table, and stand once"));
                None
            }
        }
    }

    /// The keys of the table `name` in this one.
    pub(super) fn section<S: Section>(&mut self, name: &'static str) -> S {
        let Some(table) = self.table(name) else {
            return S::default();
        };
        let mut reader = Reader::new(table, name.to_owned(), self.problems);
        let section = S::read(&mut reader);
        reader.end(&[]);
        section
    }

    /// What is left is unknown. `names` are those that were taken, when they are no keys.
    pub(super) fn end(self, names: &[&'static str]) {
        for (key, value) in &self.table {
            let name = key.get_ref();
            self.problems.add_with(key.span(), || {
                if names.is_empty() {
                    format!(
                        "[{}] {name}: there is no such key; {}",
                        self.name,
                        key_hint(name, &self.asked)
                    )
                } else if value.get_ref().is_table() {
                    format!("[{name}]: there is no such table; {}", hint(name, names))
                } else {
                    format!("{name} stands in no table; {}", key_hint(name, &[]))
                }
            });
        }
    }
}

/// The default of a key.
pub(super) fn default<T: Form>(text: &str) -> T {
    if let (true, Some(unset)) = (text.is_empty(), T::unset()) {
        return unset;
    }
    let value = DeValue::parse(text).ok();
    let read = value.and_then(|value| T::read(&value, &mut |_, _| {}));
    read.expect("a test reads every default that is declared")
}

/// What might be meant instead of an unknown key of a table that has `names`.
fn key_hint(name: &str, names: &[&'static str]) -> String {
    let elsewhere = KEYS
        .iter()
        .find(|key| key.name == name && !names.contains(&key.name));
    match elsewhere {
        Some(key) => format!("it belongs in [{}]", key.table),
        None if names.is_empty() => "begin one, such as [spool], before it".to_owned(),
        None => hint(name, names),
    }
}

/// `did you mean …?`, or all there are.
pub(super) fn hint(name: &str, names: &[&str]) -> String {
    let near = names
        .iter()
        .map(|other| (distance(name, other), other))
        .min();
    match near {
        Some((distance, other)) if distance <= other.len().div_ceil(3) => {
            format!("did you mean {other}?")
        }
        _ => format!("there are: {}", names.join(", ")),
    }
}

/// How many letters must be changed, left out, added or swapped to make one of the other.
pub(super) fn distance(a: &str, b: &str) -> usize {
    // Nobody misspells a name by as much, and the table below has the size of both.
    let [a, b] = [a, b].map(|text| text.chars().take(64).collect::<Vec<char>>());
    let mut rows: Vec<Vec<usize>> = vec![(0..=b.len()).collect()];
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let changed = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut least = changed.min(rows[i - 1][j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                least = least.min(rows[i - 2][j - 2] + 1);
            }
            row.push(least);
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name() {
        assert_eq!(
            hint("max_row", &["path", "max_rows"]),
            "did you mean max_rows?"
        );
        assert_eq!(hint("pathe", &["path", "max_rows"]), "did you mean path?");
        assert_eq!(hint("patH", &["path", "max_rows"]), "did you mean path?");
        assert_eq!(
            hint("colour", &["path", "max_rows"]),
            "there are: path, max_rows"
        );
        assert_eq!(distance("lifetmie", "lifetime"), 1, "a swap");
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("kitten", "sitting"), 3);
    }
}
