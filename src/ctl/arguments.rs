//! The arguments of a command, read once from left to right as getopt_long(3) does: what stands behind an option that
//! takes a value is its value, whatever it looks like, and behind `--` nothing is an option.

use super::Failure;
use super::options::Opt;
use std::ffi::OsString;

/// The options and words of a command that it has not taken yet.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Arguments {
    flags: Vec<&'static str>,
    values: Vec<(&'static str, String)>,
    words: Vec<String>,
    help: bool,
}

impl Arguments {
    /// Reads `arguments`, which must be text, for a command that has these options.
    ///
    /// # Errors
    /// An option that there is not, or without its value, or a flag with one.
    pub(super) fn parse(arguments: &[OsString], options: &[Opt]) -> Result<Arguments, Failure> {
        let mut read = Arguments::default();
        let mut rest = arguments.iter();
        while let Some(argument) = rest.next() {
            let argument = text(argument)?;
            if argument == "--" {
                let words: Result<Vec<&str>, Failure> = rest.map(text).collect();
                read.words.extend(words?.into_iter().map(str::to_owned));
                break;
            }
            if !argument.starts_with('-') || argument == "-" {
                read.words.push(argument.to_owned());
                continue;
            }
            if argument == "-h" || argument == "--help" {
                read.help = true;
                continue;
            }
            let (name, joined) = split(argument);
            let option = options.iter().find(|option| option.name == name);
            let Some(option) = option else {
                return Err(Failure::Usage(format!("unknown option {name}")));
            };
            match (option.value, joined) {
                (None, None) => read.flags.push(option.name),
                (None, Some(_)) => {
                    return Err(Failure::Usage(format!("{name} takes no value")));
                }
                (Some(_), Some(value)) => read.values.push((option.name, value.to_owned())),
                (Some(_), None) => {
                    let value = rest.next();
                    let value =
                        value.ok_or_else(|| Failure::Usage(format!("{name} needs a value")))?;
                    read.values.push((option.name, text(value)?.to_owned()));
                }
            }
        }
        Ok(read)
    }

    /// Whether somebody wants to know how the command is called.
    pub(super) fn help(&self) -> bool {
        self.help
    }

    /// Whether the flag `option` is there; it is taken.
    pub(super) fn flag(&mut self, option: &str) -> bool {
        let before = self.flags.len();
        self.flags.retain(|flag| *flag != option);
        self.flags.len() < before
    }

    /// The value of the first `option`; it is taken.
    pub(super) fn value(&mut self, option: &str) -> Option<String> {
        let place = self.values.iter().position(|(name, _)| *name == option)?;
        Some(self.values.remove(place).1)
    }

    /// The file of the last `-C`; all of them are taken.
    pub(super) fn file(&mut self) -> Option<String> {
        std::iter::from_fn(|| self.value("-C")).last()
    }

    /// The words that are left.
    ///
    /// # Errors
    /// When an option is left, which stands more often than it can be taken.
    pub(super) fn rest(&mut self) -> Result<Vec<String>, Failure> {
        match self.values.first() {
            Some((name, _)) => Err(Failure::Usage(format!("{name} stands twice"))),
            None => Ok(std::mem::take(&mut self.words)),
        }
    }
}

/// Name and value of `--name=value` and `-nvalue`.
fn split(argument: &str) -> (&str, Option<&str>) {
    if argument.starts_with("--") {
        return match argument.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (argument, None),
        };
    }
    let end = argument.chars().take(2).map(char::len_utf8).sum();
    let (name, value) = argument.split_at(end);
    (name, Some(value).filter(|value| !value.is_empty()))
}

fn text(argument: &OsString) -> Result<&str, Failure> {
    argument
        .to_str()
        .ok_or_else(|| Failure::Usage(format!("'{}' is not UTF-8", argument.display())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const OPTIONS: [Opt; 4] = [
        Opt {
            name: "--json",
            value: None,
        },
        Opt {
            name: "--state",
            value: Some("S"),
        },
        Opt {
            name: "--user",
            value: Some("U"),
        },
        Opt {
            name: "-C",
            value: Some("FILE"),
        },
    ];

    fn parse(arguments: &[&str]) -> Result<Arguments, String> {
        let arguments: Vec<OsString> = arguments.iter().map(OsString::from).collect();
        Arguments::parse(&arguments, &OPTIONS).map_err(|failure| match failure {
            Failure::Usage(text) => text,
            _ => "another failure".to_owned(),
        })
    }

    #[test]
    fn options_are_taken_by_name() {
        let mut a = parse(&["--json", "--state", "hold", "12", "--state=failed"]).unwrap();
        assert!(a.flag("--json") && !a.flag("--json"));
        assert_eq!(a.value("--state").as_deref(), Some("hold"));
        assert_eq!(a.value("--state").as_deref(), Some("failed"));
        assert_eq!(a.value("--state"), None);
        assert_eq!(a.rest().ok().unwrap(), ["12"]);
        let mut b = parse(&["-C", "a", "x", "-Cb"]).unwrap();
        assert_eq!(b.file().as_deref(), Some("b"), "the last counts");
        assert_eq!(b.rest().ok().unwrap(), ["x"]);
    }

    #[test]
    fn a_value_is_never_an_option() {
        for value in ["--json", "-C/etc/other", "-C", "--", "-h", "--user=x", ""] {
            let mut a = parse(&["--user", value, "1"]).unwrap();
            assert_eq!(a.value("--user").as_deref(), Some(value));
            assert!(!a.flag("--json") && !a.help(), "{value}");
            assert_eq!(a.file(), None, "{value}");
            assert_eq!(a.rest().ok().unwrap(), ["1"]);
        }
        let mut a = parse(&["--", "--json", "-C", "x", "--"]).unwrap();
        assert!(!a.flag("--json") && a.file().is_none());
        assert_eq!(a.rest().ok().unwrap(), ["--json", "-C", "x", "--"]);
    }

    #[test]
    fn mistakes() {
        for (arguments, text) in [
            (&["-C"][..], "-C needs a value"),
            (&["--state"], "--state needs a value"),
            (&["--nonsense"], "unknown option --nonsense"),
            (&["--nonsense=1"], "unknown option --nonsense"),
            (&["-é1"], "unknown option -é"),
            (&["--json=1"], "--json takes no value"),
        ] {
            assert_eq!(parse(arguments).unwrap_err(), text);
        }
        let mut twice = parse(&["--user", "a", "--user", "b"]).unwrap();
        assert_eq!(twice.value("--user").as_deref(), Some("a"));
        assert!(matches!(twice.rest(), Err(Failure::Usage(text)) if text == "--user stands twice"));
    }

    proptest! {
        #[test]
        fn any_arguments_are_read(arguments: Vec<String>) {
            let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
            let _ = parse(&arguments);
        }
    }
}
