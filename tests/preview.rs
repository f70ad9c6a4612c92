//! `notifyctl preview`, by the program itself: each kind of mail, in each language, with the composers of the daemon.

#![allow(
    clippy::unwrap_used,
    reason = "a test that panics has failed, as it should"
)]

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};
use tempfile::TempDir;

const KINDS: [&str; 6] = ["alarm", "imip", "newmail", "quota", "sieve", "signin"];

/// An imapd.conf and a notifyd.toml with all mails on, and the templates in `folder`.
struct Place(TempDir);

impl Place {
    fn new(folder: &Path) -> Place {
        let tmp = tempfile::tempdir().unwrap();
        fs::set_permissions(tmp.path(), Permissions::from_mode(0o755)).unwrap();
        let at = tmp.path().display();
        let toml = format!(
            "[mailto]\nstyle = \"rfc5436\"\n[quota]\nmail = \"always\"\n[newmail]\nmail = \"always\"\nto = \"pager@example.org\"\n[signin]\nmail = \"always\"\n[templates]\nfolder = \"{}\"\nlanguages = {{ \"@example.com\" = \"fr\" }}\n",
            folder.display()
        );
        fs::write(tmp.path().join("notifyd.toml"), toml).unwrap();
        let imapd = format!(
            "configdirectory: {at}\nnotifyd_config: {at}/notifyd.toml\npostmaster: postmaster@example.com\nservername: mail.example.com\ndefaultdomain: example.com\n"
        );
        fs::write(tmp.path().join("imapd.conf"), imapd).unwrap();
        Place(tmp)
    }

    /// With the examples, where the Cyrus user can read them: root becomes that one.
    fn examples() -> Place {
        let place = Place::new(Path::new("{configdirectory}/templates"));
        let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/templates");
        for language in fs::read_dir(from).unwrap() {
            let language = language.unwrap();
            let to = place.0.path().join("templates").join(language.file_name());
            fs::create_dir_all(&to).unwrap();
            for file in fs::read_dir(language.path()).unwrap() {
                let file = file.unwrap();
                fs::copy(file.path(), to.join(file.file_name())).unwrap();
            }
        }
        place
    }

    fn run(&self, command: &str, args: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_notifyctl"))
            .arg(command)
            .args(args)
            .arg("-C")
            .arg(self.0.path().join("imapd.conf"))
            .output()
            .unwrap()
    }

    /// What it says when all is well.
    fn preview(&self, args: &[&str]) -> String {
        let output = self.run("preview", args);
        let err = String::from_utf8(output.stderr).unwrap();
        assert_eq!(
            (output.status.code(), err.as_str()),
            (Some(0), ""),
            "{args:?}"
        );
        String::from_utf8(output.stdout).unwrap()
    }
}

#[test]
fn every_kind_is_shown_in_every_language() {
    let place = Place::examples();
    let page = place.0.path().join("page.html");
    for kind in KINDS {
        for (language, file) in [("en", "built-in en"), ("de", "/de"), ("fr", "/fr")] {
            let html = page.to_str().unwrap();
            let shown = place.preview(&[kind, "--language", language, "--html", html]);
            let template = format!("{file}/{kind}.txt\n");
            assert!(shown.contains(&template), "{shown}");
            assert!(
                shown.contains("\nSubject: ") && shown.contains("Envelope: "),
                "{shown}"
            );
            assert!(!shown.contains("Not sent"), "{shown}");
            let html = fs::read_to_string(&page).unwrap();
            assert!(
                html.contains(&format!("<html lang=\"{language}\"")),
                "{html}"
            );
            let raw = place.preview(&[kind, "--language", language, "--raw"]);
            assert!(
                raw.starts_with("Message-ID: ")
                    && raw.is_ascii() | raw.contains("8bit") | raw.contains("8BIT"),
                "{raw}"
            );
        }
    }
    let alarm = place.preview(&["alarm", "--language", "de"]);
    for words in [
        "Erinnerung: Planning meeting",
        " Uhr (ME",
        "Kalender:     Work",
        "(vielleicht)",
    ] {
        assert!(alarm.contains(words), "{words}: {alarm}");
    }
}

#[test]
fn without_a_language_it_is_the_users() {
    let alarm = Place::examples().preview(&["alarm"]);
    assert!(alarm.contains("Rappel\u{a0}: Planning meeting"), "{alarm}");
}

#[test]
fn the_notification_of_a_file() {
    let place = Place::examples();
    let file = place.0.path().join("event");
    let file = file.to_str().unwrap();
    fs::write(file, "Hello from the file\n").unwrap();
    let shown = place.preview(&["sieve", "--event", file]);
    assert!(shown.contains("Hello from the file"), "{shown}");
    fs::write(file, "no JSON").unwrap();
    let output = place.run("preview", &["alarm", "--event", file]);
    assert_eq!(output.status.code(), Some(69));
    assert!(
        output
            .stderr
            .starts_with(b"notifyctl: no mail would be sent: ")
    );
}

#[test]
fn mistakes_are_told() {
    let place = Place::examples();
    for args in [&["nonsense"][..], &[], &["sieve", "alarm"]] {
        assert_eq!(
            place.run("preview", args).status.code(),
            Some(64),
            "{args:?}"
        );
    }
    let output = place.run("preview", &["sieve", "--event", "/nonexistent/file"]);
    assert_eq!(output.status.code(), Some(69));
    let output = place.run("preview", &["sieve", "--html", "/nonexistent/file"]);
    assert_eq!(output.status.code(), Some(69));
}

#[test]
fn a_bad_template_is_told_by_preview_and_config_and_check() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("fr")).unwrap();
    let bad = folder.path().join("fr/sieve.subject");
    fs::write(&bad, "\n{{ subject").unwrap();
    let place = Place::new(folder.path());
    let line = format!("{}: line 2: syntax error", bad.display());
    for (command, args, code) in [
        ("preview", &["sieve"][..], 0),
        ("config", &[], 78),
        ("config", &["--json"], 78),
    ] {
        let output = place.run(command, args);
        let err = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{command}: {err}");
        assert!(err.contains(&line), "{command}: {err}");
    }
    let check = place
        .run("check", &["-M", "/nonexistent/cyrus.conf"])
        .stdout;
    let check = String::from_utf8(check).unwrap();
    let line = format!("warning: {}:2: syntax error", bad.display());
    assert!(check.contains(&line), "{check}");
    drop(folder);
    let config = place.run("config", &[]).stderr;
    assert!(String::from_utf8(config).unwrap().contains("No such file"));
}

/// An invitation to `recipient` with these lines.
fn invitation(recipient: &str, method: &str, lines: &str) -> String {
    let lines = lines.replace('\n', "\\r\\n").replace('"', "\\\"");
    format!(
        r#"{{"recipient":"{recipient}","sender":"anna@example.org","method":"{method}","ical":"BEGIN:VCALENDAR\r\nMETHOD:{method}\r\nBEGIN:VEVENT\r\nUID:s1\r\nDTSTART;TZID=Europe/Berlin:20270301T100000\r\nDTEND;TZID=Europe/Berlin:20270301T110000\r\nSUMMARY:Weekly talk\r\nORGANIZER;CN=Anna:mailto:anna@example.org\r\n{lines}\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"}}"#
    )
}

#[test]
fn notifications_as_peoples_programs_make_them() {
    let place = Place::examples();
    let file = place.0.path().join("event");
    let file = file.to_str().unwrap();
    let series = "ATTENDEE:mailto:ext@example.net\nRRULE:FREQ=WEEKLY;COUNT=6\nEXDATE;TZID=Europe/Berlin:20270315T100000";
    for (kind, language, event, says) in [
        (
            "imip",
            "en",
            invitation("ext@example.net", "REQUEST", series),
            &["repeats)", "Repeats every Monday, 6 times", "Not on Monday, 15 March 2027"][..],
        ),
        (
            "imip",
            "de",
            invitation("ext@example.net", "CANCEL", series),
            &["alle Termine)", "Anna hat diese ganze Serie von Terminen abgesagt."],
        ),
        (
            "imip",
            "fr",
            invitation("ext@example.net", "COUNTER", "ATTENDEE:mailto:ext@example.net"),
            &["Proposition : Weekly talk", "Anna propose de modifier cet événement."],
        ),
        (
            "imip",
            "en",
            invitation("ben%2Bkal@example.net", "REQUEST", "ATTENDEE;CN=Ben:mailto:ben%2Bkal@example.net"),
            &["To: Ben <ben+kal@example.net>"],
        ),
        (
            "imip",
            "en",
            invitation("/aMTIz/principal/", "REQUEST", "ATTENDEE;EMAIL=ext@example.net:/aMTIz/principal/\nCONFERENCE;VALUE=URI:https://meet.example.org/abc\nDESCRIPTION:<p>Agenda</p><ul><li>one</li></ul>"),
            &["to ext@example.net\n", "Join:      https://meet.example.org/abc", "\nAgenda\n\n- one\n"],
        ),
        (
            "alarm",
            "en",
            r#"{"event":"CalendarAlarm","alarmTime":"20990402T090000","alarmRecipients":["\"mailto:ben@example.org\""],"userId":"anna","uid":"q1","action":"email","summary":"S","timezone":"Europe/Berlin","start":"20990402T100000","end":"20990402T110000","attendeeNames":["Ann ^'Q^'"],"attendeeEmails":["mailto:ann%2Bcal@example.net"],"attendeeStatus":[""],"organizer":"\"mailto:chef@example.net\""}"#.to_owned(),
            &["To: ben@example.org\n", "Organiser: chef@example.net\n", "Ann \"Q\" <ann+cal@example.net> (no answer yet)"],
        ),
        (
            "newmail",
            "en",
            "From: =?koi8-r?B?8NLJ18XU?= <a@example.org>\nSubject: =?gb2312?B?xOO6ww==?=\nTo: anna@example.com\n".to_owned(),
            &["Subject: New mail from Привет <a@example.org>: 你好\n"],
        ),
    ] {
        fs::write(file, event).unwrap();
        let shown = place.preview(&[kind, "--language", language, "--event", file]);
        let shown = shown.replace('\u{a0}', " ");
        for words in says {
            assert!(shown.contains(words), "{kind}: {words}: {shown}");
        }
    }
    fs::write(
        file,
        invitation("urn:uuid:1", "REQUEST", "ATTENDEE:urn:uuid:1"),
    )
    .unwrap();
    let output = place.run("preview", &["imip", "--event", file]);
    assert_eq!(output.status.code(), Some(69));
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(
        told,
        "notifyctl: no mail would be sent: no recipient: urn:uuid:1 is no mail address\n"
    );
}
