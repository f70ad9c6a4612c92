//! `notifyctl config [-C FILE]`: what imapd.conf sets, in the lines of `cyr_info -n SERVICE conf`.
//!
//! The service is CYRUS_SERVICE, default `notify`. Warnings go to standard error, where Cyrus sends
//! them to syslog. What can go wrong is a file that Cyrus would refuse: its message on standard
//! error, with `cyr_info`'s words `fatal error: ` before it, and its exit code, 78. Cyrus' programs
//! refuse one thing more that is not in the file but on the disk: a `zoneinfo_dir` in which libical
//! finds no time zones. That is not looked at here.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::{CONFIG, Failure, Streams};
use crate::config::Context;

pub(super) fn run(args: &[OsString], streams: &mut Streams<'_>) -> Result<(), Failure> {
    let file = file_argument(args)?;
    let conf = Context::from_env()
        .read(file.map(Path::new))
        .map_err(|error| Failure::Fatal([b"fatal error: ", error.message()].concat(), CONFIG))?;
    for warning in conf.warnings() {
        writeln!(streams.err, "warning: {warning}")?;
    }
    streams.out.write_all(&conf.changed())?;
    Ok(())
}

/// The file after `-C`, or none; the last one counts, as with getopt(3).
fn file_argument(args: &[OsString]) -> Result<Option<&OsStr>, Failure> {
    let mut file = None;
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        match arg.as_bytes() {
            b"-C" => {
                let value = args
                    .next()
                    .ok_or_else(|| Failure::Usage("-C needs a file".into()))?;
                file = Some(value.as_os_str());
            }
            [b'-', b'C', value @ ..] => file = Some(OsStr::from_bytes(value)),
            _ => {
                return Err(Failure::Usage(format!(
                    "config: what is '{}'?",
                    arg.display()
                )));
            }
        }
    }
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_file_counts() {
        let args: Vec<OsString> = ["-C", "a", "-Cb"].map(OsString::from).into();
        assert!(matches!(file_argument(&args), Ok(Some(file)) if file == "b"));
        assert!(matches!(file_argument(&[]), Ok(None)));
    }
}
