//! The words of mails: templates by kind and language.
//!
//! A template is a file in the language of Jinja2 (as the `minijinja` crate has it), named by the kind of mail and the
//! part of the mail: `alarm.subject`, `alarm.txt`, `alarm.html`, `alarm.fields`. Other `.txt` and `.html` files are for
//! these to import. Where a file is looked for, file by file (see `language.rs`):
//!
//! ```text
//!   the language of the user      de-AT/alarm.txt
//!   its primary part              de/alarm.txt
//!   the usual language            fr/alarm.txt
//!   English                       en/alarm.txt, then the built-in one
//! ```
//!
//! The HTML part never comes from a place that is less exact than that of the text: the two say the same, and a mail
//! in German has no English part that mail programs would show instead of it.
//!
//! Values are cut before a template sees them, and what a template does with them is counted (minijinja's fuel, which
//! includes each byte that a filter or operator reads or makes) and ends where it is too much.
//!
//! What can go wrong: a template that is no template, or fails with values that we did not think of, or runs for ever.
//! The first is found when the templates are opened, because each is tried with `samples.json`; the others when a mail
//! is made. The next file in the order above is used, and what is wrong is said, with file and line. A value that is
//! not there is empty, and no error.

mod clean;
mod files;
mod filters;
mod language;
#[cfg(test)]
mod tests;

pub use clean::subject;

use language::Language;
use serde_json::Value;
use std::collections::BTreeSet;
use std::fmt;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

/// The kinds of mails.
pub const KINDS: [&str; 6] = ["sieve", "alarm", "quota", "imip", "newmail", "signin"];
/// The parts of a mail: how the names of their files end.
const PARTS: [&str; 4] = ["subject", "txt", "html", "fields"];

/// What a mail says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Words {
    /// One line.
    pub subject: String,
    /// Plain text.
    pub text: String,
    /// The same in HTML; none when the kind has none.
    pub html: Option<String>,
    /// Header fields besides those that we write: name and value.
    pub fields: Vec<(String, String)>,
    /// What was wrong with templates while they were used, for the log: a line each.
    pub wrong: Vec<String>,
}

/// Something that is wrong with a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrong {
    /// The file, or the folder.
    pub file: String,
    /// The line in it, from 1; 0 for the whole.
    pub line: usize,
    /// What is wrong.
    pub what: String,
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.file, self.what),
            line => write!(f, "{}: line {line}: {}", self.file, self.what),
        }
    }
}

/// The templates.
pub struct Templates {
    languages: Vec<Language>,
    /// The language of who has none.
    usual: String,
    /// Files that have made a part of a mail. There are only so many.
    used: Mutex<BTreeSet<String>>,
}

/// A file that can say a part of a mail, and how far it is from what was wanted.
struct Candidate<'a> {
    language: &'a Language,
    /// The place in the chain of languages, and the level in that language.
    rank: (usize, usize),
}

/// A part of a mail, and the file that made it.
#[derive(Default)]
struct Made {
    rank: (usize, usize),
    file: String,
    text: String,
}

impl Templates {
    /// Those that are built in, and before them those in `folder`; `usual` is the language of who has none of his
    /// own. Also what is wrong with them.
    pub fn open(folder: Option<&Path>, usual: &str) -> (Templates, Vec<Wrong>) {
        let (files, mut wrong) = folder.map(files::read).unwrap_or_default();
        let languages = language::all(&files, &mut wrong);
        let usual = usual.to_owned();
        let used = Mutex::default();
        let templates = Templates {
            languages,
            usual,
            used,
        };
        (templates, wrong)
    }

    /// What a mail of `kind` says of `values` in `language`.
    pub fn render(&self, kind: &str, language: &str, values: &Value) -> Words {
        let full = clean::bounded(values);
        let flat = clean::flat(&full);
        let mut wrong = Vec::new();
        let mut part = |part: &str, values: &Value| {
            let name = format!("{kind}.{part}");
            self.part(&name, language, values, &mut wrong)
        };
        let subject = part("subject", &flat).unwrap_or_default();
        let text = part("txt", &full).unwrap_or_default();
        let html = part("html", &full).filter(|html| html.rank <= text.rank);
        let fields = part("fields", &flat).unwrap_or_default();
        for used in [&subject, &text, &fields].into_iter().chain(&html) {
            self.note(&used.file);
        }
        let file = fields.file;
        let (fields, refused) = clean::fields(&fields.text);
        for line in refused {
            wrong.push(format!("{file}: not a field that can be added: {line}"));
        }
        Words {
            subject: clean::subject(&subject.text),
            text: clean::text(&text.text),
            html: html.map(|html| clean::text(&html.text)),
            fields,
            wrong,
        }
    }

    /// What the best file of the name `name` makes of `values` that can.
    fn part(
        &self,
        name: &str,
        language: &str,
        values: &Value,
        wrong: &mut Vec<String>,
    ) -> Option<Made> {
        for Candidate { language, rank } in self.candidates(name, language) {
            match language.render(name, values) {
                Ok(text) => {
                    let file = language.origin(name).unwrap_or_default().to_owned();
                    return Some(Made { rank, file, text });
                }
                Err(error) => push_once(wrong, error.to_string()),
            }
        }
        None
    }

    /// The files that were used until now, for who wants to know which ones count.
    pub fn used(&self) -> Vec<String> {
        let used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        used.iter().cloned().collect()
    }

    fn note(&self, file: &str) {
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        if !file.is_empty() && !used.contains(file) {
            used.insert(file.to_owned());
        }
    }

    /// Where the file `name` is, best first.
    fn candidates(&self, name: &str, language: &str) -> Vec<Candidate<'_>> {
        let wanted = [language, &self.usual, language::ENGLISH];
        let tags = wanted
            .iter()
            .flat_map(|tag| [language::normal(tag), language::primary(tag)]);
        let mut chain: Vec<&Language> = Vec::new();
        for tag in tags {
            let found = self.languages.iter().find(|language| language.tag == tag);
            if let Some(found) = found.filter(|found| chain.iter().all(|has| has.tag != found.tag))
            {
                chain.push(found);
            }
        }
        let placed = chain.into_iter().enumerate();
        placed
            .filter_map(|(place, language)| {
                let rank = (place, language.level(name)?);
                Some(Candidate { language, rank })
            })
            .collect()
    }
}

fn push_once<T: PartialEq>(list: &mut Vec<T>, value: T) {
    if !list.contains(&value) {
        list.push(value);
    }
}
