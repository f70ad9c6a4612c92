//! The command line of `notifyd`, as Cyrus' services take it (`master/service.c`).

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

/// What the command line says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// `-C FILE`: imapd.conf.
    pub config: Option<PathBuf>,
    /// `-m METHOD`: the method for notifications that name none.
    pub method: Option<String>,
    /// `-X`: our own log lines go to standard error, under master as well.
    pub stderr: bool,
    /// `-h`, `--help`.
    pub help: bool,
    /// `--version`.
    pub version: bool,
    /// Words that mean nothing. Cyrus' notifyd starts all the same, and master would disable a service that does not.
    pub extra: Vec<OsString>,
}

/// The usage, for `--help` and for mistakes.
pub const USAGE: &str = "usage: notifyd [-C FILE] [-m METHOD] [-X] [-U NUMBER] [-T SECONDS] [-D]

  -C FILE     read FILE instead of /etc/imapd.conf
  -m METHOD   deliver notifications that name no method by METHOD (default: null)
  -X          write our own log lines to standard error instead of syslog
  -U, -T, -D  accepted for Cyrus' sake, without effect

Cyrus' master starts it from cyrus.conf; without master it binds notifysocket itself.
See notifyd(8).
";

/// Reads `arguments`, without the program's name. Each option stands alone, as Cyrus demands; behind `--` there are words
/// only.
///
/// # Errors
/// One line that names the argument.
pub fn parse(arguments: &[OsString]) -> Result<Options, String> {
    let mut options = Options::default();
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        let mut value = || {
            rest.next()
                .cloned()
                .ok_or_else(|| format!("option {} needs a value", argument.display()))
        };
        match argument.to_str() {
            Some("-C") => options.config = Some(PathBuf::from(value()?)),
            Some("-m") => options.method = Some(text(&value()?)?),
            Some("-U" | "-T") => drop(value()?),
            Some("-D") => {}
            Some("-X") => options.stderr = true,
            Some("-h" | "--help") => options.help = true,
            Some("--version") => options.version = true,
            Some(merged)
                if merged.len() > 2
                    && ["-C", "-m", "-U", "-T"].contains(&merged.get(..2).unwrap_or_default()) =>
            {
                return Err(format!(
                    "options and arguments must be separated by white space: {merged}"
                ));
            }
            Some("--") => options.extra.extend(rest.by_ref().cloned()),
            _ if argument.len() > 1 && argument.as_encoded_bytes().starts_with(b"-") => {
                return Err(format!("unknown option {}", argument.display()));
            }
            _ => options.extra.push(argument.clone()),
        }
    }
    Ok(options)
}

fn text(value: &OsStr) -> Result<String, String> {
    value
        .to_str()
        .map(str::to_owned)
        .ok_or_else(|| format!("not a name: {}", value.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Options, String> {
        parse(
            &line
                .split_whitespace()
                .map(OsString::from)
                .collect::<Vec<_>>(),
        )
    }

    #[test]
    fn cyrus_options_are_taken() {
        let options = parsed("-C /etc/other.conf -m log -U 50 -T 60 -D").unwrap();
        assert_eq!(options.config.unwrap(), PathBuf::from("/etc/other.conf"));
        assert_eq!(options.method.unwrap(), "log");
    }

    #[test]
    fn mistakes_are_named() {
        assert_eq!(
            parsed("-mlog").unwrap_err(),
            "options and arguments must be separated by white space: -mlog"
        );
        assert_eq!(parsed("-m").unwrap_err(), "option -m needs a value");
        assert_eq!(parsed("-Z").unwrap_err(), "unknown option -Z");
        assert_eq!(parsed("-\u{e9}x").unwrap_err(), "unknown option -\u{e9}x");
    }

    #[test]
    fn words_stop_nothing() {
        let options = parsed("extra -m log -- -C x -").unwrap();
        assert_eq!(options.method.as_deref(), Some("log"));
        assert_eq!(options.config, None);
        assert_eq!(options.extra, ["extra", "-C", "x", "-"]);
    }
}
