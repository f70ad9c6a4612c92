//! The guard, alone; how it is used is tested with `mailto`.

use super::super::occasion::Occasion;
use super::*;
use crate::config::toml::Config;
use crate::config::{Context, Settings};
use crate::mail::Message;
use rusqlite::Connection;

const NOW: Micros = 1_795_370_292_000_000;

struct Stage {
    dir: tempfile::TempDir,
    own: &'static str,
}

impl Stage {
    fn new(own: &'static str) -> Stage {
        let dir = tempfile::tempdir().unwrap();
        Stage { dir, own }
    }

    /// A guard as after a restart.
    fn guard(&self) -> Guard {
        let (config, problems) = Config::read(self.own, &crate::method::known());
        assert_eq!(problems, []);
        let conf = b"configdirectory: /v\ndefaultdomain: example.org\n";
        let mut settings = Settings::parse(conf, &Context::default()).unwrap();
        settings.own.config = config;
        let mailboxes = Mailboxes::new(&settings, "example.org");
        let ledger = Arc::new(Ledger::new(self.dir.path()));
        Guard::new(ledger, &settings.own.config, mailboxes)
    }

    /// How many entries there are whose keys begin with this letter.
    fn entries(&self, letter: u8) -> usize {
        let path = self.dir.path().join("ledger.db");
        let file = Connection::open(path).unwrap();
        let mut keys = file.prepare("SELECT key FROM entry").unwrap();
        let keys = keys.query_map([], |row| row.get::<_, Vec<u8>>(0)).unwrap();
        keys.filter(|key| key.as_ref().unwrap()[0] == letter)
            .count()
    }
}

fn mail(to: &[&str], once: Option<&str>) -> Mail {
    let address = |text: &&str| Address::parse(text.as_bytes()).unwrap();
    Mail {
        sender: None,
        recipients: to.iter().map(address).collect(),
        message: Message::new(),
        owner: b"alice".to_vec(),
        once: once.map(|key| Once {
            key: key.into(),
            keep: Duration::from_secs(86_400),
        }),
        until: None,
        wanted: None,
        remember: Vec::new(),
    }
}

fn attempt(id: i64, begun: u32) -> Attempt {
    Attempt {
        id,
        begun,
        asked: 0,
    }
}

const SIEVE: Account<'static> = Account {
    kind: Occasion::Sieve,
    user: b"alice",
};

fn admit_for(
    guard: &Guard,
    now: Micros,
    account: &Account<'_>,
    attempt: &Attempt,
    mail: &Mail,
) -> Vec<Recipient> {
    let mails = std::slice::from_ref(mail);
    guard.admit(now, attempt, account, mails).unwrap().remove(0)
}

fn admit(guard: &Guard, now: Micros, id: i64, begun: u32, mail: &Mail) -> Vec<Standing> {
    let all = admit_for(guard, now, &SIEVE, &attempt(id, begun), mail);
    all.into_iter().map(|one| one.standing).collect()
}

/// An attempt at which all who get the mail have this answer; who got it.
fn try_all(guard: &Guard, id: i64, begun: u32, mail: &Mail, answer: &Answer) -> Vec<Standing> {
    let attempt = attempt(id, begun);
    let mut all = admit_for(guard, NOW, &SIEVE, &attempt, mail);
    for one in &mut all {
        if matches!(one.standing, Standing::Go | Standing::Again) {
            one.answer(answer.clone());
        }
    }
    let mails = std::slice::from_ref(mail);
    let all = [all];
    guard.record_all(NOW, &attempt, &SIEVE, mails, &all);
    let [all] = all;
    all.into_iter().map(|one| one.standing).collect()
}

fn sent() -> Answer {
    Answer::Sent("250".into())
}

fn busy() -> Answer {
    Answer::Temporary("451".into())
}

fn never() -> Answer {
    Answer::Permanent("550".into())
}

fn lost() -> Answer {
    Answer::Lost("closed".into())
}

const BOB: [&str; 1] = ["bob@example.org"];

#[test]
fn a_recipient_who_has_it_is_skipped_after_a_restart() {
    let stage = Stage::new("");
    let mail = mail(&BOB, None);
    assert_eq!(
        try_all(&stage.guard(), 1, 1, &mail, &busy()),
        [Standing::Go]
    );
    assert_eq!(
        try_all(&stage.guard(), 1, 2, &mail, &sent()),
        [Standing::Go]
    );
    assert_eq!(admit(&stage.guard(), NOW, 1, 3, &mail), [Standing::Done]);
    assert_eq!(admit(&stage.guard(), NOW, 2, 1, &mail), [Standing::Go]);
}

/// The counter of attempts that count was set back by a cut or by a hold; the one of attempts begun was not.
#[test]
fn a_cut_first_attempt_is_no_first_attempt_again() {
    let stage = Stage::new("");
    let mail = mail(&["fast@x.example", "slow@x.example"], None);
    let guard = stage.guard();
    let mut all = admit_for(&guard, NOW, &SIEVE, &attempt(1, 1), &mail);
    all[0].answer(sent());
    all[1].answer(lost());
    let mails = std::slice::from_ref(&mail);
    guard.record_all(NOW, &attempt(1, 1), &SIEVE, mails, &[all]);
    let next = admit(&stage.guard(), NOW, 1, 2, &mail);
    assert_eq!(next, [Standing::Done, Standing::Again]);
}

#[test]
fn an_attempt_of_which_nothing_is_known_may_have_reached_everybody() {
    let stage = Stage::new("[mailto]\nowner_limit = 0\nrecipient_limit = 0\n");
    let mail = mail(&BOB, None);
    assert_eq!(admit(&stage.guard(), NOW, 1, 1, &mail), [Standing::Go]);
    assert_eq!(admit(&stage.guard(), NOW, 1, 2, &mail), [Standing::Again]);
    assert_eq!(admit(&stage.guard(), NOW, 1, 3, &mail), [Standing::Done]);
    let asked = Attempt {
        id: 1,
        begun: 4,
        asked: 3,
    };
    let released = admit_for(&stage.guard(), NOW, &SIEVE, &asked, &mail);
    assert_eq!(released[0].standing, Standing::Again);
}

/// A mail goes to some as it is and to others with a note, one after the other. Who is still to get it is not known yet.
#[test]
fn what_is_written_between_two_submissions_says_nothing_of_the_second() {
    let stage = Stage::new("");
    let mail = mail(&["a@x.example", "b@x.example"], None);
    let guard = stage.guard();
    let mut first = admit_for(&guard, NOW, &SIEVE, &attempt(1, 1), &mail);
    first[0].answer(busy());
    first[1].answer(lost());
    let mails = std::slice::from_ref(&mail);
    guard.record_all(NOW, &attempt(1, 1), &SIEVE, mails, &[first]);
    let mut second = admit_for(&guard, NOW, &SIEVE, &attempt(1, 2), &mail);
    assert_eq!(second[1].standing, Standing::Again);
    second[0].answer(sent());
    guard.record(NOW, &attempt(1, 2), &SIEVE, 0, &mail, &second);
    // The process dies in the second submission.
    let third = admit(&stage.guard(), NOW, 1, 3, &mail);
    assert_eq!(third, [Standing::Done, Standing::Done]);
}

#[test]
fn an_abandoned_attempt_that_ends_late_undoes_nothing() {
    let stage = Stage::new("");
    let mail = mail(&BOB, None);
    let guard = stage.guard();
    let record = |begun: u32, answer: Answer| {
        let attempt = attempt(1, begun);
        let mut all = admit_for(&guard, NOW, &SIEVE, &attempt, &mail);
        move |guard: &Guard, mail: &Mail| {
            all[0].answer(answer.clone());
            let mails = std::slice::from_ref(mail);
            guard.record_all(NOW, &attempt, &SIEVE, mails, &[all.clone()]);
        }
    };
    let mut first = record(1, busy());
    let mut second = record(2, lost());
    second(&guard, &mail);
    first(&guard, &mail);
    assert_eq!(
        admit(&guard, NOW, 1, 3, &mail),
        [Standing::Done],
        "given up"
    );
    let mut first = record(1, sent());
    first(&guard, &mail);
    let known = admit_for(&guard, NOW, &SIEVE, &attempt(1, 3), &mail);
    assert_eq!(known[0].state, State::Sent);
}

#[test]
fn the_same_is_sent_once_unless_it_was_refused() {
    let stage = Stage::new("");
    let guard = stage.guard();
    let mail = mail(&["bob@example.org", "eve@example.org"], Some("staged"));
    let both = |standing: Standing| vec![standing.clone(), standing];
    let first = admit_for(&guard, NOW, &SIEVE, &attempt(1, 1), &mail);
    assert!(first.iter().all(|one| one.standing == Standing::Go));
    let meanwhile = admit(&guard, NOW, 2, 1, &mail);
    assert_eq!(meanwhile, both(Standing::Repeat), "while it is under way");
    let refused = first.into_iter().map(|mut one| {
        one.answer(never());
        one
    });
    let (mails, refused) = (std::slice::from_ref(&mail), [refused.collect()]);
    guard.record_all(NOW, &attempt(1, 1), &SIEVE, mails, &refused);
    assert_eq!(try_all(&guard, 3, 1, &mail, &sent()), both(Standing::Go));
    let later = NOW + 25 * HOUR;
    assert_eq!(admit(&guard, later, 4, 1, &mail), both(Standing::Go));
}

#[test]
fn one_mailbox_has_one_mail_and_one_limit_whatever_it_is_called() {
    let stage = Stage::new("[mailto]\nowner_limit = 3\nrecipient_limit = 2\n");
    let guard = stage.guard();
    let names = ["r2@example.org", "R2@example.org", "r2+a@example.org"];
    let (go, repeat) = (Standing::Go, Standing::Repeat);
    assert_eq!(
        admit(&guard, NOW, 1, 1, &mail(&names, Some("x"))),
        [go.clone(), repeat.clone(), repeat.clone()]
    );
    assert_eq!(
        admit(&guard, NOW, 2, 1, &mail(&names[1..], Some("x"))),
        [repeat.clone(), repeat]
    );
    assert_eq!(admit(&guard, NOW, 3, 1, &mail(&names[2..], None)), [go]);
    let [Standing::Limited(why)] = &admit(&guard, NOW, 4, 1, &mail(&names[1..2], None))[..] else {
        panic!("limited")
    };
    assert_eq!(
        why,
        "over the limit of 2 mails an hour to R2@example.org on behalf of user alice; sent when there is room again"
    );
    let of = |user| Account { user, ..SIEVE };
    let one = |user: &'static [u8], id, to| {
        let mail = mail(&[to], None);
        let mut all = admit_for(&guard, NOW, &of(user), &attempt(id, 1), &mail);
        all.remove(0).standing
    };
    assert_eq!(one(b"ALICE", 5, "x1@far.example"), Standing::Go);
    for user in [b"alice@Example.org".as_slice(), b"Alice"] {
        let more = one(user, 6, "x2@far.example");
        assert!(matches!(more, Standing::Limited(_)), "{more:?}");
    }
}

#[test]
fn what_is_above_a_limit_goes_when_there_is_room_again() {
    let stage = Stage::new("[mailto]\nowner_limit = 2\nrecipient_limit = 0\n");
    let mail = mail(&BOB, None);
    for id in 1..3 {
        assert_eq!(
            try_all(&stage.guard(), id, 1, &mail, &sent()),
            [Standing::Go]
        );
    }
    let limited = |standing: &[Standing]| matches!(standing, [Standing::Limited(_)]);
    assert!(limited(&try_all(&stage.guard(), 3, 1, &mail, &sent())));
    assert!(limited(&admit(&stage.guard(), NOW + 1, 3, 2, &mail)));
    let half = NOW + HOUR / 2;
    // Attempt 2 has vanished above, and may have reached somebody.
    assert!(limited(&try_all(&stage.guard(), 4, 1, &mail, &sent())));
    assert_eq!(admit(&stage.guard(), half, 4, 2, &mail), [Standing::Go]);
    assert!(limited(&try_all(&stage.guard(), 5, 1, &mail, &sent())));
    let asked = Attempt {
        id: 5,
        begun: 2,
        asked: 1,
    };
    let released = admit_for(&stage.guard(), half, &SIEVE, &asked, &mail);
    assert_eq!(released[0].standing, Standing::Go, "the operator wants it");
}

/// What somebody's scripts send, or what others make them send, takes nothing from what the server has to say.
#[test]
fn limits_are_for_each_kind_and_user() {
    let stage = Stage::new("[mailto]\nowner_limit = 5\nrecipient_limit = 5\n");
    let guard = stage.guard();
    let colleague = mail(&["carol@example.org"], None);
    let mut id = 0;
    let mut one = |kind, user, owned: bool| {
        id += 1;
        let mut mail = mail(&["carol@example.org"], None);
        if !owned {
            mail.owner.clear();
        }
        let account = Account { kind, user };
        let standing = admit_for(&guard, NOW, &account, &attempt(id, 1), &mail).remove(0);
        standing.standing == Standing::Go
    };
    let mut sent =
        |kind, user: &'static [u8], owned| (0..9).filter(|_| one(kind, user, owned)).count();
    assert_eq!(sent(Occasion::Sieve, b"mallory", true), 5);
    assert_eq!(sent(Occasion::Sieve, b"carol", true), 5, "her own script");
    assert_eq!(sent(Occasion::SignIn, b"carol", false), 5);
    assert_eq!(sent(Occasion::Quota, b"carol", false), 5);
    assert_eq!(sent(Occasion::Alarm, b"carol", true), 5);
    assert_eq!(sent(Occasion::NewMail, b"carol", false), 5);
    assert_eq!(sent(Occasion::NewMail, b"dave", false), 5);
    drop(colleague);
}

#[test]
fn a_clock_that_is_set_back_costs_an_hour_at_most() {
    let stage = Stage::new("[mailto]\nowner_limit = 1\nrecipient_limit = 0\n");
    let mail = mail(&BOB, None);
    let guard = stage.guard();
    assert_eq!(admit(&guard, NOW, 1, 1, &mail), [Standing::Go]);
    let back = NOW - 400 * 24 * HOUR;
    assert_ne!(admit(&guard, back, 2, 1, &mail), [Standing::Go]);
    assert_eq!(admit(&guard, back + HOUR, 3, 1, &mail), [Standing::Go]);
}

#[test]
fn a_mail_that_leaves_whole_at_its_first_attempt_writes_nothing() {
    let stage = Stage::new("[mailto]\nowner_limit = 0\nrecipient_limit = 0\n");
    let guard = stage.guard();
    let standing = admit(
        &guard,
        NOW,
        1,
        1,
        &mail(&["a@x.example", "b@x.example"], None),
    );
    assert_eq!(standing, [Standing::Go, Standing::Go]);
    assert!(!stage.dir.path().join("ledger.db").exists());
}

#[test]
fn what_version_0_1_0_wrote_is_understood() {
    let stage = Stage::new("");
    let mail = mail(&["s@x.example", "t@x.example", "h@x.example"], None);
    let put = |value: &[u8], to: &Address| {
        let ledger = Ledger::new(stage.dir.path());
        let key = progress_key(1, 0, to);
        ledger
            .change(NOW, |entries| entries.put(&key, value, NOW + HOUR))
            .unwrap();
    };
    for (value, to) in [b"s", b"t", b"h"].iter().zip(&mail.recipients) {
        put(*value, to);
    }
    let (done, go, again) = (Standing::Done, Standing::Go, Standing::Again);
    let first = admit(&stage.guard(), NOW, 1, 4, &mail);
    assert_eq!(first, [done.clone(), again.clone(), go]);
    // That attempt vanished.
    let second = admit(&stage.guard(), NOW, 1, 5, &mail);
    assert_eq!(second, [done.clone(), done, again]);
    assert_eq!(stage.entries(b'P'), 3);
}

/// What waits for its user's other mail costs nothing but a line in the ledger, and goes when there is room.
#[test]
fn nothing_is_made_of_what_has_to_wait() {
    let stage = Stage::new("[mailto]\nowner_limit = 1\nrecipient_limit = 0\n");
    let guard = stage.guard();
    let mail = mail(&BOB, None);
    let waits = |now, attempt: Attempt| guard.waits(now, &attempt, &SIEVE).is_some();
    assert!(!waits(NOW, attempt(1, 1)));
    assert_eq!(try_all(&guard, 1, 1, &mail, &busy()), [Standing::Go]);
    assert_ne!(try_all(&guard, 2, 1, &mail, &sent()), [Standing::Go]);
    for begun in 1..4 {
        assert!(waits(NOW + 1, attempt(3, begun)));
    }
    let asked = Attempt {
        id: 3,
        begun: 4,
        asked: 3,
    };
    assert!(!waits(NOW + 1, asked), "the operator wants it");
    assert!(!waits(NOW + 1, attempt(1, 2)), "it counts already");
    assert!(!waits(NOW + 1, attempt(3, 9)), "attempts vanished");
    assert!(waits(NOW + 1, attempt(3, 4)));
    assert!(
        !waits(NOW - HOUR, attempt(3, 5)),
        "a clock that was set back"
    );
    assert_eq!(admit(&guard, NOW + HOUR, 3, 5, &mail), [Standing::Go]);
}

/// A first attempt that came to no mail, because of a mistake in notifyd.toml say, has reached nobody.
#[test]
fn an_attempt_without_mails_has_reached_nobody() {
    let stage = Stage::new("");
    let mail = mail(&BOB, None);
    for begun in 1..3 {
        stage.guard().nobody_was_tried(NOW, &attempt(1, begun));
    }
    let asked = Attempt {
        id: 1,
        begun: 3,
        asked: 2,
    };
    let all = admit_for(&stage.guard(), NOW, &SIEVE, &asked, &mail);
    assert_eq!(all[0].standing, Standing::Go);
    // The one after vanished.
    stage.guard().nobody_was_tried(NOW, &attempt(1, 4));
    assert_eq!(admit(&stage.guard(), NOW, 1, 5, &mail), [Standing::Done]);
}
