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

use language::Language;
use serde_json::Value;
use std::fmt;
use std::path::Path;

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
}

/// A file that can say a part of a mail, and how far it is from what was wanted.
struct Candidate<'a> {
    language: &'a Language,
    /// The place in the chain of languages, and the level in that language.
    rank: (usize, usize),
}

impl Templates {
    /// Those that are built in, and before them those in `folder`; `usual` is the language of who has none of his
    /// own. Also what is wrong with them.
    pub fn open(folder: Option<&Path>, usual: &str) -> (Templates, Vec<Wrong>) {
        let (files, mut wrong) = folder.map(files::read).unwrap_or_default();
        let languages = language::all(&files, &mut wrong);
        let usual = usual.to_owned();
        (Templates { languages, usual }, wrong)
    }

    /// What a mail of `kind` says of `values` in `language`.
    pub fn render(&self, kind: &str, language: &str, values: &Value) -> Words {
        let values = clean::without_nulls(values);
        let (flat, full) = (clean::flat(&values), values);
        let mut wrong = Vec::new();
        let mut part = |part: &str, values: &Value| {
            let name = format!("{kind}.{part}");
            let mut candidates = self.candidates(&name, language).into_iter();
            candidates.find_map(|candidate| {
                let made = candidate.language.render(&name, values);
                let made = made.map_err(|error| push_once(&mut wrong, error.to_string()));
                made.ok().map(|made| (candidate.rank, made))
            })
        };
        let subject = part("subject", &flat);
        let text = part("txt", &full);
        let html = part("html", &full);
        let fields = part("fields", &flat);
        let (text_rank, text) = text.unwrap_or_default();
        let html = html.filter(|(rank, _)| *rank <= text_rank);
        let fields = fields.map(|(_, fields)| clean::fields(&fields));
        let (fields, refused) = fields.unwrap_or_default();
        wrong.extend(
            refused
                .iter()
                .map(|line| format!("{kind}.fields: not a field that can be added: {line}")),
        );
        Words {
            subject: clean::subject(&subject.unwrap_or_default().1),
            text: clean::text(&text),
            html: html.map(|(_, html)| clean::text(&html)),
            fields,
            wrong,
        }
    }

    /// The files from which the mails of `kind` in `language` are made.
    pub fn sources(&self, kind: &str, language: &str) -> Vec<String> {
        let mut sources = Vec::new();
        let mut text_rank = None;
        for part in PARTS {
            let name = format!("{kind}.{part}");
            let Some(first) = self.candidates(&name, language).into_iter().next() else {
                continue;
            };
            match part {
                "txt" => text_rank = Some(first.rank),
                "html" if text_rank.is_some_and(|text| first.rank > text) => continue,
                _ => {}
            }
            sources.extend(first.language.origin(&name).map(str::to_owned));
        }
        sources
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
