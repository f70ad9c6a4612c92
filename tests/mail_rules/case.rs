//! A notification, and what must come of it.

use super::stage::{LIMIT, Mail, Notifyd, Run, Setup, note, wait_for};
use std::os::unix::fs::chown;

/// What notifyd.toml says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    Cyrus,
    Rfc5436,
    Token,
}

/// What a mail must have.
#[derive(Clone, Debug)]
pub(super) enum Has {
    /// This envelope sender.
    Sender(&'static str),
    /// These envelope recipients, in their order.
    Recipients(&'static [&'static str]),
    /// This field, once, with its encoded words decoded.
    Field(&'static str, &'static str),
    /// No such field.
    No(&'static str),
    /// This body.
    Body(&'static str),
    /// A line in the log.
    Line(&'static str),
    /// Something else.
    Also(fn(&Mail)),
}

/// What must come of a notification.
#[derive(Clone, Debug)]
pub(super) enum Expected {
    Mail(Vec<Has>),
    /// No mail, and a line in the log with this in it.
    Nothing(&'static str),
}

/// A notification of a Sieve script, and what must come of it.
#[derive(Clone, Debug)]
pub(super) struct Case {
    pub(super) option: &'static str,
    style: Style,
    priority: &'static str,
    user: &'static str,
    message: &'static str,
    more_options: Vec<&'static str>,
    staged: Option<&'static str>,
    expected: Expected,
}

/// A script of alice's that notifies `option`, in the style of Cyrus.
pub(super) fn case(option: &'static str) -> Case {
    Case {
        option,
        style: Style::Cyrus,
        priority: "normal",
        user: "alice",
        message: "hello\n\n",
        more_options: Vec::new(),
        staged: None,
        expected: Expected::Mail(Vec::new()),
    }
}

impl Case {
    pub(super) fn style(mut self, style: Style) -> Case {
        self.style = style;
        self
    }
    pub(super) fn priority(mut self, priority: &'static str) -> Case {
        self.priority = priority;
        self
    }
    pub(super) fn user(mut self, user: &'static str) -> Case {
        self.user = user;
        self
    }
    pub(super) fn message(mut self, message: &'static str) -> Case {
        self.message = message;
        self
    }
    pub(super) fn and_option(mut self, option: &'static str) -> Case {
        self.more_options.push(option);
        self
    }
    /// About a message that begins so.
    pub(super) fn about(mut self, staged: &'static str) -> Case {
        self.staged = Some(staged);
        self
    }
    pub(super) fn gives(mut self, has: impl Into<Vec<Has>>) -> Case {
        self.expected = Expected::Mail(has.into());
        self
    }
    pub(super) fn gives_nothing(mut self, line: &'static str) -> Case {
        self.expected = Expected::Nothing(line);
        self
    }
}

/// A running daemon for each style.
pub(super) struct Stages {
    stages: Vec<(Style, Notifyd)>,
}

impl Stages {
    /// Starts them, with the messages of `cases` staged.
    pub(super) fn start<'a>(cases: impl Iterator<Item = &'a Case> + Clone) -> Stages {
        let start = |(style, toml): (Style, &str)| {
            let mut stage = Setup::new()
                .line("notifyd_config: {dir}/notifyd.toml")
                .build();
            std::fs::write(stage.path("notifyd.toml"), toml).unwrap();
            std::fs::create_dir(stage.path("spool/stage.")).unwrap();
            let staged = cases.clone().filter(|case| case.style == style);
            for text in staged.filter_map(|case| case.staged) {
                let path = stage.path(&file_of(text));
                std::fs::write(&path, text).unwrap();
                let user = nix::unistd::User::from_name("cyrus").unwrap().unwrap();
                chown(&path, Some(user.uid.as_raw()), Some(user.gid.as_raw())).unwrap();
            }
            stage.spawn();
            stage.fence_log();
            (style, stage)
        };
        let styles = [
            (Style::Cyrus, "[mailto]\nstyle = 'cyrus'\n"),
            (
                Style::Rfc5436,
                "[mailto]\nstyle = 'rfc5436'\nhtml = false\n",
            ),
            (Style::Token, "[mailto]\nowner = 'token'\n"),
        ];
        Stages {
            stages: styles.into_iter().map(start).collect(),
        }
    }

    /// Sends the notification, and looks at what comes of it.
    pub(super) fn play(&mut self, case: &Case) {
        let found = self
            .stages
            .iter_mut()
            .find(|(style, _)| *style == case.style);
        let stage = &mut found.unwrap().1;
        let mut note = note("mailto")
            .class("SIEVE")
            .priority(case.priority)
            .user(case.user)
            .message(case.message)
            .option(case.option);
        for option in &case.more_options {
            note = note.option(option);
        }
        if let Some(text) = case.staged {
            let path = stage.path(&file_of(text));
            note = note.fname(path.to_str().unwrap());
        }
        match &case.expected {
            Expected::Mail(has) => {
                let run = stage.mail(&note);
                let mail = Mail::parse(&run.stdin);
                has.iter().for_each(|has| check(has, &run, &mail, stage));
            }
            Expected::Nothing(line) => {
                let runs = stage.sendmail.started().len();
                let before = stage.log.count(|r| r.has(line));
                stage.notify(&note);
                wait_for(line, LIMIT, || {
                    (stage.log.count(|r| r.has(line)) > before).then_some(())
                });
                assert_eq!(stage.sendmail.started().len(), runs, "no mail");
            }
        }
    }
}

/// Where a message is staged: a name for each text, as Cyrus 3.10 gives it.
fn file_of(text: &str) -> String {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    format!("spool/stage./1-{}", hasher.finish() % 1_000_000_000)
}

fn check(has: &Has, run: &Run, mail: &Mail, stage: &Notifyd) {
    let args = run.args();
    match *has {
        Has::Sender(sender) => assert_eq!(args[..5], ["sendmail", "-i", "-f", sender, "--"]),
        Has::Recipients(to) => assert_eq!(args[5..], *to),
        Has::Field(name, value) => assert_eq!(Mail::words(mail.text(name)), value, "{name}"),
        Has::No(name) => assert_eq!(mail.field(name), None, "{name}"),
        Has::Body(body) => assert_eq!(mail.decoded_body(), body.as_bytes()),
        Has::Line(line) => drop(stage.log.wait(line, |r| r.has(line))),
        Has::Also(check) => check(mail),
    }
}
