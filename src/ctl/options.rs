//! The options of the commands, read from their usage texts: `[--json]` is a flag, `[--state S]` takes a value, `FILTERS`
//! stands for the filters, `a|b` for one of the words. So usage, arguments and completions cannot disagree.

use super::{COMMANDS, Command, select};

/// The commands that read no configuration.
const WITHOUT_FILE: [&str; 2] = ["methods", "completions"];

/// An option of a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Opt {
    /// With its dashes.
    pub(super) name: &'static str,
    /// The name of its value, if it takes one.
    pub(super) value: Option<&'static str>,
}

/// The options of a command, and the words that may stand alone.
pub(super) fn parts(command: &Command) -> (Vec<Opt>, Vec<&'static str>) {
    let (mut options, mut words) = (Vec::new(), Vec::new());
    if !WITHOUT_FILE.contains(&command.name) {
        read("[-C FILE]", &mut options, &mut words);
    }
    read(command.arguments, &mut options, &mut words);
    (options, words)
}

/// The options of the command with this name.
#[cfg(test)]
pub(super) fn of(name: &str) -> Vec<Opt> {
    let command = COMMANDS.iter().find(|command| command.name == name);
    parts(command.unwrap()).0
}

/// All options with a value, each name once.
pub(super) fn with_value() -> Vec<Opt> {
    let mut found: Vec<Opt> = Vec::new();
    for option in COMMANDS.iter().flat_map(|command| parts(command).0) {
        if option.value.is_none() {
            continue;
        }
        // A shell that looks at the option alone, not at the command, may offer files where a name is wanted.
        match found.iter_mut().find(|has| has.name == option.name) {
            None => found.push(option),
            Some(has) if option.takes_file() => *has = option,
            Some(_) => {}
        }
    }
    found
}

impl Opt {
    /// Whether its value is the name of a file.
    pub(super) fn takes_file(&self) -> bool {
        matches!(self.value, Some("FILE" | "PATH"))
    }
}

fn read(usage: &'static str, options: &mut Vec<Opt>, words: &mut Vec<&'static str>) {
    let mut tokens = usage.split_whitespace().peekable();
    while let Some(token) = tokens.next() {
        let bare = token.trim_start_matches('[').trim_end_matches(']');
        if bare.starts_with('-') && !token.ends_with(']') && !bare.contains('|') {
            let value = tokens.next_if(|next| !next.starts_with(['[', '-']));
            let value = value.map(|value| value.trim_end_matches(']'));
            options.push(Opt { name: bare, value });
            continue;
        }
        for part in bare.split('|') {
            if part == "FILTERS" {
                read(select::FILTERS, options, words);
            } else if part.starts_with('-') {
                options.push(Opt {
                    name: part,
                    value: None,
                });
            } else if bare.contains('|') && part.starts_with(|c: char| c.is_ascii_lowercase()) {
                words.push(part);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usage_texts_are_understood() {
        let (mut options, mut words) = (Vec::new(), Vec::new());
        read(
            "[--json] [-C FILE] --state S FILTERS|--all [x|y] ID ...",
            &mut options,
            &mut words,
        );
        let flag = |name| Opt { name, value: None };
        let valued = |name, value| Opt {
            name,
            value: Some(value),
        };
        assert_eq!(
            options[..3],
            [flag("--json"), valued("-C", "FILE"), valued("--state", "S")]
        );
        assert!(options.contains(&valued("--older", "AGE")) && options.contains(&flag("--all")));
        assert_eq!(words, ["x", "y"]);
    }
}
