//! Mail by the program `sendmail`, as Cyrus' `notifyd/notify_mailto.c` runs it: `sendmail -i -f SENDER -- ADDRESS …`.

use super::super::program::{self, Meaning};
use super::transport::{Answer, Letter, Transport};
use crate::system::cancel::Cancel;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, ExitStatus};
use std::time::Duration;

/// Runs the program once for each mail.
pub(super) struct Sendmail {
    program: PathBuf,
}

impl Sendmail {
    pub(super) fn new(program: PathBuf) -> Sendmail {
        Sendmail { program }
    }
}

impl Transport for Sendmail {
    fn submit(&self, letter: &Letter<'_>, limit: Duration, cancel: &Cancel) -> Vec<Answer> {
        let sender = letter.sender.map_or("<>".to_owned(), |s| s.envelope());
        let mut command = Command::new(&self.program);
        command.arg0("sendmail").args(["-i", "-f", &sender, "--"]);
        command.args(letter.recipients.iter().map(|r| r.envelope()));
        let answer = program::run(command, letter.message, limit, cancel, &MEANING);
        vec![answer; letter.recipients.len()]
    }
}

/// One that we ended may have passed the mail on before, and been slow to exit.
const MEANING: Meaning<Answer> = Meaning {
    exit: judge,
    killed: Answer::Lost,
    not_run: Answer::Temporary,
};

/// sysexits(3), as Postfix' `sys_exits.c` reads them: what may pass by itself is temporary.
fn judge(status: ExitStatus) -> fn(String) -> Answer {
    const EX_UNAVAILABLE: i32 = 69;
    const EX_OSERR: i32 = 71;
    const EX_IOERR: i32 = 74;
    const EX_TEMPFAIL: i32 = 75;
    match status.code() {
        Some(0) => Answer::Sent,
        Some(EX_UNAVAILABLE | EX_OSERR | EX_IOERR | EX_TEMPFAIL) | None => Answer::Temporary,
        Some(_) => Answer::Permanent,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_may_pass_is_tried_again() {
        use std::os::unix::process::ExitStatusExt;
        let judged = |wait: i32| judge(ExitStatus::from_raw(wait))(String::new());
        assert_eq!(judged(0), Answer::Sent(String::new()));
        for code in [69, 71, 74, 75] {
            assert_eq!(judged(code << 8), Answer::Temporary(String::new()));
        }
        assert_eq!(judged(9), Answer::Temporary(String::new()), "a signal");
        for code in [1, 64, 67, 70, 77] {
            assert_eq!(judged(code << 8), Answer::Permanent(String::new()));
        }
    }
}
