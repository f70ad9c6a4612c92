//! Tests of what invitations say, in the three languages.

use super::super::desk::{Desk, desk, mails, of, parts_of};
use super::*;
use crate::config::toml::Config;

/// An office that writes in `language`, with the templates that come with the package.
fn office(language: &str) -> Desk {
    office_with(language, "")
}

/// The same with further lines in `[templates]`.
fn office_with(language: &str, more: &str) -> Desk {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/templates");
    let file = format!("[templates]\nfolder = \"{folder}\"\nlanguage = \"{language}\"\n{more}\n");
    let (read, problems) = Config::read(&file, &[]);
    assert!(problems.is_empty(), "{problems:?}");
    desk(|config| config.templates = read.templates)
}

/// What a mail says.
struct Said {
    subject: String,
    text: String,
    html: String,
}

fn said(language: &str, message: &Value) -> Said {
    said_by(&office(language), message)
}

fn said_by(desk: &Desk, message: &Value) -> Said {
    let mail = mails(compose(
        &desk.office,
        &of("IMIP", "anna", &message.to_string()),
    ))
    .remove(0);
    let parsed = mail.message.to_bytes();
    let parsed = mail_parser::MessageParser::default()
        .parse(&parsed)
        .unwrap();
    let parts = parts_of(&mail);
    let part = |kind: &str| {
        let found = parts.iter().find(|(known, ..)| known == kind);
        found.unwrap_or_else(|| panic!("no {kind}")).2.clone()
    };
    Said {
        subject: parsed.subject().unwrap_or_default().replace('\u{a0}', " "),
        text: part("text/plain"),
        html: part("text/html"),
    }
}

const TIME: &str =
    "DTSTART;TZID=Europe/Berlin:20270301T100000\r\nDTEND;TZID=Europe/Berlin:20270301T110000\r\n";

/// An object of one event with these lines besides.
fn object(method: &str, lines: &str) -> Value {
    let time = if lines.contains("DTSTART") { "" } else { TIME };
    json!({
        "recipient": "ext@example.net",
        "sender": "anna@example.org",
        "method": method,
        "ical": format!(
            "BEGIN:VCALENDAR\r\nMETHOD:{method}\r\nBEGIN:VEVENT\r\nUID:s1\r\n{time}SUMMARY:Weekly talk\r\n\
             ORGANIZER;CN=Anna:mailto:anna@example.org\r\nATTENDEE;CN=Ext:mailto:ext@example.net\r\n{lines}\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
        ),
        "jsevent": null,
        "patch": null,
        "is_update": false,
    })
}

/// Says that the text, and for lines of words the HTML part too, have these.
fn all_say(message: &Value, expected: [&[&str]; 3]) {
    for (language, lines) in ["en", "de", "fr"].into_iter().zip(expected) {
        let Said {
            subject,
            text,
            html,
        } = said(language, message);
        // Folded lines as one, and one blank.
        let flat = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        let (text, html) = (flat(&text), flat(&html));
        for line in lines {
            match line.strip_prefix("Subject: ") {
                Some(wanted) => assert_eq!(subject, wanted, "{language}"),
                None => {
                    assert!(text.contains(line), "{language}: {line}\n{text}");
                    let line = line.trim_end_matches('.');
                    assert!(html.contains(line), "{language}: {line}\n{html}");
                }
            }
        }
    }
}

#[test]
fn a_series_is_said_in_words() {
    let lines = "RRULE:FREQ=WEEKLY;COUNT=6\r\nEXDATE;TZID=Europe/Berlin:20270315T100000";
    all_say(
        &object("REQUEST", lines),
        [
            &[
                "Subject: Invitation: Weekly talk (Monday, 1 March, 10:00, repeats)",
                "Anna invites you to a series of events.",
                "Repeats every Monday, 6 times",
                "Not on Monday, 15 March 2027",
            ],
            &[
                "Subject: Einladung: Weekly talk (Montag, 1. März, 10:00 Uhr, wiederholt sich)",
                "Anna lädt Sie zu einer Serie von Terminen ein.",
                "Wiederholt sich jeden Montag, 6-mal",
                "Nicht am Montag, 15. März 2027",
            ],
            &[
                "Subject: Invitation : Weekly talk (lundi 1er mars à 10 h 00, se répète)",
                "Anna vous invite à une série d’événements.",
                "Se répète chaque lundi, 6 fois",
                "Sauf le lundi 15 mars 2027",
            ],
        ],
    );
    all_say(
        &object("CANCEL", lines),
        [
            &[
                "Subject: Cancelled: Weekly talk (Monday, 1 March, 10:00, all dates)",
                "Anna has cancelled this whole series of events.",
                "Repeats every Monday, 6 times",
            ],
            &[
                "Subject: Abgesagt: Weekly talk (Montag, 1. März, 10:00 Uhr, alle Termine)",
                "Anna hat diese ganze Serie von Terminen abgesagt.",
            ],
            &[
                "Subject: Annulé : Weekly talk (lundi 1er mars à 10 h 00, toutes les dates)",
                "Anna a annulé toute cette série d’événements.",
            ],
        ],
    );
}

#[test]
fn rules_in_words() {
    for (rule, en, de, fr) in [
        (
            "FREQ=DAILY",
            "Repeats every day",
            "Wiederholt sich täglich",
            "Se répète chaque jour",
        ),
        (
            "FREQ=DAILY;INTERVAL=3;COUNT=1",
            "Repeats every 3 days, once",
            "Wiederholt sich alle 3 Tage, einmal",
            "Se répète tous les 3 jours, 1 fois",
        ),
        (
            "FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR",
            "Repeats every weekday (Monday to Friday)",
            "Wiederholt sich montags bis freitags",
            "Se répète du lundi au vendredi",
        ),
        (
            "FREQ=WEEKLY;BYDAY=FR,MO,WE",
            "Repeats every Monday, Wednesday and Friday",
            "Wiederholt sich jeden Montag, Mittwoch und Freitag",
            "Se répète chaque lundi, mercredi et vendredi",
        ),
        (
            "FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,FR",
            "Repeats every 2 weeks on Monday and Friday",
            "Wiederholt sich alle 2 Wochen am Montag und Freitag",
            "Se répète toutes les 2 semaines, le lundi et vendredi",
        ),
        (
            "FREQ=WEEKLY;UNTIL=20270412T215959Z",
            "Repeats every Monday until Monday, 12 April 2027",
            "Wiederholt sich jeden Montag bis Montag, 12. April 2027",
            "Se répète chaque lundi jusqu’au lundi 12 avril 2027",
        ),
        (
            "FREQ=MONTHLY",
            "Repeats every month on the 1st",
            "Wiederholt sich jeden Monat am 1.",
            "Se répète chaque mois, le 1er",
        ),
        (
            "FREQ=MONTHLY;BYMONTHDAY=2,23,-1",
            "Repeats every month on the 2nd, the 23rd and the last day",
            "Wiederholt sich jeden Monat am 2., 23. und letzten Tag",
            "Se répète chaque mois, le 2, le 23 et le dernier jour",
        ),
        (
            "FREQ=MONTHLY;INTERVAL=3;BYMONTHDAY=11",
            "Repeats every 3 months on the 11th",
            "Wiederholt sich alle 3 Monate am 11.",
            "Se répète tous les 3 mois, le 11",
        ),
        (
            "FREQ=MONTHLY;BYDAY=2TU",
            "Repeats every month on the second Tuesday",
            "Wiederholt sich jeden Monat am zweiten Dienstag",
            "Se répète chaque mois, le deuxième mardi",
        ),
        (
            "FREQ=YEARLY",
            "Repeats every year on the 1st of March",
            "Wiederholt sich jedes Jahr am 1. März",
            "Se répète chaque année, le 1er mars",
        ),
        (
            "FREQ=YEARLY;INTERVAL=2;BYMONTH=10;BYDAY=-1SU",
            "Repeats every 2 years on the last Sunday of October",
            "Wiederholt sich alle 2 Jahre am letzten Sonntag im Oktober",
            "Se répète tous les 2 ans, le dernier dimanche d’octobre",
        ),
        (
            "FREQ=YEARLY;BYMONTH=5;BYDAY=SU;BYSETPOS=2",
            "Repeats every year on the second Sunday of May",
            "Wiederholt sich jedes Jahr am zweiten Sonntag im Mai",
            "Se répète chaque année, le deuxième dimanche de mai",
        ),
        (
            "FREQ=YEARLY;BYWEEKNO=20",
            "Repeats",
            "Wiederholt sich",
            "Se répète",
        ),
    ] {
        all_say(
            &object("REQUEST", &format!("RRULE:{rule}")),
            [&[en], &[de], &[fr]],
        );
    }
}

#[test]
fn dates_besides_the_rule() {
    let lines =
        "RDATE;TZID=Europe/Berlin:20270303T100000,20270304T150000\r\nRDATE;VALUE=DATE:20270305";
    all_say(
        &object("REQUEST", lines),
        [
            &[
                "Also on Wednesday, 3 March 2027, Thursday, 4 March 2027, 15:00 and Friday, 5 March 2027",
            ],
            &[
                "Auch am Mittwoch, 3. März 2027, Donnerstag, 4. März 2027, 15:00 Uhr und Freitag, 5. März 2027",
            ],
            &[
                "Aussi le mercredi 3 mars 2027, le jeudi 4 mars 2027 à 15 h 00 et le vendredi 5 mars 2027",
            ],
        ],
    );
    let many: Vec<String> = (2..=28)
        .map(|day| format!("202703{day:02}T090000Z"))
        .collect();
    let lines = format!("RRULE:FREQ=DAILY\r\nEXDATE:{}", many.join(","));
    all_say(
        &object("REQUEST", &lines),
        [
            &[
                "Not on Tuesday, 2 March 2027, Wednesday",
                "Thursday, 11 March 2027 and 17 more",
            ],
            &[
                "Nicht am Dienstag, 2. März 2027,",
                "11. März 2027 und 17 weitere",
            ],
            &[
                "Sauf le mardi 2 mars 2027, le mercredi",
                "le jeudi 11 mars 2027 et 17 autres",
            ],
        ],
    );
}

#[test]
fn instances_and_what_is_later() {
    let one = "RECURRENCE-ID;TZID=Europe/Berlin:20270301T090000";
    all_say(
        &object("CANCEL", one),
        [
            &[
                "Anna has cancelled one date of a series.",
                "One of a series, moved from Monday, 1 March 2027, 09:00",
            ],
            &[
                "Anna hat einen Termin einer Serie abgesagt.",
                "Termin einer Serie, ursprünglich Montag, 1. März 2027, 09:00 Uhr",
            ],
            &[
                "Anna a annulé une date d’une série.",
                "Fait partie d’une série, prévu d’abord le lundi 1er mars 2027 à 9 h 00",
            ],
        ],
    );
    let later = "RECURRENCE-ID;RANGE=THISANDFUTURE;TZID=Europe/Berlin:20270301T100000";
    all_say(
        &object("CANCEL", later),
        [
            &[
                "Subject: Cancelled: Weekly talk (Monday, 1 March, 10:00 and later)",
                "Anna has cancelled one date of a series and all later ones.",
                "This date of a series and all later ones",
            ],
            &[
                "Subject: Abgesagt: Weekly talk (Montag, 1. März, 10:00 Uhr und später)",
                "Anna hat einen Termin einer Serie und alle späteren abgesagt.",
                "Dieser Termin einer Serie und alle späteren",
            ],
            &[
                "Subject: Annulé : Weekly talk (lundi 1er mars à 10 h 00 et après)",
                "Anna a annulé une date d’une série et toutes les suivantes.",
                "Cette date d’une série et toutes les suivantes",
            ],
        ],
    );
    // The series stands behind one of its instances.
    let both = format!(
        "RECURRENCE-ID:20270308T090000Z\r\nDTSTART:20270308T130000Z\r\nEND:VEVENT\r\nBEGIN:VEVENT\r\nUID:s1\r\n{TIME}SUMMARY:Weekly talk\r\nRRULE:FREQ=WEEKLY"
    );
    all_say(
        &object("REQUEST", &both),
        [
            &[
                "Subject: Invitation: Weekly talk (Monday, 1 March, 10:00, repeats)",
                "Different on Monday, 8 March 2027",
            ],
            &["Anders am Montag, 8. März 2027"],
            &["Différent le lundi 8 mars 2027"],
        ],
    );
}

#[test]
fn each_method_has_words_of_its_own() {
    for (method, en, de, fr) in [
        (
            "PUBLISH",
            "Event: Weekly talk|Anna tells you about this event.",
            "Termin: Weekly talk|Anna informiert Sie über diesen Termin.",
            "Événement : Weekly talk|Anna vous informe sur cet événement.",
        ),
        (
            "ADD",
            "New date: Weekly talk|Anna has added a date to a series of events.",
            "Weiterer Termin: Weekly talk|Anna hat einer Serie einen Termin hinzugefügt.",
            "Nouvelle date : Weekly talk|Anna a ajouté une date à une série d’événements.",
        ),
        (
            "COUNTER",
            "Proposal: Weekly talk|Anna proposes to change this event.",
            "Vorschlag: Weekly talk|Anna schlägt vor, diesen Termin zu ändern.",
            "Proposition : Weekly talk|Anna propose de modifier cet événement.",
        ),
        (
            "DECLINECOUNTER",
            "Proposal declined: Weekly talk|Anna does not accept your proposal: this event stays as it was.",
            "Vorschlag abgelehnt: Weekly talk|Anna nimmt Ihren Vorschlag nicht an: Es bleibt, wie es war.",
            "Proposition refusée : Weekly talk|Anna n’accepte pas votre proposition : rien n’est modifié.",
        ),
        (
            "REFRESH",
            "Question: Weekly talk|Anna asks you for the latest version of this event.",
            "Nachfrage: Weekly talk|Anna bittet Sie um den neuesten Stand zu diesem Termin.",
            "Question : Weekly talk|Anna vous demande la dernière version concernant cet événement.",
        ),
        (
            "X-MINE",
            "Calendar: Weekly talk|Anna sends you a file from a calendar.",
            "Kalender: Weekly talk|Anna schickt Ihnen eine Datei aus einem Kalender.",
            "Agenda : Weekly talk|Anna vous envoie un fichier d’agenda.",
        ),
        (
            "REQUEST",
            "Invitation: Weekly talk|Anna invites you.",
            "Einladung: Weekly talk|Anna lädt Sie ein.",
            "Invitation : Weekly talk|Anna vous invite.",
        ),
        (
            "CANCEL",
            "Cancelled: Weekly talk|Anna has cancelled this event.",
            "Abgesagt: Weekly talk|Anna hat diesen Termin abgesagt.",
            "Annulé : Weekly talk|Anna a annulé cet événement.",
        ),
    ] {
        for (language, words) in [("en", en), ("de", de), ("fr", fr)] {
            let (subject, headline) = words.split_once('|').unwrap();
            let said = said(language, &object(method, ""));
            assert!(
                said.subject.starts_with(&format!("{subject} (")),
                "{language} {method}: {}",
                said.subject
            );
            let text = said.text.replace('\n', " ");
            assert!(text.contains(headline), "{language} {method}: {text}");
            assert!(
                said.html.contains(headline.trim_end_matches('.')),
                "{language} {method}"
            );
            let answers = [
                "accept or decline",
                "zu- oder absagen",
                "accepter ou de refuser",
            ]
            .iter()
            .any(|words| text.contains(words));
            assert_eq!(
                answers,
                ["REQUEST", "ADD"].contains(&method),
                "{language} {method}"
            );
        }
    }
}

fn changed(patch: Value) -> Value {
    let mut message = object("REQUEST", "RRULE:FREQ=WEEKLY");
    message["is_update"] = json!(true);
    message["jsevent"] = json!({"@type": "Event", "start": "2027-03-01T09:00:00", "timeZone": "Europe/Berlin", "duration": "PT1H", "title": "Weekly talk"});
    message["patch"] = patch;
    message
}

#[test]
fn a_change_says_what_was_changed() {
    all_say(
        &changed(
            json!({"start": "2027-03-01T10:00:00", "sequence": 1, "recurrenceRule/until": "2027-04-01T00:00:00", "participants/x": null}),
        ),
        [
            &[
                "Anna has changed this whole series of events.",
                "Changed: time, who is invited, how it repeats. Before: Monday, 1 March 2027, 09:00 to 10:00 (CET).",
            ],
            &[
                "Anna hat diese ganze Serie von Terminen geändert.",
                "Geändert: Zeit, Eingeladene, Wiederholung. Vorher: Montag, 1. März 2027, 09:00 bis 10:00 Uhr (MEZ).",
            ],
            &[
                "Anna a modifié toute cette série d’événements.",
                "Modifié : horaire, invités, répétition. Avant : lundi 1er mars 2027, de 9 h 00 à 10 h 00 (CET).",
            ],
        ],
    );
    all_say(
        &changed(json!({"recurrenceOverrides/2027-03-15T10:00:00": {"excluded": true}})),
        [
            &["Changed: single dates of the series."],
            &["Geändert: einzelne Termine der Serie."],
            &["Modifié : certaines dates de la série."],
        ],
    );
    for nothing in [json!({"sequence": 2}), Value::Null] {
        let said = said("en", &changed(nothing));
        assert!(
            !said.text.contains("Changed:") && !said.text.contains("Before:"),
            "{}",
            said.text
        );
    }
}

#[test]
fn who_is_taken_off_the_list_is_told_so() {
    let mut message = changed(json!({"participants/x": null, "sequence": 1}));
    let cancel = object("CANCEL", "");
    message["ical"] = cancel["ical"].clone();
    message["method"] = json!("CANCEL");
    message["is_update"] = json!(false);
    all_say(
        &message,
        [
            &["Anna no longer invites you to this event."],
            &["Anna lädt Sie nicht mehr zu diesem Termin ein."],
            &["Anna ne vous invite plus à cet événement."],
        ],
    );
}

#[test]
fn the_way_to_join_stands_there() {
    for (lines, link) in [
        (
            "CONFERENCE;VALUE=URI;FEATURE=VIDEO:https://meet.example.org/abc",
            "https://meet.example.org/abc",
        ),
        (
            "CONFERENCE;VALUE=URI;FEATURE=PHONE:tel:+1-412\r\nCONFERENCE;VALUE=URI:https://chat.example.org/b",
            "https://chat.example.org/b",
        ),
        (
            "X-GOOGLE-CONFERENCE:https://meet.google.com/abc-defg-hij",
            "https://meet.google.com/abc-defg-hij",
        ),
        (
            "X-MICROSOFT-SKYPETEAMSMEETINGURL:https://teams.microsoft.com/l/meetup-join/1",
            "https://teams.microsoft.com/l/meetup-join/1",
        ),
        (
            "URL:https://us02web.zoom.us/j/8123?pwd=x",
            "https://us02web.zoom.us/j/8123?pwd=x",
        ),
        (
            "LOCATION:Microsoft Teams Meeting\\; https://teams.microsoft.com/l/meetup-join/2",
            "https://teams.microsoft.com/l/meetup-join/2",
        ),
        (
            "DESCRIPTION:<br>______<br><a href=\"https://teams.microsoft.com/l/meetup-join/3?a=1&amp;b=2\">Click here to join the meeting</a>",
            "https://teams.microsoft.com/l/meetup-join/3?a=1&b=2",
        ),
    ] {
        for (language, label) in [
            ("en", "Join: "),
            ("de", "Beitreten: "),
            ("fr", "Rejoindre : "),
        ] {
            let said = said(language, &object("REQUEST", lines));
            let text = said.text.split_whitespace().collect::<Vec<_>>().join(" ");
            assert!(
                text.contains(&format!("{label}{link}")),
                "{language} {lines}: {text}"
            );
            let href = link.replace('&', "&amp;");
            assert!(
                said.html.contains(&format!("<a href=\"{href}\""))
                    || said
                        .html
                        .contains(&format!("<a href=\"{}\"", href.replace('/', "&#x2f;"))),
                "{language} {lines}"
            );
        }
    }
    for evil in [
        "CONFERENCE:javascript:alert(1)",
        "URL:https://zoom.us@evil.example/j/1",
        "CONFERENCE:data:text/html,x",
        "URL:https://x.example/\"><script>",
    ] {
        let said = said("en", &object("REQUEST", evil));
        assert!(
            !said.text.contains("Join:") && !said.text.contains("More:"),
            "{evil}: {}",
            said.text
        );
        assert!(!said.html.contains("javascript:") && !said.html.contains("<script>"));
    }
    let more = said("en", &object("REQUEST", "URL:https://example.org/agenda"));
    assert!(
        more.text.contains("More:      https://example.org/agenda"),
        "{}",
        more.text
    );
    let over = said(
        "en",
        &object("CANCEL", "CONFERENCE:https://meet.example.org/abc"),
    );
    assert!(
        !over.text.contains("Join:"),
        "nobody joins what is cancelled"
    );
}

#[test]
fn a_description_in_html_is_read_as_text() {
    let lines =
        "DESCRIPTION:<html><body><p>Agenda &amp\\; more</p><ul><li>figures</li></ul></body></html>";
    let said = said("en", &object("REQUEST", lines));
    assert!(
        said.text.contains("\n\nAgenda & more\n\n- figures\n"),
        "{}",
        said.text
    );
    assert!(said.html.contains("Agenda &amp; more<br>"), "{}", said.html);
}

#[test]
fn a_series_in_utc_is_said_in_the_readers_zone() {
    let desk = office_with("en", "time_zone = \"Europe/Berlin\"");
    let of = |time: &str, more: &str| {
        let lines = format!("DTSTART:20270301T{time}\r\nRRULE:FREQ=WEEKLY{more}");
        let mut message = changed(json!({"start": "2027-03-01T10:00:00"}));
        message["ical"] = object("REQUEST", &lines)["ical"].clone();
        message["jsevent"]["timeZone"] = json!("Etc/UTC");
        let text = said_by(&desk, &message).text;
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    let day = of(
        "090000Z",
        "\r\nEXDATE:20270315T090000Z\r\nEND:VEVENT\r\nBEGIN:VEVENT\r\nRECURRENCE-ID:20270308T090000Z",
    );
    for words in [
        "When: Monday, 1 March 2027, 10:00 (CET)",
        "Repeats every Monday Not on Monday, 15 March 2027 Different on Monday, 8 March 2027",
        "Before: Monday, 1 March 2027, 10:00 to 11:00 (CET)",
    ] {
        assert!(day.contains(words), "{words}: {day}");
    }
    // Monday in UTC, Tuesday for the reader: the rule is no longer what people see.
    let night = of("233000Z", ";BYDAY=MO");
    assert!(
        night.contains("Tuesday, 2 March 2027, 00:30 (CET)"),
        "{night}"
    );
    assert!(
        night.contains("Repeats") && !night.contains("Repeats every"),
        "{night}"
    );
}

#[test]
fn names_cannot_become_html() {
    let mut message = object("REQUEST", "RRULE:FREQ=WEEKLY");
    let ical = message["ical"]
        .as_str()
        .unwrap()
        .replace("CN=Anna", "CN=\"<img src=x>\"");
    message["ical"] = json!(ical);
    for language in ["en", "de", "fr"] {
        let said = said(language, &message);
        assert!(!said.html.contains("<img"), "{language}");
        assert!(said.text.contains("<img src=x>"), "{language}");
    }
}

/// What `details` says of how an object of another program's test suite repeats, and where its links lead.
fn said_of_file(name: &str) -> Vec<String> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/invitations/");
    let bytes = std::fs::read(format!("{folder}{name}.ics")).unwrap();
    let mut ical = String::from_utf8_lossy(&bytes).into_owned();
    if !ical.starts_with("BEGIN:VCALENDAR") {
        ical = format!("BEGIN:VCALENDAR\r\n{ical}\r\nEND:VCALENDAR\r\n");
    }
    let mut message = object("REQUEST", "");
    message["ical"] = json!(ical);
    let said = said("en", &message);
    // A line and its continuations.
    let (mut lines, mut open): (Vec<String>, bool) = (Vec::new(), false);
    for line in said.text.lines() {
        let begins = [
            "Repeats",
            "Not on",
            "Also on",
            "Different on",
            "One of",
            "This date",
        ];
        let text = line.trim_start();
        if begins.iter().any(|begin| text.starts_with(begin))
            || ["Join: ", "More: "]
                .iter()
                .any(|begin| line.starts_with(begin))
        {
            lines.push(text.split_whitespace().collect::<Vec<_>>().join(" "));
            open = true;
        } else if let (Some(last), true) =
            (lines.last_mut(), open && line.starts_with("           "))
        {
            last.push(' ');
            last.push_str(text);
        } else {
            open = false;
        }
    }
    lines
}

#[test]
fn objects_of_other_programs() {
    for (file, said) in [
        (
            "alt-desc",
            &["More: https://podio.com/xxxxxxyyyyyy/zpodio-testgelande/apps/calendar/items/5"][..],
        ),
        ("bad-frequency", &["Repeats"]),
        ("bad-rdate", &["Also on Wednesday, 1 January 1997, 18:00"]),
        (
            "bad-rule",
            &[
                "Repeats every weekday (Monday to Friday)",
                "Not on Thursday, 15 October 2020",
            ],
        ),
        (
            "biweekly",
            &[
                "Repeats every 2 weeks on Monday and Thursday until Sunday, 13 August 2017",
                "Not on Thursday, 6 July 2017, Monday, 17 July 2017, Thursday, 20 July 2017 and Thursday, 3 August 2017",
            ],
        ),
        (
            "blanks-in-byday",
            &["Repeats every weekday (Monday to Friday) until Wednesday, 22 July 2015"],
        ),
        (
            "conferences",
            &["Join: https://chat.example.com/audio?id=123456"],
        ),
        (
            "daily-exdates",
            &[
                "Repeats every day, 100 times",
                "Not on Tuesday, 2 April 1996, Wednesday, 3 April 1996 and Thursday, 4 April 1996",
            ],
        ),
        (
            "daily-moved",
            &[
                "Repeats every day, 10 times",
                "Not on Wednesday, 8 July 2015 and Friday, 10 July 2015",
                "Different on Tuesday, 7 July 2015",
            ],
        ),
        (
            "day-exdate",
            &[
                "Repeats every day until Sunday, 23 March 2008",
                "Not on Tuesday, 11 March 2008",
            ],
        ),
        (
            "exchange",
            &[
                "Repeats every Tuesday and Thursday until Monday, 17 August 2026",
                "Different on Thursday, 26 February 2026",
            ],
        ),
        (
            "instance-first",
            &[
                "Repeats every day, 3 times",
                "Different on Wednesday, 11 February 2026",
            ],
        ),
        (
            "instance-first-until",
            &[
                "Repeats every day until Sunday, 28 August 2016",
                "Different on Friday, 26 August 2016",
            ],
        ),
        (
            "local-until",
            &["Repeats every Tuesday until Tuesday, 19 June 2007"],
        ),
        // Of each month but three: no sentence says that.
        (
            "monthly-of-months",
            &[
                "Repeats",
                "Also on Wednesday, 13 December 2023",
                "Not on Wednesday, 20 December 2023",
            ],
        ),
        // The dates that are left out are in another zone than the start.
        (
            "quoted-zone",
            &[
                "Repeats every day, 10 times",
                "Not on Wednesday, 8 July 2015, 15:00 and Friday, 10 July 2015, 15:00",
            ],
        ),
        (
            "rdate-period",
            &[
                "Repeats every day, 5 times",
                "Also on Monday, 2 January 2006, 15:00",
                "Different on Wednesday, 4 January 2006",
            ],
        ),
        ("rscale", &["Repeats"]),
        (
            "this-and-future",
            &[
                "Also on Tuesday, 3 April 2018, Tuesday, 10 April 2018, Tuesday, 17 April 2018, Tuesday, 24 April 2018, Tuesday, 1 May 2018, Tuesday, 8 May 2018, Tuesday, 15 May 2018, Tuesday, 22 May 2018, Tuesday, 29 May 2018, Tuesday, 5 June 2018 and 8 more",
                "This date of a series and all later ones",
            ],
        ),
        (
            "two-days-exdates",
            &[
                "Repeats every Friday and Saturday until Thursday, 24 October 2013",
                "Not on Friday, 11 October 2013 and Saturday, 12 October 2013",
            ],
        ),
        ("tzid-slash", &["Repeats every Friday"]),
        (
            "url",
            &["More: http://www.meetup.com/Phoenix-Drupal-User-Group/events/33627272/"],
        ),
        (
            "weekly-exdates",
            &[
                "Repeats every Tuesday until Tuesday, 3 July 2012",
                "Not on Tuesday, 3 April 2012, Tuesday, 10 April 2012, Tuesday, 17 April 2012, Tuesday, 1 May 2012 and Tuesday, 29 May 2012",
            ],
        ),
        (
            "whole-days",
            &[
                "Repeats every day, 3 times",
                "Different on Monday, 28 October 2024",
            ],
        ),
        (
            "windows-zone",
            &["Repeats every Tuesday and Thursday until Thursday, 17 December 2020"],
        ),
        (
            "working-days",
            &["Repeats every weekday (Monday to Friday)"],
        ),
        ("yearly", &["Repeats every year on the 14th of July"]),
    ] {
        assert_eq!(said_of_file(file), said, "{file}");
    }
}
