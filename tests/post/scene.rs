//! A private Cyrus and a private Postfix, and what the cases share: users, their INBOXes, and how to know that all is quiet.

use super::inbox::{Inbox, Received};
use super::postfix::{self, Client};
use super::server::{Server, kill};
use super::setup::{Form, Setup};
use super::sieve::Style;
use super::stage::{LIMIT, Signal, show, wait_for};
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// How mail leaves notifyd.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Transport {
    Sendmail,
    Smtp,
}

/// Users besides alice, who has the calendar, and bob. Sally has the Sieve scripts; for the limits' sake nobody but the loop
/// writes to lena and lars; only the quota case touches quentin; and for Cyrus guest@out.test is a stranger.
const USERS: [&str; 7] = ["carol", "dave", "lena", "lars", "sally", "quentin", "guest"];
/// Between two looks into an INBOX.
const PAUSE: Duration = Duration::from_millis(20);

/// All that the cases need.
pub(super) struct Scene {
    pub(super) server: Server,
    pub(super) transport: Transport,
    inboxes: RefCell<BTreeMap<String, Inbox>>,
    fences: Cell<usize>,
    failed: Vec<String>,
    /// Holds notifyd.toml.
    config: TempDir,
}

impl Scene {
    pub(super) fn start(form: Form, transport: Transport) -> Scene {
        let config = tempfile::tempdir().unwrap();
        fs::set_permissions(config.path(), PermissionsExt::from_mode(0o755)).unwrap();
        let toml = config.path().join("notifyd.toml");
        write_config(&config, Style::Cyrus);
        let setup = Setup::new(form)
            .conf("notifyd_config", toml.to_str().unwrap())
            .conf("sendmail", "/usr/sbin/sendmail")
            .conf("event_notifier", "mailto")
            .conf("event_groups", "calendar quota")
            .conf("event_extra_params", "timestamp diskUsed messages")
            .conf("imipnotifier", "mailto")
            .calalarmd();
        let setup = match transport {
            Transport::Sendmail => setup,
            Transport::Smtp => {
                let host = format!("127.0.0.1:{}/noauth", postfix::PORT);
                let setup = setup.conf("smtp_backend", "host");
                setup.conf("smtp_host", &host)
            }
        };
        let setup = USERS.iter().fold(setup, |setup, user| setup.user(user));
        let server = setup.start();
        server.wait_notifyds(1);
        postfix::install(&server);
        Scene {
            server,
            transport,
            inboxes: RefCell::default(),
            fences: Cell::new(0),
            failed: Vec::new(),
            config,
        }
    }

    /// Tries a case; the others are tried as well when it fails.
    pub(super) fn case(&mut self, name: &str, case: impl FnOnce(&Scene)) {
        let scene = &*self;
        if catch_unwind(AssertUnwindSafe(|| case(scene))).is_err() {
            eprintln!("{:?}: failed: {name}", self.transport);
            self.failed.push(name.to_owned());
        }
    }

    /// Writes notifyd.toml anew, and lets master start the notifyd that reads it.
    pub(super) fn style(&self, style: Style) {
        write_config(&self.config, style);
        let before = self.server.wait_notifyds(1);
        kill(before, Signal::TERM);
        self.server.wait_successor(1, before);
    }

    /// Panics when a case has failed.
    pub(super) fn end(mut self) {
        assert_eq!(self.failed, [""; 0], "by {:?}", self.transport);
        self.server.stop();
        self.server.assert_master_content(&[]);
    }

    /// Somebody elsewhere sends a mail to a user, whose Sieve script sees it when it arrives. `from` is the envelope sender.
    pub(super) fn trigger(&self, from: &str, user: &str, subject: &str, fields: &str) {
        let message = format!(
            "From: Sender <sender@example.net>\r\nTo: {user}@cyr.test\r\nSubject: {subject}\r\n\
             Date: Mon, 03 Aug 2026 10:00:00 +0000\r\nMessage-ID: <{subject}@example.net>\r\n{fields}\r\nbody\r\n"
        );
        let sent = Client::new(&self.server)
            .and_then(|mut client| client.send(from, &format!("{user}@cyr.test"), &message));
        sent.unwrap_or_else(|error| panic!("{subject}: {error}"));
        self.wait(user, &format!("the trigger {subject}"), LIMIT, |mail| {
            mail.subject() == subject
        });
    }

    /// Waits for a mail in the INBOX of `user`.
    pub(super) fn wait(
        &self,
        user: &str,
        what: &str,
        limit: Duration,
        wanted: impl Fn(&Received) -> bool,
    ) -> Rc<Received> {
        let end = Instant::now() + limit;
        loop {
            if let Some(mail) = self.mails(user, &wanted).first() {
                return Rc::clone(mail);
            }
            if Instant::now() > end {
                let list = self.inboxes.borrow()[user].list();
                let outcomes = self.outcomes();
                panic!(
                    "waited {limit:?} in vain for {what}; in the INBOX of {user} is\n{list}and notifyd says\n{outcomes}"
                );
            }
            std::thread::sleep(PAUSE);
        }
    }

    /// The mails in the INBOX of `user` for which `wanted` holds.
    pub(super) fn mails(
        &self,
        user: &str,
        wanted: impl Fn(&Received) -> bool,
    ) -> Vec<Rc<Received>> {
        let mut inboxes = self.inboxes.borrow_mut();
        let inbox = inboxes
            .entry(user.to_owned())
            .or_insert_with(|| Inbox::open(&self.server, user));
        let all = inbox.look().iter();
        all.filter(|mail| wanted(mail)).cloned().collect()
    }

    /// Waits until no mail is under way any more, between any two programs: then what has not come will not come.
    pub(super) fn settle(&self) {
        let mut before = None;
        let limit = 2 * LIMIT;
        wait_for("the end of all mail that is under way", limit, || {
            // A notification leads to a delivery, that to a mail, that perhaps to a notification: looked for in this order, and
            // then once more, in case one was moving just when it was looked for. If it was, one more has arrived.
            if self.under_way() > 0 {
                return None;
            }
            self.fence();
            let under_way = self.under_way();
            let arrived = self.server.log.count(|record| record.has("status=sent"));
            let same = before.replace(arrived) == Some(arrived);
            (under_way == 0 && same).then_some(())
        });
    }

    /// How many mails notifyd owes and Postfix has.
    fn under_way(&self) -> usize {
        let owed = self.server.owed("state NOT IN ('hold', 'failed')");
        owed + postfix::queued(&self.server)
    }

    /// What notifyd has made of the last deliveries.
    fn outcomes(&self) -> String {
        const LAST: usize = 8;
        let records = self.server.log.records();
        let lines: Vec<String> = records
            .iter()
            .filter(|record| record.has("method=mailto"))
            .map(|record| format!("  {}\n", show(&record.text)))
            .collect();
        lines[lines.len().saturating_sub(LAST)..].concat()
    }

    /// Waits until notifyd has taken all that was sent to it before.
    fn fence(&self) {
        self.fences.set(self.fences.get() + 1);
        let class = format!("FENCE{}", self.fences.get());
        let sent = self.server.notify("log", &class, None, "");
        sent.unwrap_or_else(|error| panic!("{class}: {error}"));
        let start = format!("{class},");
        self.server
            .log
            .wait(&class, |record| record.text.starts_with(start.as_bytes()));
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        if std::thread::panicking() {
            for (user, inbox) in self.inboxes.get_mut() {
                eprintln!("INBOX of {user}:\n{}", inbox.list());
            }
        }
    }
}

fn write_config(folder: &TempDir, style: Style) {
    let name = style.name();
    let text = format!(
        "[mailto]\nstyle = \"{name}\"\n[quota]\nmail = \"always\"\n[retry]\nfirst = \"1s\"\n"
    );
    fs::write(folder.path().join("notifyd.toml"), text).unwrap();
}
