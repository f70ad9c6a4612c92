//! `mailto` with a mail server that answers as it is told.

use super::*;
use crate::config::Settings;
use crate::mail::Message;
use crate::method::mailto::mail::Once;
use crate::spool::ledger::Ledger;
use crate::system::syslog::{Identity, Syslog};
use std::collections::{HashMap, VecDeque};
use std::path::Path;
use std::sync::{Arc, Mutex};

/// What was submitted: to whom, and the message.
type Submitted = Arc<Mutex<Vec<(Vec<String>, String)>>>;

struct Server {
    answers: Mutex<VecDeque<Vec<Answer>>>,
    submitted: Submitted,
}

impl Transport for Server {
    fn submit(&self, letter: &Letter<'_>, _: Duration, _: &Cancel) -> Vec<Answer> {
        let to = letter.recipients.iter().map(|to| to.envelope()).collect();
        let message = String::from_utf8_lossy(letter.message).into_owned();
        self.submitted.lock().unwrap().push((to, message));
        let answers = self.answers.lock().unwrap().pop_front();
        answers.expect("an answer for each submission")
    }
}

struct Stage {
    mailto: Mailto,
    submitted: Submitted,
    late: Arc<Mutex<Vec<Duration>>>,
    /// How many attempts each delivery had.
    attempts: Mutex<HashMap<i64, u32>>,
    _dir: tempfile::TempDir,
}

impl Stage {
    fn new(answers: &[&[Answer]]) -> Stage {
        let dir = tempfile::tempdir().unwrap();
        let identity = Identity {
            ident: "test".into(),
            facility: 2,
        };
        let late = Arc::new(Mutex::new(Vec::new()));
        let told = late.clone();
        let context = Context {
            settings: &Settings::for_tests(Path::new("/v")),
            syslog: &Syslog::open(&dir.path().join("no syslogd"), identity).unwrap(),
            ledger: &Arc::new(Ledger::new(dir.path())),
            late: &(Arc::new(move |late| told.lock().unwrap().push(late)) as Late),
        };
        let submitted = Submitted::default();
        let server = Server {
            answers: Mutex::new(answers.iter().map(|answers| answers.to_vec()).collect()),
            submitted: submitted.clone(),
        };
        let mailto = Mailto {
            transport: Box::new(server),
            ..Mailto::new(&context)
        };
        Stage {
            mailto,
            submitted,
            late,
            attempts: Mutex::default(),
            _dir: dir,
        }
    }

    fn attempt(&self, id: i64, mail: &Mail) -> Outcome {
        self.asked(id, 0, mail)
    }

    /// The next attempt at a delivery that the operator last asked for when `asked` had begun.
    fn asked(&self, id: i64, asked: u32, mail: &Mail) -> Outcome {
        let begun = {
            let mut attempts = self.attempts.lock().unwrap();
            let begun = attempts.entry(id).or_insert(0);
            *begun += 1;
            *begun
        };
        let attempt = Attempt { id, begun, asked };
        send(
            &self.mailto,
            &attempt,
            std::slice::from_ref(mail),
            &Cancel::new().unwrap(),
        )
    }

    /// To whom the last submission went.
    fn last(&self) -> Vec<String> {
        self.submitted.lock().unwrap().last().unwrap().0.clone()
    }

    fn count(&self) -> usize {
        self.submitted.lock().unwrap().len()
    }
}

fn send(mailto: &Mailto, attempt: &Attempt, mails: &[Mail], cancel: &Cancel) -> Outcome {
    let account = Account {
        kind: Occasion::Sieve,
        user: b"alice",
    };
    let end = Instant::now() + Duration::from_secs(60);
    mailto.send_all(attempt, &account, mails, end, cancel)
}

fn mail(to: &[&str]) -> Mail {
    let address = |text: &&str| Address::parse(text.as_bytes()).unwrap();
    let id = Header::structured("Message-ID", b"<1@x>").unwrap();
    Mail {
        sender: None,
        recipients: to.iter().map(address).collect(),
        message: Message::new().field(id).text(b"hello"),
        owner: b"alice".to_vec(),
        once: None,
        until: None,
        wanted: None,
        remember: Vec::new(),
    }
}

fn sent() -> Answer {
    Answer::Sent("250 queued".into())
}

fn busy() -> Answer {
    Answer::Temporary("451 busy".into())
}

fn refused() -> Answer {
    Answer::Permanent("550 no such user".into())
}

fn lost() -> Answer {
    Answer::Lost("closed".into())
}

const BOTH: [&str; 2] = ["bob@x.example", "eve@x.example"];

#[test]
fn each_recipient_has_an_answer_of_his_own() {
    let stage = Stage::new(&[&[sent(), busy()], &[busy()], &[sent()]]);
    let mail = mail(&BOTH);
    let later = |sent: &str| Outcome::Temporary(format!("eve@x.example: 451 busy{sent}"));
    assert_eq!(stage.attempt(1, &mail), later("; sent to 1"));
    assert_eq!(stage.attempt(1, &mail), later("; sent to 1"));
    assert_eq!(stage.last(), ["eve@x.example"]);
    let done = Outcome::Delivered("250 queued; 2 recipients".into());
    assert_eq!(stage.attempt(1, &mail), done);
    // A daemon that died before the spool knew it.
    let done = Outcome::Delivered("sent before; 2 recipients".into());
    assert_eq!(stage.attempt(1, &mail), done);
    assert_eq!(stage.count(), 3);
}

#[test]
fn one_refused_is_told_and_only_he_is_tried_when_the_operator_says_so() {
    let stage = Stage::new(&[&[sent(), refused()], &[sent()]]);
    let mail = mail(&BOTH);
    let failed = Outcome::Permanent("eve@x.example: 550 no such user; sent to 1".into());
    assert_eq!(stage.attempt(1, &mail), failed);
    // The daemon died before the spool knew it.
    assert_eq!(stage.attempt(1, &mail), failed);
    assert!(matches!(stage.asked(1, 2, &mail), Outcome::Delivered(_)));
    assert_eq!(stage.last(), ["eve@x.example"]);
}

#[test]
fn a_lost_answer_is_followed_by_one_mail_with_a_note() {
    let stage = Stage::new(&[&[lost()], &[lost()]]);
    let mail = mail(&BOTH[..1]);
    assert!(matches!(stage.attempt(1, &mail), Outcome::Temporary(_)));
    assert!(matches!(stage.attempt(1, &mail), Outcome::Permanent(_)));
    assert!(matches!(stage.attempt(1, &mail), Outcome::Permanent(_)));
    let submitted = stage.submitted.lock().unwrap();
    let [(_, first), (_, second)] = &submitted[..] else {
        panic!("{submitted:?}")
    };
    assert!(!first.contains("X-Notifyd-Again"));
    let note =
        "X-Notifyd-Again: the answer to the first submission was lost: this may be a\n copy\n";
    assert_eq!(second.replace(note, ""), *first, "and nothing else differs");
}

#[test]
fn after_the_death_of_the_daemon_a_mail_has_a_note_too() {
    let stage = Stage::new(&[&[sent()]]);
    // The first attempt was begun, and nothing is known of it.
    stage.attempts.lock().unwrap().insert(1, 1);
    let mail = mail(&BOTH[..1]);
    assert!(matches!(stage.attempt(1, &mail), Outcome::Delivered(_)));
    let submitted = stage.submitted.lock().unwrap();
    assert!(submitted[0].1.contains("X-Notifyd-Again"));
}

/// A refusal at an earlier attempt is told in the server's words at the end.
#[test]
fn the_final_line_has_the_words_of_an_earlier_refusal() {
    let stage = Stage::new(&[&[refused(), busy()], &[sent()]]);
    let mail = mail(&BOTH);
    let words = "bob@x.example: 550 no such user";
    let first = format!("eve@x.example: 451 busy; refused: {words}");
    assert_eq!(stage.attempt(1, &mail), Outcome::Temporary(first));
    let last = Outcome::Permanent(format!("{words}; sent to 1"));
    assert_eq!(stage.attempt(1, &mail), last);
}

#[test]
fn repeats_and_what_is_too_late_are_not_sent() {
    let stage = Stage::new(&[&[sent()]]);
    let mut mail = mail(&BOTH[..1]);
    mail.once = Some(Once {
        key: b"alarm".to_vec(),
        keep: Duration::from_secs(60),
    });
    let wanted = SystemTime::now() - Duration::from_secs(7200);
    mail.wanted = Some(wanted);
    let Outcome::Delivered(why) = stage.attempt(1, &mail) else {
        panic!("delivered")
    };
    assert!(
        why.starts_with("250 queued, 720") && why.ends_with(" s late"),
        "{why}"
    );
    let late = stage.late.lock().unwrap().clone();
    assert!(late.len() == 1 && late[0] >= Duration::from_secs(7200));
    let repeat = Outcome::Delivered("the same was sent before".into());
    assert_eq!(stage.attempt(2, &mail), repeat);
    mail.once = None;
    mail.until = Some(wanted);
    assert!(matches!(stage.attempt(3, &mail), Outcome::Expired(_)));
    assert_eq!(stage.count(), 1);
}

mod alarms;
mod lives;

/// Else a mail whose composing takes for ever would be sent long after its time, and tried again beside that.
#[test]
fn composing_counts_in_the_time_limit() {
    let stage = Stage::new(&[&[sent()]]);
    let notification = Notification {
        options: vec![b"a@example.org".to_vec()],
        user: b"alice".to_vec(),
        ..Notification::default()
    };
    let delivery = super::desk::delivery(notification, 0.0);
    let cancel = Cancel::new().unwrap();
    let deliver = |limit| stage.mailto.deliver(&delivery, limit, &cancel);
    assert!(matches!(deliver(Duration::ZERO), Outcome::Temporary(why) if why.contains("compose")));
    assert_eq!(stage.count(), 0);
    assert!(matches!(
        deliver(Duration::from_secs(60)),
        Outcome::Delivered(_)
    ));
    cancel.raise();
    assert!(matches!(
        deliver(Duration::from_secs(60)),
        Outcome::Temporary(_)
    ));
    assert_eq!(stage.count(), 1);
}
