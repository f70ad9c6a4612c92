//! `external`: runs the program `notify_external` (Cyrus' `notifyd/notify_external.c`).
//!
//! `PROG -c CLASS -p PRIORITY -u USER -m MAILBOX -f FILE`, the message and a newline on its standard
//! input. Without a file the arguments end after `-f`, as stock's do. FILE is our own link to the staged
//! message, which stays until the delivery is done. When there is none (lmtpd had removed it, or it was not certain
//! that it is the one), there is no file of that name; the original's is not passed then, because the next message of the
//! same lmtpd may have it, which may be another user's.

use super::program::{self, Meaning};
use super::{Delivery, Kind, Method, Outcome};
use crate::system::cancel::Cancel;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::time::Duration;

/// sysexits(3): try again later.
const EX_TEMPFAIL: i32 = 75;

pub(super) const KIND: Kind = Kind {
    name: "external",
    about: "runs the program notify_external",
    immediate: false,
    wants_message: true,
    wants: super::NAMED,
    // Old scripts count on being run one after the other.
    permits: 1,
    timeout: Duration::from_secs(60),
    build: |context| {
        Box::new(External {
            program: context.settings.notify_external.clone(),
        })
    },
};

struct External {
    program: Option<PathBuf>,
}

impl Method for External {
    fn deliver(&self, delivery: &Delivery, limit: Duration, cancel: &Cancel) -> Outcome {
        let Some(path) = &self.program else {
            return Outcome::Temporary(
                "no program: notify_external is not set in imapd.conf".into(),
            );
        };
        let mut command = Command::new(path);
        command.args(arguments(delivery));
        let input = [delivery.notification.message.as_slice(), b"\n"].concat();
        program::run(command, &input, limit, cancel, &MEANING)
    }
}

fn arguments(delivery: &Delivery) -> Vec<OsString> {
    let n = &delivery.notification;
    let fields = [
        ("-c", &n.class),
        ("-p", &n.priority),
        ("-u", &n.user),
        ("-m", &n.mailbox),
    ];
    let mut arguments: Vec<OsString> = fields
        .iter()
        .flat_map(|(option, value)| [OsStr::new(option).into(), OsStr::from_bytes(value).into()])
        .collect();
    arguments.push("-f".into());
    if let Some(fname) = &n.fname {
        let theirs = Path::new(OsStr::from_bytes(fname));
        let ours = delivery.message_file.as_path();
        let name = if ours.exists() || is_staged(theirs) {
            ours
        } else {
            theirs
        };
        arguments.push(name.into());
    }
    arguments
}

/// Whether it is a name that lmtpd gives, and may give again: one in the folder `stage.` of a partition
/// (`imap/append.c`).
fn is_staged(path: &Path) -> bool {
    path.parent()
        .and_then(Path::file_name)
        .is_some_and(|folder| folder == "stage.")
}

/// A program that we ended is run again, as after our own death.
const MEANING: Meaning<Outcome> = Meaning {
    exit: judge,
    killed: Outcome::Temporary,
    not_run: Outcome::Temporary,
};

/// Old scripts return anything: only what they say on purpose makes us run them again.
fn judge(status: ExitStatus) -> fn(String) -> Outcome {
    match status.code() {
        Some(0) => Outcome::Delivered,
        Some(EX_TEMPFAIL) => Outcome::Temporary,
        _ => Outcome::Permanent,
    }
}
