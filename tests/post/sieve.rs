//! Sieve scripts that notify by mail, the old way (`notify`) and RFC 5435's (`enotify`), in both styles of notifyd.toml.

use super::inbox::Received;
use super::postfix;
use super::scene::{Scene, Transport};
use super::setup::Form;
use super::stage::{LIMIT, wait_for};

/// More mails than that are a loop that does not end by itself.
const LOOP: usize = 8;
/// Who sends the mails that are told of.
const SENDER: &str = "sender@example.net";
/// Tells Bob the subject.
const NOTIFY_BOB: &str = "require [\"enotify\", \"variables\"];\nif header :matches \"subject\" \"*\" \
                          { notify :message \"about ${1}\" \"mailto:bob@cyr.test\"; }\n";

/// `[mailto] style`, and what follows from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    Cyrus,
    Rfc5436,
}

impl Style {
    /// As notifyd.toml has it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Style::Cyrus => "cyrus",
            Style::Rfc5436 => "rfc5436",
        }
    }
}

/// All of them, in a style.
pub(super) fn cases(scene: &mut Scene, style: Style) {
    type Case = fn(&Scene, Style);
    let cases: [(&str, Case); 9] = [
        ("enotify with a mailto URI", uri),
        ("importance", importance),
        ("the old notify", old),
        ("a bounce", bounce),
        ("an automatic answer", automatic),
        ("a loop", no_loop),
        ("no :message", no_message),
        ("twice to the same address", twice),
        ("nobody there", nobody_there),
    ];
    for (what, case) in cases {
        let name = format!("sieve, style {}: {what}", style.name());
        scene.case(&name, |scene| case(scene, style));
    }
}

/// A subject that no other case has.
fn subject_of(case: &str, style: Style) -> String {
    format!("{case}-{}", style.name())
}

/// Several recipients, and all that a URI can say.
fn uri(scene: &Scene, style: Style) {
    let subject = subject_of("uri", style);
    let said = format!("Nachricht von {subject}: Grüße, 😀");
    let script = format!(
        "require \"enotify\";\nnotify :message \"{said}\" \
         \"mailto:bob@cyr.test,%63arol@cyr.test?subject=Betreff%20%C3%BC&cc=dave@cyr.test\
         &body=Zeile%20eins%0D%0AZeile%20zwei&from=evil@cyr.test&bcc=evil@cyr.test&x-own=kept\";\n"
    );
    scene.server.sieve("sally", &script);
    scene.trigger(SENDER, "sally", &subject, "");
    let mails = ["bob", "carol", "dave"]
        .map(|user| scene.wait(user, &subject, LIMIT, |mail| mail.says(&said)));
    let mail = &mails[0];
    for other in &mails {
        let id = other.field("Message-ID");
        assert_eq!(id, mail.field("Message-ID"), "one mail for all");
    }
    let to = ["bob@cyr.test", "carol@cyr.test"];
    assert_eq!(mail.to(), to, "To, in\n{mail}");
    assert_eq!(mail.cc(), ["dave@cyr.test"], "Cc, in\n{mail}");
    assert_eq!(mail.field("Bcc"), None, "in\n{mail}");
    mail.has_field("X-Own", "kept");
    common(scene, style, mail);
    words(style, mail, &said);
    if style == Style::Rfc5436 {
        let body = mail.text().starts_with("Zeile eins\nZeile zwei\n");
        assert!(body, "the URI's body, in\n{mail}");
    }
}

/// What each mail has in common that Sally's scripts send.
fn common(scene: &Scene, style: Style, mail: &Received) {
    mail.is_proper();
    let owner = "auto-notified; owner-email=\"sally@cyr.test\"";
    mail.has_field("Auto-Submitted", owner);
    let (from, sender) = match style {
        Style::Cyrus => ("postmaster@cyr.test", "<>"),
        Style::Rfc5436 => ("sally@cyr.test", "<sally@cyr.test>"),
    };
    assert_eq!(mail.from(), [from], "From, in\n{mail}");
    let return_path = mail.field("Return-Path").unwrap_or_default();
    // Who sent the message that it is about, notifyd knows from that message. lmtpd does not wait with its removal until a
    // datagram has been read, so it may be gone.
    let unknown = scene.server.form == Form::Datagram && return_path == "<>";
    assert!(unknown || return_path == sender, "Return-Path, in\n{mail}");
}

/// Subject and text; in the style of Cyrus as its own notifyd writes them (`notifyd/notify_mailto.c`).
fn words(style: Style, mail: &Received, said: &str) {
    match style {
        Style::Cyrus => {
            let subject = "[SIEVE] New mail notification";
            assert_eq!(mail.subject(), subject, "in\n{mail}");
            let text = format!("{said}\n\nAction(s) taken:\nKept");
            assert_eq!(mail.text().trim_end(), text, "in\n{mail}");
        }
        Style::Rfc5436 => assert_eq!(mail.subject(), said, "in\n{mail}"),
    }
}

/// The three of them (RFC 5436 section 2.4).
fn importance(scene: &Scene, style: Style) {
    let rule = |n| {
        let subject = subject_of(&format!("importance-{n}"), style);
        format!(
            "if header :is \"subject\" \"{subject}\" \
             {{ notify :importance \"{n}\" :message \"{subject} came\" \"mailto:bob@cyr.test\"; }}\n"
        )
    };
    let script: String = [1, 2, 3].map(rule).concat();
    let script = format!("require \"enotify\";\n{script}");
    scene.server.sieve("sally", &script);
    for (n, importance, priority) in [(1, "High", "1"), (2, "Normal", "3"), (3, "Low", "5")] {
        let subject = subject_of(&format!("importance-{n}"), style);
        scene.trigger(SENDER, "sally", &subject, "");
        let said = format!("{subject} came");
        let mail = scene.wait("bob", &subject, LIMIT, |mail| mail.says(&said));
        mail.has_field("Importance", importance);
        mail.has_field("X-Priority", priority);
    }
}

fn old(scene: &Scene, style: Style) {
    let subject = subject_of("old", style);
    let script = "require \"notify\";\n\
         notify :method \"mailto\" :options [\"bob@cyr.test\"] :high :message \"old: $subject$\";\n";
    scene.server.sieve("sally", script);
    scene.trigger(SENDER, "sally", &subject, "");
    let said = format!("old: {subject}");
    let mail = scene.wait("bob", &subject, LIMIT, |mail| mail.says(&said));
    assert_eq!(mail.to(), ["bob@cyr.test"], "To, in\n{mail}");
    common(scene, style, &mail);
    words(style, &mail, &said);
}

/// A message that has no sender: told of all the same, and by a mail that has none (RFC 5436 section 2.7).
fn bounce(scene: &Scene, style: Style) {
    let subject = subject_of("bounce", style);
    scene.server.sieve("sally", NOTIFY_BOB);
    scene.trigger("", "sally", &subject, "");
    let said = format!("about {subject}");
    let mail = scene.wait("bob", &subject, LIMIT, |mail| mail.says(&said));
    mail.has_field("Return-Path", "<>");
}

/// Nobody is told of what a program has answered (RFC 5436 section 2.7); of what came after it he is.
fn automatic(scene: &Scene, style: Style) {
    scene.server.sieve("sally", NOTIFY_BOB);
    // By datagram, notifyd may come too late to see that it is one.
    let tries = match scene.server.form {
        Form::Datagram => 3,
        Form::Dlist => 1,
    };
    let mut told = Vec::new();
    for n in 0..tries {
        told = told_of_automatic(scene, style, n);
        if told.is_empty() {
            return;
        }
    }
    panic!("told of an automatic answer:\n{}", told[0]);
}

fn told_of_automatic(scene: &Scene, style: Style, n: usize) -> Vec<std::rc::Rc<Received>> {
    let [answer, other] = ["answer", "other"].map(|case| subject_of(&format!("{case}-{n}"), style));
    let fields = "Auto-Submitted: auto-replied (vacation)\r\n";
    scene.trigger(SENDER, "sally", &answer, fields);
    scene.trigger(SENDER, "sally", &other, "Auto-Submitted: no\r\n");
    let said = format!("about {other}");
    scene.wait("bob", &other, LIMIT, |mail| mail.says(&said));
    scene.settle();
    let said = format!("about {answer}");
    scene.mails("bob", |mail| mail.says(&said))
}

/// Each of two tells the other one of his mail.
fn no_loop(scene: &Scene, style: Style) {
    let subject = subject_of("loop", style);
    let said = format!("{subject} goes on");
    let script = |other: &str| {
        format!("require \"enotify\";\nnotify :message \"{said}\" \"mailto:{other}@cyr.test\";\n")
    };
    scene.server.sieve("lena", &script("lars"));
    scene.server.sieve("lars", &script("lena"));
    scene.trigger(SENDER, "lena", &subject, "");
    scene.wait("lars", &subject, LIMIT, |mail| mail.says(&said));
    scene.settle();
    let count = |user| scene.mails(user, |mail| mail.says(&said)).len();
    let (lena, lars) = (count("lena"), count("lars"));
    println!("{style:?}: the loop had {lena} mails to lena, {lars} to lars");
    assert!(lena + lars <= LOOP, "{lena} mails to lena, {lars} to lars");
}

/// What the script has no words for, the URI has (RFC 5436 section 2.7).
fn no_message(scene: &Scene, style: Style) {
    let subject = subject_of("silent", style);
    let script = "require \"enotify\";\nnotify \"mailto:bob@cyr.test?subject=Betreff%20%C3%BC\";\n";
    scene.server.sieve("sally", script);
    scene.trigger(SENDER, "sally", &subject, "");
    // What Cyrus says of its own accord; the text has it in both styles.
    let mail = scene.wait("bob", &subject, LIMIT, |mail| mail.says(&subject));
    common(scene, style, &mail);
    match (style, scene.server.form) {
        // Without the message that it is about, these words could be the script's.
        (Style::Rfc5436, Form::Dlist) => {
            assert_eq!(mail.subject(), "Betreff ü", "in\n{mail}");
        }
        (Style::Rfc5436, Form::Datagram) => {}
        (Style::Cyrus, _) => words(style, &mail, &format!("Sender <{SENDER}>: {subject}")),
    }
}

/// Nothing is lost while the mail server is away; `sendmail` takes mail all the same.
pub(super) fn server_away(scene: &Scene) {
    let server = &scene.server;
    server.sieve("sally", NOTIFY_BOB);
    postfix::stop(server);
    server.lmtp().unwrap().deliver("sally", "away").unwrap();
    wait_for("an attempt", LIMIT, || {
        let (tried, owed) = (server.owed("attempts > 0"), server.owed("1"));
        let taken = scene.transport == Transport::Sendmail && postfix::queued(server) == 1;
        (tried == 1 || taken && owed == 0).then_some(())
    });
    postfix::start(server);
    scene.wait("bob", "the mail", LIMIT, |mail| mail.says("about away"));
    scene.settle();
    let count = scene.mails("bob", |mail| mail.says("about away")).len();
    assert_eq!(count, 1, "mails");
}

/// One script tells nobody twice of one message (RFC 5436 section 2.7).
fn twice(scene: &Scene, style: Style) {
    let subject = subject_of("twice", style);
    let notify = |n| format!("notify :message \"{n} of {subject}\" \"mailto:bob@cyr.test\";\n");
    let script = format!("require \"enotify\";\n{}{}", notify(1), notify(2));
    scene.server.sieve("sally", &script);
    scene.trigger(SENDER, "sally", &subject, "");
    let said = format!("of {subject}");
    scene.wait("bob", &subject, LIMIT, |mail| mail.says(&said));
    scene.settle();
    let count = scene.mails("bob", |mail| mail.says(&said)).len();
    // By datagram, the message may be gone by which notifyd knows that it is the same one.
    let most = match scene.server.form {
        Form::Datagram => 2,
        Form::Dlist => 1,
    };
    assert!((1..=most).contains(&count), "{count} mails");
}

/// The mail bounces. The owner of the script learns of it when there is a sender, and his script says nothing of that.
fn nobody_there(scene: &Scene, style: Style) {
    let subject = subject_of("nobody", style);
    let script = format!(
        "require \"enotify\";\nnotify :message \"about {subject}\" \"mailto:nobody@cyr.test\";\n"
    );
    scene.server.sieve("sally", &script);
    let bounces = || scene.mails("sally", Received::is_bounce).len();
    let before = bounces();
    scene.trigger(SENDER, "sally", &subject, "");
    scene.settle();
    let wanted = match style {
        Style::Cyrus => 0..=0,
        Style::Rfc5436 if scene.server.form == Form::Datagram => 0..=1,
        Style::Rfc5436 => 1..=1,
    };
    let count = bounces() - before;
    assert!(wanted.contains(&count), "{count} bounces");
}
