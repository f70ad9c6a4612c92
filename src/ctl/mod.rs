//! The operator's hand: the commands of `notifyctl`, and [`notifytest`].
//!
//! A command is one row of `COMMANDS` and one file with a function that takes the arguments after
//! the command's name and two streams, and returns the exit code. Codes are those of sysexits(3): 0
//! done, 64 wrong usage, 74 the output could not be written, 78 the configuration is bad.
//!
//! What can go wrong: an output that is closed early (`notifyctl config | head -1`) is not worth a
//! word and ends the command with 74.

mod age;
mod arguments;
mod check;
mod completions;
mod config;
mod import;
mod methods;
pub mod notifytest;
mod options;
mod owner;
mod place;
mod preview;
mod queue;
mod select;
mod send;
mod stats;
mod steer;
mod watch;

use crate::spool::queue::Unreadable;
use crate::system::syslog::printable_json;
use arguments::Arguments;
use std::ffi::OsString;
use std::io::{self, Write};

/// Exit code: the arguments make no sense (EX_USAGE).
pub const USAGE: u8 = 64;
/// Exit code: there is no such delivery.
pub const NOT_FOUND: u8 = 1;
/// Exit code: the spool cannot be used (EX_UNAVAILABLE).
pub const UNAVAILABLE: u8 = 69;
/// Exit code: the output could not be written (EX_IOERR).
pub const IO: u8 = 74;
/// Exit code: the configuration is bad (EX_CONFIG).
pub const CONFIG: u8 = 78;

/// Width of a call in the usage; a longer one has a line of its own.
const CALL: usize = 34;

/// Writes `value` as one line of JSON. No character of it changes how a terminal shows the rest: those are escaped.
fn write_json(out: &mut dyn Write, value: &serde_json::Value) -> io::Result<()> {
    writeln!(out, "{}", printable_json(&value.to_string()))
}

/// Where a command writes: results to `out`, complaints to `err`.
pub struct Streams<'a> {
    /// Standard output.
    pub out: &'a mut dyn Write,
    /// Standard error.
    pub err: &'a mut dyn Write,
}

/// How a command ends unless all went well.
enum Failure {
    /// Wrong arguments: the message is printed and the usage after it.
    Usage(String),
    /// The message is printed as it is; the command ends with the code.
    Fatal(Vec<u8>, u8),
    /// All is said; the command ends with the code.
    Quiet(u8),
    /// The output could not be written.
    Output(io::Error),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Failure {
        Failure::Output(error)
    }
}

impl From<Unreadable> for Failure {
    fn from(Unreadable(error): Unreadable) -> Failure {
        place::failed(error)
    }
}

/// One command of `notifyctl`.
struct Command {
    name: &'static str,
    /// The arguments, as the usage shows them.
    arguments: &'static str,
    /// What it does, in a few words.
    summary: &'static str,
    run: fn(Arguments, &mut Streams<'_>) -> Result<(), Failure>,
}

const COMMANDS: &[Command] = &[
    Command {
        name: "queue",
        arguments: "[--json] FILTERS",
        summary: "list what is owed",
        run: queue::list,
    },
    Command {
        name: "show",
        arguments: "[--json] ID ...",
        summary: "show deliveries with all they carry",
        run: queue::show,
    },
    Command {
        name: "retry",
        arguments: "[--dry-run] FILTERS|--all",
        summary: "try again now what is deferred or has failed",
        run: steer::retry,
    },
    Command {
        name: "hold",
        arguments: "[--dry-run] FILTERS|--all",
        summary: "keep from delivery until released",
        run: steer::hold,
    },
    Command {
        name: "release",
        arguments: "[--dry-run] FILTERS|--all",
        summary: "deliver what is on hold",
        run: steer::release,
    },
    Command {
        name: "delete",
        arguments: "[--dry-run] FILTERS|--all",
        summary: "remove for good",
        run: steer::delete,
    },
    Command {
        name: "flush",
        arguments: "[--dry-run]",
        summary: "try again now all that is deferred",
        run: steer::flush,
    },
    Command {
        name: "import",
        arguments: "[--json] FILE",
        summary: "take over what can be read of a spool file that was kept aside",
        run: import::run,
    },
    Command {
        name: "age",
        arguments: "[--json] FILTERS",
        summary: "how old what is owed is, by method",
        run: age::run,
    },
    Command {
        name: "stats",
        arguments: "[--json]",
        summary: "what the daemon has done since its start, and what is owed",
        run: stats::run,
    },
    Command {
        name: "watch",
        arguments: "[--json] [--status S] [--method M] [--class C] [--event E] [--user U]",
        summary: "show what arrives and how it ends, as it happens",
        run: watch::run,
    },
    Command {
        name: "check",
        arguments: "[--json] [-M FILE]",
        summary: "explain what will happen with notifications here, and what will not",
        run: check::run,
    },
    Command {
        name: "send",
        arguments: "[--socket PATH] [--method M] [--class C] [--priority P] [--user U] [--mailbox B] [--option O] [--file PATH] TEXT|--stdin",
        summary: "send a notification",
        run: send::run,
    },
    Command {
        name: "owner",
        arguments: "[--json] TOKEN ...",
        summary: "the users on whose behalf mails with these owner-tokens were sent",
        run: owner::run,
    },
    Command {
        name: "methods",
        arguments: "[--json]",
        summary: "the methods there are",
        run: methods::run,
    },
    Command {
        name: "config",
        arguments: "[--json] [--defaults] [--secrets]",
        summary: "print what imapd.conf and notifyd.toml set, and what is wrong with them",
        run: config::run,
    },
    Command {
        name: "preview",
        arguments: preview::ARGUMENTS,
        summary: "show the mail that would be sent, and which templates make it",
        run: preview::run,
    },
    Command {
        name: "completions",
        arguments: completions::SHELLS,
        summary: "print what a shell needs to complete all this",
        run: completions::run,
    },
];

/// Runs `notifyctl` with `args` (without the program's name) and returns the exit code.
pub fn run(args: &[OsString], streams: &mut Streams<'_>) -> u8 {
    let done = match dispatch(args, streams) {
        Err(Failure::Quiet(code)) => Ok(code),
        other => other.map(|()| 0),
    };
    let failure = match done.and_then(|code| Ok(streams.out.flush().map(|()| code)?)) {
        Ok(code) => return code,
        Err(failure) => failure,
    };
    // Nobody is left to tell when standard error cannot be written.
    match failure {
        Failure::Usage(message) => {
            let _ = write!(streams.err, "notifyctl: {message}\n{}", usage_of(args));
            USAGE
        }
        Failure::Fatal(message, code) => {
            let _ = streams
                .err
                .write_all(&[&message, b"\n".as_slice()].concat());
            code
        }
        Failure::Quiet(code) => code,
        Failure::Output(error) => {
            if error.kind() != io::ErrorKind::BrokenPipe {
                let _ = writeln!(streams.err, "notifyctl: cannot write: {error}");
            }
            IO
        }
    }
}

fn dispatch(args: &[OsString], streams: &mut Streams<'_>) -> Result<(), Failure> {
    let (files, args) = args.split_at(files_before(args));
    let Some((name, rest)) = args.split_first() else {
        return Err(Failure::Usage("no command".into()));
    };
    if name == "--help" || name == "-h" || name == "help" {
        streams.out.write_all(usage().as_bytes())?;
        return Ok(());
    }
    let Some(command) = COMMANDS.iter().find(|command| name == command.name) else {
        let text = format!("unknown command '{}'", name.display());
        return Err(Failure::Usage(text));
    };
    let arguments = Arguments::parse(&[files, rest].concat(), &options::parts(command).0)?;
    if arguments.help() {
        writeln!(streams.out, "{}{}", call_of(command), command.help())?;
        return Ok(());
    }
    (command.run)(arguments, streams)
}

/// How many of `args` are a `-C FILE` before the command.
fn files_before(args: &[OsString]) -> usize {
    let mut count = 0;
    loop {
        let file = args.get(count).and_then(|argument| argument.to_str());
        match file.and_then(|argument| argument.strip_prefix("-C")) {
            Some("") => count += 2,
            Some(_) => count += 1,
            None => return count.min(args.len()),
        }
    }
}

impl Command {
    /// What `--help` says behind the usage.
    fn help(&self) -> String {
        format!("\n  {}; see notifyctl(8)", self.summary)
    }
}

fn call_of(command: &Command) -> String {
    let arguments = command.arguments.replace("FILTERS", select::FILTERS);
    format!("usage: notifyctl {} {arguments}\n", command.name)
}

/// How the command is called that `args` name; for an unknown one, where they all stand.
fn usage_of(args: &[OsString]) -> String {
    let args = args.get(files_before(args)..).unwrap_or_default();
    let named = |command: &&Command| args.first().is_some_and(|name| name == command.name);
    match COMMANDS.iter().find(named) {
        Some(command) => call_of(command),
        None => {
            "usage: notifyctl [-C FILE] COMMAND [ARGUMENT ...]; `notifyctl help` shows all\n".into()
        }
    }
}

fn usage() -> String {
    let mut text = String::from("usage: notifyctl [-C FILE] COMMAND [ARGUMENT ...]\n\n");
    for Command {
        name,
        arguments,
        summary,
        ..
    } in COMMANDS
    {
        let call = format!("{name} {arguments}");
        match call.len() {
            ..=CALL => text.push_str(&format!("  {call:<CALL$} {summary}\n")),
            _ => text.push_str(&format!("  {call}\n  {:<CALL$} {summary}\n", "")),
        }
    }
    text.push_str(&format!(
        "\n  -C FILE    read FILE instead of /etc/imapd.conf\n  FILTERS    {}\n",
        select::FILTERS
    ));
    text
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn call(args: &[&str]) -> (u8, String, String) {
        let args: Vec<OsString> = args.iter().map(OsString::from).collect();
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let code = run(
            &args,
            &mut Streams {
                out: &mut out,
                err: &mut err,
            },
        );
        (
            code,
            String::from_utf8(out).unwrap(),
            String::from_utf8(err).unwrap(),
        )
    }

    #[test]
    fn help_goes_to_standard_output() {
        let (code, out, err) = call(&["--help"]);
        assert_eq!((code, err.as_str()), (0, ""));
        assert!(out.starts_with("usage: notifyctl "), "{out}");
        for command in COMMANDS {
            assert!(out.contains(command.summary), "{out}");
        }
    }

    #[test]
    fn wrong_usage() {
        for args in [
            &[][..],
            &["nonsense"],
            &["config", "-C"],
            &["config", "-x"],
            &["config", "x"],
        ] {
            let (code, out, err) = call(args);
            assert_eq!((code, out.as_str()), (USAGE, ""), "{args:?}");
            assert!(err.contains("\nusage: notifyctl "), "{args:?}: {err}");
            assert_eq!(
                err.lines().count(),
                2,
                "the message must not scroll away: {err}"
            );
        }
    }

    #[test]
    fn every_command_has_help() {
        for command in COMMANDS {
            for args in [
                &[command.name, "--help"][..],
                &["-C", "/x", command.name, "-h"],
            ] {
                let with_file = options::parts(command)
                    .0
                    .iter()
                    .any(|option| option.name == "-C");
                if args[0] == "-C" && !with_file {
                    continue;
                }
                let (code, out, err) = call(args);
                assert_eq!((code, err.as_str()), (0, ""), "{args:?}");
                let head = format!("usage: notifyctl {}", command.name);
                assert!(
                    out.starts_with(&head) && out.contains(command.summary),
                    "{out}"
                );
            }
        }
    }

    #[test]
    fn the_file_may_stand_before_the_command() {
        for args in [
            &["-C", "/no/such", "queue"][..],
            &["-C/no/such", "queue"],
            &["queue", "-C", "/no/such"],
            &["-C", "/other", "queue", "-C/no/such"],
        ] {
            let (code, _, err) = call(args);
            assert_eq!(code, CONFIG, "{args:?}");
            assert!(err.contains("/no/such"), "{err}");
        }
        assert_eq!(call(&["-C"]).0, USAGE);
        assert_eq!(call(&["-C", "queue"]).0, USAGE);
        assert_eq!(call(&["-C", "/x", "methods"]).0, USAGE);
    }

    #[test]
    fn flush_takes_no_filters() {
        for args in [
            &["flush", "--state", "failed"][..],
            &["flush", "12"],
            &["flush", "--all"],
        ] {
            let (code, _, err) = call(args);
            assert_eq!(code, USAGE, "{args:?}: {err}");
        }
    }

    #[test]
    fn a_closed_output_is_silent() {
        struct Closed;
        impl Write for Closed {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::BrokenPipe.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let mut err = Vec::new();
        let code = run(
            &["--help".into()],
            &mut Streams {
                out: &mut Closed,
                err: &mut err,
            },
        );
        assert_eq!((code, err.as_slice()), (IO, b"".as_slice()));
    }
}
