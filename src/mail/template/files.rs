//! The files of templates: those that are built in, and those in the administrator's folder. The one place in the
//! room that reads a disk, once, when the daemon starts; nothing that is rendered can make it read more.
//!
//! In the folder: one folder a language, named by its tag (`de`, `de-AT`), with files; and files beside these, which
//! are for all languages (`layout.html`). Other names are passed over, as are editors' copies.
//!
//! What can go wrong: a folder or file that cannot be read, or is larger than a template can be.

use super::Wrong;
use super::{KINDS, PARTS, language};
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

/// The largest file.
const LARGEST: u64 = 256 << 10;
/// The most files in a folder that are looked at.
const MOST: usize = 500;

/// A file of a template.
#[derive(Clone, Debug)]
pub(super) struct Template {
    /// The language; none for all.
    pub(super) tag: Option<String>,
    /// The name, without the folder.
    pub(super) name: String,
    /// The name for people.
    pub(super) shown: String,
    pub(super) source: String,
}

macro_rules! built_in {
    ($($file:literal)*) => {
        /// Those that are built in: their names below this folder, and what is in them.
        pub(super) const BUILT_IN: &[(&str, &str)] = &[$(($file, include_str!($file))),*];
    };
}

built_in! {
    "layout.html"
    "parts.html"
    "en/dates.txt"
    "en/people.txt"
    "en/series.txt"
    "en/invitation.txt"
    "en/details.txt"
    "en/details.html"
    "en/sieve.subject"
    "en/sieve.txt"
    "en/sieve.html"
    "en/alarm.subject"
    "en/alarm.txt"
    "en/alarm.html"
    "en/quota.subject"
    "en/quota.txt"
    "en/quota.html"
    "en/imip.subject"
    "en/imip.txt"
    "en/imip.html"
    "en/newmail.subject"
    "en/newmail.txt"
    "en/newmail.html"
    "en/signin.subject"
    "en/signin.txt"
    "en/signin.html"
}

/// The built-in file: its language, its name, what is in it.
pub(super) fn built_in() -> impl Iterator<Item = Template> {
    BUILT_IN.iter().map(|(path, source)| {
        let (tag, name) = match path.split_once('/') {
            Some((tag, name)) => (Some(tag.to_owned()), name),
            None => (None, *path),
        };
        Template {
            tag,
            name: name.to_owned(),
            shown: format!("built-in {path}"),
            source: (*source).to_owned(),
        }
    })
}

/// The templates in `folder`, and what is wrong with its files.
pub(super) fn read(folder: &Path) -> (Vec<Template>, Vec<Wrong>) {
    let (mut files, mut wrong) = (Vec::new(), Vec::new());
    for name in names(folder, &mut wrong) {
        let path = folder.join(&name);
        if path.is_dir() {
            if !language::is_tag(&name) {
                continue;
            }
            let tag = language::normal(&name);
            for name in names(&path, &mut wrong) {
                take(&path.join(&name), Some(&tag), &name, &mut files, &mut wrong);
            }
        } else {
            take(&path, None, &name, &mut files, &mut wrong);
        }
    }
    (files, wrong)
}

/// The names in `folder` that could be ours, in order.
fn names(folder: &Path, wrong: &mut Vec<Wrong>) -> Vec<String> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) => {
            wrong.push(problem(folder, error.to_string()));
            return Vec::new();
        }
    };
    let name = |entry: io::Result<fs::DirEntry>| entry.ok()?.file_name().into_string().ok();
    let mut names: Vec<String> = entries.filter_map(name).take(MOST).collect();
    names.retain(|name| !name.starts_with('.'));
    names.sort();
    names
}

fn take(
    path: &Path,
    tag: Option<&str>,
    name: &str,
    files: &mut Vec<Template>,
    wrong: &mut Vec<Wrong>,
) {
    match kind_and_part(name) {
        Named::Nothing => return,
        Named::Unknown(kind) => {
            let known = KINDS.join(", ");
            let what = format!("no mail is of kind {kind}; there are: {known}");
            wrong.push(problem(path, what));
            return;
        }
        Named::Template => {}
    }
    match contents(path) {
        Ok(source) => files.push(Template {
            tag: tag.map(str::to_owned),
            name: name.to_owned(),
            shown: path.display().to_string(),
            source,
        }),
        Err(error) => wrong.push(problem(path, error.to_string())),
    }
}

enum Named<'a> {
    Template,
    /// A part that nothing but a kind of mail has, and no such kind.
    Unknown(&'a str),
    Nothing,
}

fn kind_and_part(name: &str) -> Named<'_> {
    match name.rsplit_once('.') {
        Some((kind, part)) if PARTS.contains(&part) => {
            match KINDS.contains(&kind) || ["txt", "html"].contains(&part) {
                true => Named::Template,
                false => Named::Unknown(kind),
            }
        }
        _ => Named::Nothing,
    }
}

fn contents(path: &Path) -> io::Result<String> {
    // A pipe would make us wait.
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::other("is not a file"));
    }
    let mut source = String::new();
    File::open(path)?
        .take(LARGEST + 1)
        .read_to_string(&mut source)?;
    match source.len() as u64 > LARGEST {
        true => Err(io::Error::other(format!("is larger than {LARGEST} bytes"))),
        false => Ok(source),
    }
}

fn problem(path: &Path, what: String) -> Wrong {
    Wrong {
        file: path.display().to_string(),
        line: 0,
        what,
    }
}
