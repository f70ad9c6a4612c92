//! The templates of one language, which can import each other and nothing else.
//!
//! A language has levels, the most exact first: its own folder, that of its primary part (`de` for `de-AT`), for English
//! what is built in, then the files that are for all languages. A name means the first file of that name.

use super::files::{Template, built_in};
use super::{KINDS, PARTS, Wrong, clean, filters, push_once};
use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment, Error, ErrorKind, UndefinedBehavior, Value, context};
use std::collections::BTreeMap;
use std::io::{self, Write};

/// The language that is always there.
pub(super) const ENGLISH: &str = "en";
/// What a part of a mail may cost, with all that it includes and imports: minijinja's instructions, and one for each 64
/// bytes of text that they read or make. A mail with hundreds of attendees needs a tenth.
const FUEL: u64 = 1_000_000;
/// How long a part of a mail may be, in bytes.
const LONGEST: usize = 1 << 20;
/// Values to try templates with, by kind.
pub(super) const SAMPLES: &str = include_str!("samples.json");

/// The tag as we compare it: RFC 5646 section 2.1.1 has no case, and others have underlines.
pub(super) fn normal(tag: &str) -> String {
    tag.to_ascii_lowercase().replace('_', "-")
}

/// The language without its region.
pub(super) fn primary(tag: &str) -> String {
    let tag = normal(tag);
    tag.split('-').next().unwrap_or_default().to_owned()
}

/// Whether a folder's name is a language's.
pub(super) fn is_tag(name: &str) -> bool {
    let known = |part: &str| {
        (1..=8).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_alphanumeric())
    };
    let tag = normal(name);
    (2..=3).contains(&primary(&tag).len()) && tag.split('-').all(known)
}

/// One language.
pub(super) struct Language {
    pub(super) tag: String,
    environment: Environment<'static>,
    /// For each name the level and the file.
    origins: BTreeMap<String, (usize, String)>,
}

/// All languages of `files`, and English.
pub(super) fn all(files: &[Template], wrong: &mut Vec<Wrong>) -> Vec<Language> {
    let built_in: Vec<Template> = built_in().collect();
    let tags = files.iter().filter_map(|file| file.tag.clone());
    let mut tags: Vec<String> = tags.chain([ENGLISH.to_owned()]).collect();
    tags.sort();
    tags.dedup();
    let samples: serde_json::Value = serde_json::from_str(SAMPLES).unwrap_or_default();
    tags.into_iter()
        .map(|tag| Language::new(tag, files, &built_in, &samples, wrong))
        .collect()
}

impl Language {
    fn new(
        tag: String,
        files: &[Template],
        built_in: &[Template],
        samples: &serde_json::Value,
        wrong: &mut Vec<Wrong>,
    ) -> Language {
        let levels = levels(&tag, files, built_in);
        let mut language = Language {
            environment: environment(&tag),
            tag,
            origins: BTreeMap::new(),
        };
        for (level, file) in &levels {
            if language.level(&file.name).is_none() {
                language.add(*level, file, wrong);
            }
        }
        for (kind, part) in KINDS
            .iter()
            .flat_map(|kind| PARTS.map(|part| (*kind, part)))
        {
            let name = format!("{kind}.{part}");
            // What is built in is tried by the tests.
            while language
                .origin(&name)
                .is_some_and(|from| !built_in.iter().any(|file| file.shown == from))
            {
                let Err(error) = language.try_out(&name, &samples[kind]) else {
                    break;
                };
                push_once(wrong, error);
                language.step_down(&name, &levels, wrong);
            }
        }
        language
    }

    /// Takes `file` for its name, unless it is wrong.
    fn add(&mut self, level: usize, file: &Template, wrong: &mut Vec<Wrong>) {
        let (name, source) = (file.name.clone(), file.source.clone());
        let origin = (level, file.shown.clone());
        match self.environment.add_template_owned(name.clone(), source) {
            Ok(()) => drop(self.origins.insert(name, origin)),
            Err(error) => {
                let (line, what) = (error.line().unwrap_or(0), describe(&error));
                let file = file.shown.clone();
                push_once(wrong, Wrong { file, line, what });
            }
        }
    }

    /// Takes the next file for `name` instead of the one in use.
    fn step_down(&mut self, name: &str, levels: &[(usize, &Template)], wrong: &mut Vec<Wrong>) {
        self.environment.remove_template(name);
        let Some((used, _)) = self.origins.remove(name) else {
            return;
        };
        for (level, file) in levels {
            if *level > used && file.name == name && self.level(name).is_none() {
                self.add(*level, file, wrong);
            }
        }
    }

    fn try_out(&self, name: &str, samples: &serde_json::Value) -> Result<(), Wrong> {
        let nothing = serde_json::json!({});
        let samples = samples.as_array().into_iter().flatten().chain([&nothing]);
        for sample in samples {
            self.render(name, &clean::bounded(sample))?;
        }
        Ok(())
    }

    /// How far from this language the file is that `name` means.
    pub(super) fn level(&self, name: &str) -> Option<usize> {
        self.origins.get(name).map(|(level, _)| *level)
    }

    /// The file that `name` means.
    pub(super) fn origin(&self, name: &str) -> Option<&str> {
        self.origins.get(name).map(|(_, shown)| shown.as_str())
    }

    /// What the template `name` makes of `values`.
    pub(super) fn render(&self, name: &str, values: &serde_json::Value) -> Result<String, Wrong> {
        let mut page = Page(Vec::new());
        let values = Value::from(Serde(values));
        // All of them under one name, for macros that want an event.
        let values = context! { this => values.clone(), ..values };
        let template = self.environment.get_template(name);
        let done = template.and_then(|t| t.render_captured_to(values, &mut page).map(drop));
        let made = done.map_err(|error| self.wrong(name, &error));
        made.map(|()| String::from_utf8_lossy(&page.0).into_owned())
    }

    fn wrong(&self, name: &str, error: &Error) -> Wrong {
        // The innermost file is the one to mend; others only import it.
        let mut innermost = error;
        let mut next: Option<&(dyn std::error::Error + 'static)> = std::error::Error::source(error);
        while let Some(inner) = next {
            if let Some(inner) = inner.downcast_ref::<Error>().filter(|e| e.name().is_some()) {
                innermost = inner;
            }
            next = inner.source();
        }
        let at = innermost.name().unwrap_or(name);
        let file = self.origin(at).or_else(|| self.origin(name));
        Wrong {
            file: file.unwrap_or(at).to_owned(),
            line: innermost.line().unwrap_or(0),
            what: describe(innermost),
        }
    }
}

/// The files of a language with their levels, the most exact first.
fn levels<'a>(
    tag: &str,
    files: &'a [Template],
    built_in: &'a [Template],
) -> Vec<(usize, &'a Template)> {
    let primary = primary(tag);
    let english = (primary == ENGLISH).then_some(ENGLISH);
    let mut levels = Vec::new();
    let mut level = |number: usize, of: &'a [Template], tag: Option<&str>| {
        let of = of.iter().filter(|file| file.tag.as_deref() == tag);
        levels.extend(of.map(|file| (number, file)));
    };
    level(0, files, Some(tag));
    if primary != tag {
        level(1, files, Some(&primary));
    }
    if english.is_some() {
        level(2, built_in, english);
    }
    level(3, files, None);
    level(4, built_in, None);
    levels
}

fn environment(tag: &str) -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Chainable);
    environment.set_fuel(Some(FUEL));
    environment.set_recursion_limit(100);
    environment.set_auto_escape_callback(|name| match name.ends_with(".html") {
        true => AutoEscape::Html,
        false => AutoEscape::None,
    });
    environment.add_global("language", tag);
    filters::add(&mut environment);
    environment
}

/// Where a rendered part goes: it ends where it is too long.
struct Page(Vec<u8>);

impl Write for Page {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > LONGEST {
            return Err(io::Error::other(format!("longer than {LONGEST} bytes")));
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// One line for the administrator.
fn describe(error: &Error) -> String {
    let what = match error.kind() {
        ErrorKind::OutOfFuel => "takes too long, or makes too much".to_owned(),
        ErrorKind::WriteFailure => format!("makes more than {LONGEST} bytes"),
        kind => match error.detail() {
            Some(detail) => format!("{kind}: {detail}"),
            None => kind.to_string(),
        },
    };
    what.replace(char::is_control, " ")
}
