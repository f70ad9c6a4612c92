//! What calendar mails say of times: alarms and invitations as calendar programs write them, in three languages.

#![allow(
    clippy::unwrap_used,
    reason = "a test that panics has failed, as it should"
)]

use cyrus_notifyd::config::toml::Own;
use cyrus_notifyd::config::{Context, Settings};
use cyrus_notifyd::method::{known, preview};
use cyrus_notifyd::wire::Notification;
use mail_parser::{MessageParser, MimeHeaders};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// A mail, as its reader sees it.
#[derive(Debug)]
struct Mail {
    subject: String,
    text: String,
    html: String,
    /// event.ics, unfolded.
    file: Option<String>,
}

/// The mail that a notification becomes, with `[templates]` of notifyd.toml, else why there is none.
fn mail(class: &str, event: &Value, language: &str, templates: &str) -> Result<Mail, String> {
    let imapd = b"configdirectory: /v\nservername: mail.example.org\ndefaultdomain: example.org\n";
    let mut settings = Settings::parse(imapd, &Context::default()).unwrap();
    let folder = root().join("examples/templates");
    let toml = format!(
        "[templates]\nfolder = \"{}\"\n{templates}",
        folder.display()
    );
    settings.own = Own::parse(Path::new("/notifyd.toml"), toml.as_bytes(), &known());
    assert_eq!(settings.own.problems, []);
    let notification = Notification {
        method: "mailto".into(),
        class: class.into(),
        user: "anna".into(),
        message: event.to_string().into_bytes(),
        ..Notification::default()
    };
    let made = preview(&settings, &notification, Some(language))?;
    let message = MessageParser::default()
        .parse(&made.mails[0].message)
        .unwrap();
    let file = message
        .attachments()
        .find(|part| part.attachment_name() == Some("event.ics"));
    Ok(Mail {
        subject: message.subject().unwrap().to_owned(),
        text: message.body_text(0).unwrap().replace("\r\n", "\n"),
        html: message.body_html(0).unwrap().into_owned(),
        file: file.map(|part| part.text_contents().unwrap().replace("\r\n ", "")),
    })
}

/// An alarm of 3.6.1 for an event from `start` to `end` in `zone`, with `more` fields.
fn alarm(zone: &str, start: &str, end: &str, more: Value) -> Value {
    let mut event = json!({
        "event": "CalendarAlarm", "alarmTime": start, "alarmRecipients": [], "userId": "anna",
        "calendarId": "c", "calendarName": "Work", "uid": "u", "action": "email", "summary": "Jour fixe",
        "timezone": zone, "start": start, "end": end,
    });
    let fields = more.as_object().unwrap().clone();
    event.as_object_mut().unwrap().extend(fields);
    event
}

/// An invitation by an object.
fn invitation(ical: &str) -> Value {
    json!({
        "recipient": "ext@example.net", "sender": "anna@example.org", "method": "REQUEST", "ical": ical,
    })
}

/// An invitation to an event with these lines.
fn event(lines: &str) -> Value {
    let lines = lines.replace('\n', "\r\n");
    invitation(&format!(
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nBEGIN:VEVENT\r\nUID:n\r\nSUMMARY:Flug\r\n{lines}\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
    ))
}

/// What the text says of the time: all that stands beside `When`, in one line.
fn when(mail: &Mail) -> String {
    let text = mail.text.replace('\u{a0}', " ");
    let heads = ["When:", "Wann:", "Date :", "Due:"];
    let lines = text
        .lines()
        .skip_while(|line| !heads.iter().any(|head| line.starts_with(head)));
    let mut said = Vec::new();
    for (n, line) in lines.enumerate() {
        if n > 0 && !line.starts_with("      ") {
            break;
        }
        said.push(line.trim());
    }
    let said = said.join(" ");
    let (_, said) = said.split_once(':').unwrap_or(("", &said));
    said.trim().to_owned()
}

fn of_alarm(event: &Value, language: &str) -> Mail {
    mail("EVENT", event, language, "").unwrap()
}

fn of_invitation(event: &Value, language: &str) -> Mail {
    mail("IMIP", event, language, "").unwrap()
}

/// The line `name` of event.ics.
fn property<'a>(mail: &'a Mail, name: &str) -> Option<&'a str> {
    let lines = mail.file.as_ref()?.lines();
    let mut found = lines.filter_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    found.next()
}

#[test]
fn an_alarm_in_a_zone_of_windows_or_outlook_has_its_moment() {
    // Name, the zone's short name in winter, the end of "zone" in the mail, start in UTC of 10:00 on 10 March 2027.
    for (zone, label, iana, utc) in [
        ("W. Europe Standard Time", "CET", "Europe/Berlin", "090000"),
        ("Romance Standard Time", "CET", "Europe/Paris", "090000"),
        (
            "Central Europe Standard Time",
            "CET",
            "Europe/Budapest",
            "090000",
        ),
        ("GMT Standard Time", "GMT", "Europe/London", "100000"),
        ("FLE Standard Time", "EET", "Europe/Kyiv", "080000"),
        ("Russian Standard Time", "MSK", "Europe/Moscow", "070000"),
        ("India Standard Time", "IST", "Asia/Kolkata", "043000"),
        (
            "Nepal Standard Time",
            "UTC+05:45",
            "Asia/Kathmandu",
            "041500",
        ),
        ("Tokyo Standard Time", "JST", "Asia/Tokyo", "010000"),
        (
            "AUS Eastern Standard Time",
            "AEDT",
            "Australia/Sydney",
            "-1 230000",
        ),
        (
            "Newfoundland Standard Time",
            "NST",
            "America/St_Johns",
            "133000",
        ),
        (
            "US Eastern Standard Time",
            "EST",
            "America/Indiana/Indianapolis",
            "150000",
        ),
        ("Eastern Standard Time", "EST", "America/New_York", "150000"),
        (
            "Pacific Standard Time",
            "PST",
            "America/Los_Angeles",
            "180000",
        ),
        ("w. europe standard time", "CET", "Europe/Berlin", "090000"),
        ("W. Europe Daylight Time", "CET", "Europe/Berlin", "090000"),
        (
            "W. Europe Standard Time 1",
            "CET",
            "Europe/Berlin",
            "090000",
        ),
        ("W. Europe", "CET", "Europe/Berlin", "090000"),
        ("Western/Central Europe", "CET", "Europe/Berlin", "090000"),
        ("Europe/Berlin-1", "CET", "Europe/Berlin", "090000"),
        ("Europe/Berlin 2", "CET", "Europe/Berlin", "090000"),
        (
            "/freeassociation.sourceforge.net/Europe/Berlin",
            "CET",
            "Europe/Berlin",
            "090000",
        ),
        (
            "/mozilla.org/20070129_1/America/New_York",
            "EST",
            "America/New_York",
            "150000",
        ),
        (
            "http://www.tzurl.org/zoneinfo-outlook/Europe/Berlin",
            "CET",
            "Europe/Berlin",
            "090000",
        ),
        ("tzone://Microsoft/Utc", "UTC", "", "100000"),
        ("US-Eastern", "EST", "US/Eastern", "150000"),
        (
            "America/Los Angeles",
            "PST",
            "America/Los_Angeles",
            "180000",
        ),
        (
            "(UTC+01:00) Amsterdam, Berlin, Bern, Rome, Stockholm, Vienna",
            "CET",
            "Europe/Berlin",
            "090000",
        ),
        (
            "(GMT+01.00) Amsterdam / Berlin / Bern / Rome / Stockholm / Vienna",
            "CET",
            "Europe/Amsterdam",
            "090000",
        ),
        (
            "Amsterdam, Berlin, Bern, Rom, Stockholm, Wien",
            "CET",
            "Europe/Berlin",
            "090000",
        ),
        (
            "(GMT+01.00) Sarajevo/Warsaw/Zagreb",
            "CET",
            "Europe/Sarajevo",
            "090000",
        ),
        (
            "(UTC+07:00) Bangkok, Hanoi, Jakarta",
            "UTC+07:00",
            "Asia/Bangkok",
            "030000",
        ),
        (
            "(UTC-05:00) Eastern Time (US & Canada)",
            "EST",
            "America/New_York",
            "150000",
        ),
        (
            "(UTC+02:00) FLE Standard Time",
            "EET",
            "Europe/Kyiv",
            "080000",
        ),
        (
            "(UTC) Dublin, Edinburgh, Lisbon, London",
            "GMT",
            "Europe/London",
            "100000",
        ),
        (
            "(UTC-03:00) Brasília",
            "UTC-03:00",
            "America/Sao_Paulo",
            "130000",
        ),
        (
            "Kolkata, Chennai, Mumbai, New Delhi, India Standard Time",
            "IST",
            "Asia/Kolkata",
            "043000",
        ),
        ("GMT-0400", "UTC-04:00", "", "140000"),
        ("UTC+11", "UTC+11:00", "", "-1 230000"),
        ("+05:30", "UTC+05:30", "", "043000"),
        ("(UTC-09:30)", "UTC-09:30", "", "193000"),
    ] {
        let made = of_alarm(
            &alarm(zone, "20270310T100000", "20270310T110000", json!({})),
            "en",
        );
        let line = match iana {
            "" => String::new(),
            iana => format!(" Time zone {iana}"),
        };
        assert_eq!(
            when(&made),
            format!("Wednesday, 10 March 2027, 10:00 to 11:00 ({label}){line}"),
            "{zone}"
        );
        let (day, clock) = utc
            .split_once(' ')
            .map_or(("10", utc), |(_, clock)| ("09", clock));
        assert_eq!(
            property(&made, "DTSTART"),
            Some(format!("202703{day}T{clock}Z").as_str()),
            "{zone}"
        );
    }
}

#[test]
fn a_zone_that_nobody_knows_is_said_to_be_unknown() {
    for zone in [
        "custom_X",
        "Customized Time Zone",
        "tzone://Microsoft/Custom",
        "GMT +0100 (Standard) / GMT +0200 (Daylight)",
        "(UTC+01:00) Nowhere, Utopia",
        "Bürozeit <b>",
        "GMT-25",
    ] {
        let event = alarm(zone, "20270310T100000", "20270310T110000", json!({}));
        for (language, said) in [
            (
                "en",
                format!("Wednesday, 10 March 2027, 10:00 to 11:00 ({zone}, unknown time zone)"),
            ),
            (
                "de",
                format!(
                    "Mittwoch, 10. März 2027, 10:00 bis 11:00 Uhr ({zone}, unbekannte Zeitzone)"
                ),
            ),
            (
                "fr",
                format!(
                    "mercredi 10 mars 2027, de 10 h 00 à 11 h 00 ({zone}, fuseau horaire inconnu)"
                ),
            ),
        ] {
            let made = of_alarm(&event, language);
            assert_eq!(when(&made), said);
            assert!(!made.html.contains("<b>"), "{}", made.html);
            // A file would have a moment, and nobody knows which.
            assert_eq!(made.file, None, "{zone}");
        }
    }
}

#[test]
fn objects_of_other_programs() {
    for (file, said) in [
        (
            "vaduz",
            "Monday, 13 February 2012, 10:00 (CET) Time zone Europe/Vaduz",
        ),
        (
            "brasilia",
            "Thursday, 11 May 2017, 13:30 to 14:00 (UTC-03:00) Time zone America/Sao_Paulo",
        ),
        ("own-zone", "Sunday, 3 March 2024, 08:00 (winter)"),
        (
            "utc+11",
            "Tuesday, 28 February 2017, 23:00 to 23:30 (UTC+11:00)",
        ),
        (
            "fiji",
            "Friday, 29 August 2014, 10:00 (UTC+12:00) Time zone Pacific/Fiji",
        ),
        ("forward", "Friday, 29 August 2014, 10:00 (EDT)"),
        (
            "pacific",
            "Friday, 24 February 2017, 12:00 to 12:30 (PST) Time zone America/Los_Angeles",
        ),
        (
            "dst",
            "Friday, 3 April 2020, 10:20 to 11:30 (CEST) Time zone Europe/Berlin",
        ),
        (
            "eastern",
            "Monday, 28 October 2024, 17:00 to 18:00 (EDT) Time zone America/New_York",
        ),
        ("unique", "Friday, 21 October 2022, 20:00 to 21:00 (CEST)"),
        (
            "outlook-2016",
            "Sunday, 22 July 2018, 12:00 to 13:00 (CEST) Time zone Europe/Berlin",
        ),
        (
            "exchange-2010",
            "Wednesday, 22 November 2023, 09:30 to 12:00 (CET) Time zone Europe/Berlin",
        ),
        (
            "exchange-2007",
            "Wednesday, 18 April 2012, 10:00 (UTC+02:00)",
        ),
        ("foo", "Wednesday, 18 April 2012, 10:00 (UTC+02:00)"),
        (
            "ljubljana",
            "Wednesday, 3 October 2012, 08:00 to 08:30 (CEST) Time zone Europe/Ljubljana",
        ),
        (
            "systemv",
            "Friday, 26 October 2012, 15:30 to 16:00 (EDT) Time zone EST5EDT",
        ),
        (
            "floating-start",
            "Sunday, 10 March 2019, 11:15 to 13:00 (CET) Time zone Europe/Amsterdam",
        ),
        (
            "utc-with-tzid",
            "Thursday, 19 December 2019, 19:00 to 21:20 (CET) Time zone Europe/Vienna",
        ),
    ] {
        let path = root().join(format!("tests/fixtures/calendars/{file}.ics"));
        let ical = std::fs::read_to_string(path).unwrap();
        let made = of_invitation(&invitation(&ical), "en");
        let shown = when(&made);
        let shown = shown.split(" One of a series").next().unwrap();
        assert!(shown.starts_with(said), "{file}: {shown}");
    }
}

/// A definition with changes in spring and autumn, in the words of Exchange.
fn definition(name: &str, standard: &str, summer: &str) -> String {
    format!(
        "END:VEVENT\nBEGIN:VTIMEZONE\nTZID:{name}\nBEGIN:STANDARD\nDTSTART:16010101T030000\nTZOFFSETFROM:{summer}\nTZOFFSETTO:{standard}\n\
        RRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH=10\nEND:STANDARD\nBEGIN:DAYLIGHT\nDTSTART:16010101T020000\nTZOFFSETFROM:{standard}\n\
        TZOFFSETTO:{summer}\nRRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH=3\nEND:DAYLIGHT\nEND:VTIMEZONE\nBEGIN:VFREEBUSY"
    )
}

#[test]
fn an_object_may_define_its_zone_itself() {
    let times = "DTSTART;TZID=custom_X:20270702T100000\nDTEND;TZID=custom_X:20270702T110000\n";
    let made = of_invitation(
        &event(&format!(
            "{times}{}",
            definition("custom_X", "+0100", "+0200")
        )),
        "en",
    );
    assert_eq!(
        when(&made),
        "Friday, 2 July 2027, 10:00 to 11:00 (UTC+02:00)"
    );
    // A known name keeps its own label where the definition agrees, and says what is defined where it does not.
    let named = times.replace("custom_X", "W. Europe Standard Time");
    let agrees = definition("W. Europe Standard Time", "+0100", "+0200");
    let made = of_invitation(&event(&format!("{named}{agrees}")), "en");
    assert_eq!(
        when(&made),
        "Friday, 2 July 2027, 10:00 to 11:00 (CEST) Time zone Europe/Berlin"
    );
    let differs = definition("W. Europe Standard Time", "+0300", "+0400");
    let made = of_invitation(&event(&format!("{named}{differs}")), "en");
    assert_eq!(
        when(&made),
        "Friday, 2 July 2027, 10:00 to 11:00 (UTC+04:00)"
    );
    // Over the end of summer time.
    let long = "DTSTART;TZID=custom_X:20271030T220000\nDURATION:PT12H\n";
    let made = of_invitation(
        &event(&format!(
            "{long}{}",
            definition("custom_X", "+0100", "+0200")
        )),
        "en",
    );
    assert_eq!(
        when(&made),
        "Saturday, 30 October 2027, 22:00 (UTC+02:00) to Sunday, 31 October 2027, 09:00 (UTC+01:00)"
    );
}

#[test]
fn an_event_over_a_change_of_summer_time_has_two_labels() {
    let event = event(
        "DTSTART;TZID=Europe/Berlin:20271029T090000\nDTEND;TZID=Europe/Berlin:20271101T170000",
    );
    for (language, said) in [
        (
            "en",
            "Friday, 29 October 2027, 09:00 (CEST) to Monday, 1 November 2027, 17:00 (CET) Time zone Europe/Berlin",
        ),
        (
            "de",
            "Freitag, 29. Oktober 2027, 09:00 Uhr (MESZ) bis Montag, 1. November 2027, 17:00 Uhr (MEZ) Zeitzone Europe/Berlin",
        ),
        (
            "fr",
            "du vendredi 29 octobre 2027 à 9 h 00 (CEST) au lundi 1er novembre 2027 à 17 h 00 (CET) Fuseau horaire Europe/Berlin",
        ),
    ] {
        assert_eq!(when(&of_invitation(&event, language)), said);
    }
    let night = alarm(
        "Europe/Berlin",
        "20271031T013000",
        "20271031T023000",
        json!({}),
    );
    assert_eq!(
        when(&of_alarm(&night, "en")),
        "Sunday, 31 October 2027, 01:30 to 02:30 (CEST) Time zone Europe/Berlin"
    );
}

#[test]
fn an_end_in_another_zone_is_named_with_it() {
    let flight = event(
        "DTSTART;TZID=Europe/Berlin:20270402T100000\nDTEND;TZID=America/New_York:20270402T130000",
    );
    for (language, said) in [
        (
            "en",
            "Friday, 2 April 2027, 10:00 (CEST) to 13:00 (EDT) Time zone Europe/Berlin, ends in America/New_York",
        ),
        (
            "de",
            "Freitag, 2. April 2027, 10:00 Uhr (MESZ) bis 13:00 Uhr (EDT) Zeitzone Europe/Berlin, Ende in America/New_York",
        ),
        (
            "fr",
            "vendredi 2 avril 2027, de 10 h 00 (CEST) à 13 h 00 (EDT) Fuseau horaire Europe/Berlin, fin dans America/New_York",
        ),
    ] {
        assert_eq!(when(&of_invitation(&flight, language)), said);
    }
    for (start, end, said) in [
        // Clocks alone would have it end before it begins, or at once.
        (
            ";TZID=Asia/Tokyo:20270402T170000",
            ";TZID=America/Los_Angeles:20270402T110000",
            "17:00 (JST) to 11:00 (PDT)",
        ),
        // Zones with the same clocks and label are one to read.
        (
            ";TZID=Europe/Berlin:20270402T100000",
            ";TZID=Europe/Vienna:20270402T110000",
            "10:00 to 11:00 (CEST)",
        ),
        // UTC is nobody's own zone.
        (
            ";TZID=Europe/Berlin:20270402T100000",
            ":20270402T090000Z",
            "10:00 to 11:00 (CEST)",
        ),
        (
            ":20270402T080000Z",
            ";TZID=Europe/Berlin:20270402T110000",
            "10:00 to 11:00 (CEST)",
        ),
        (
            ";TZID=Europe/Berlin:20270402T100000",
            ":20270402T110000",
            "10:00 to 11:00 (CEST)",
        ),
        (
            ";TZID=Europe/Berlin:20270402T100000",
            ";TZID=Russian Standard Time:20270402T140000",
            "10:00 (CEST) to 14:00 (MSK)",
        ),
        (
            ";TZID=custom_X:20270402T100000",
            ":20270402T120000Z",
            "10:00 (custom_X, unknown time zone) to 12:00 (UTC)",
        ),
        (
            ";TZID=Europe/Berlin:20270402T100000",
            ";TZID=custom_X:20270402T120000",
            "10:00 (CEST) to 12:00 (custom_X, unknown time zone)",
        ),
        (
            ";TZID=custom_X:20270402T100000",
            ";TZID=custom_X:20270402T120000",
            "10:00 to 12:00 (custom_X, unknown time zone)",
        ),
        // What cannot be told is not said.
        (":20270402T100000", ":20270402T120000Z", "10:00"),
        (
            ";TZID=Europe/Berlin:20270402T100000",
            ";VALUE=DATE:20270403",
            "10:00 (CEST)",
        ),
        (
            ";TZID=Europe/Berlin:20270402T100000",
            ";TZID=Europe/London:20270402T080000",
            "10:00 (CEST)",
        ),
        (
            ";TZID=Europe/Berlin:20270402T100000",
            ";TZID=Europe/Berlin:20270402T100000",
            "10:00 (CEST)",
        ),
    ] {
        let made = of_invitation(&event(&format!("DTSTART{start}\nDTEND{end}")), "en");
        let shown = when(&made);
        let shown = shown.split(" Time zone").next().unwrap();
        assert_eq!(
            shown,
            format!("Friday, 2 April 2027, {said}"),
            "{start} {end}"
        );
    }
    let day = event("DTSTART;VALUE=DATE:20270402\nDTEND:20270403T000000Z");
    assert_eq!(
        when(&of_invitation(&day, "en")),
        "Friday, 2 April 2027, all day"
    );
}

#[test]
fn moved_is_said_of_times_that_can_be_compared() {
    let of = |recurrence: &str, zone: &str| {
        let lines = format!(
            "DTSTART;TZID={zone}:20270402T100000\nDTEND;TZID={zone}:20270402T110000\nRECURRENCE-ID{recurrence}"
        );
        let said = when(&of_invitation(&event(&lines), "en"));
        said.rsplit_once("One of a series").unwrap().1.to_owned()
    };
    assert_eq!(of(":20270402T080000Z", "Europe/Berlin"), "");
    assert_eq!(of(":20270402T080000Z", "W. Europe Standard Time"), "");
    assert_eq!(of(";TZID=Asia/Tokyo:20270402T170000", "Europe/Berlin"), "");
    assert_eq!(
        of(";TZID=Europe/Berlin:20270402T100000", "Europe/Berlin"),
        ""
    );
    assert_eq!(of(":20270402T100000", "Europe/Berlin"), "");
    assert_eq!(of(";VALUE=DATE:20270402", "Europe/Berlin"), "");
    assert_eq!(of(":20270402T080000Z", "custom_X"), "");
    assert_eq!(
        of(":20270401T080000Z", "Europe/Berlin"),
        ", moved from Thursday, 1 April 2027, 10:00"
    );
    assert_eq!(
        of(";TZID=custom_X:20270401T100000", "custom_X"),
        ", moved from Thursday, 1 April 2027, 10:00"
    );
}

#[test]
fn a_task_is_due() {
    let task = |lines: &str| {
        let lines = lines.replace('\n', "\r\n");
        invitation(&format!(
            "BEGIN:VCALENDAR\r\nBEGIN:VTODO\r\nUID:n\r\nSUMMARY:Steuer\r\n{lines}\r\nEND:VTODO\r\nEND:VCALENDAR\r\n"
        ))
    };
    let due = task("DUE;TZID=Europe/Berlin:20270402T100000");
    for (language, label, said, subject) in [
        (
            "en",
            "Due:       ",
            "Friday, 2 April 2027, 10:00 (CEST)",
            "(Friday, 2 April, 10:00)",
        ),
        (
            "de",
            "Fällig:       ",
            "Freitag, 2. April 2027, 10:00 Uhr (MESZ)",
            "(Freitag, 2. April, 10:00 Uhr)",
        ),
        (
            "fr",
            "Échéance :     ",
            "vendredi 2 avril 2027 à 10 h 00 (CEST)",
            "(vendredi 2 avril à 10 h 00)",
        ),
    ] {
        let made = of_invitation(&due, language);
        let text = made.text.replace('\u{a0}', " ");
        assert!(text.contains(&format!("\n\n{label}{said}\n")), "{text}");
        assert!(
            made.subject.replace('\u{a0}', " ").ends_with(subject),
            "{}",
            made.subject
        );
        let html = made.html.replace("&nbsp;", " ").replace('\u{a0}', " ");
        assert!(
            html.contains(&format!("{} {said}", label.trim_end())),
            "{html}"
        );
    }
    let said = |lines: &str| {
        let said = when(&of_invitation(&task(lines), "en"));
        said.replace(" Time zone Europe/Berlin", "")
    };
    assert_eq!(said("DUE;VALUE=DATE:20270402"), "Friday, 2 April 2027");
    assert_eq!(
        said("DTSTART;TZID=Europe/Berlin:20270401T090000\nDUE;TZID=Europe/Berlin:20270402T100000"),
        "Friday, 2 April 2027, 10:00 (CEST); starts Thursday, 1 April 2027, 09:00 (CEST)"
    );
    // An alarm does not say of what sort it is.
    let mut due = alarm(
        "Europe/Berlin",
        "",
        "20270402T100000",
        json!({"alarmTime": "20270402T093000"}),
    );
    for start in [json!(""), json!("00000000T000000"), Value::Null] {
        due["start"] = start;
        let made = of_alarm(&due, "en");
        assert!(
            made.text
                .contains("\nDue:       Friday, 2 April 2027, 10:00 (CEST)\n"),
            "{}",
            made.text
        );
    }
}

#[test]
fn what_has_no_time_has_no_line_for_it() {
    let nothing = event("LOCATION:Hier");
    for language in ["en", "de", "fr"] {
        let made = of_invitation(&nothing, language);
        let head = ["When", "Wann", "Date", "Due", "Fällig"];
        assert!(
            !made
                .text
                .lines()
                .any(|line| head.iter().any(|word| line.starts_with(word))),
            "{}",
            made.text
        );
        assert!(
            !made.text.contains("\n\n\n") && made.subject.ends_with("Flug"),
            "{}",
            made.text
        );
        assert!(
            !made
                .html
                .contains("margin:10px 0 0;overflow-wrap:anywhere;\" dir=\"auto\"></p>"),
            "{}",
            made.html
        );
    }
}

#[test]
fn a_file_has_no_end_that_is_not_behind_the_start() {
    let of = |start: &str, end: &str| {
        let made = of_alarm(&alarm("Europe/Berlin", start, end, json!({})), "en");
        property(&made, "DTEND").map(str::to_owned)
    };
    assert_eq!(of("20270402T100000", "20270402T100000"), None);
    assert_eq!(of("20270402T100000", "20270402T093000"), None);
    assert_eq!(of("20270402T100000", ""), None);
    assert_eq!(of("20270402", "20270402"), None);
    assert_eq!(of("20270402T100000", "20270402"), None);
    assert_eq!(
        of("20270402T100000", "20270402T103000").as_deref(),
        Some("20270402T083000Z")
    );
    // Behind, though a clock shows less.
    assert_eq!(
        of("20271031T024500", "20271031T030000").as_deref(),
        Some("20271031T020000Z")
    );
}

#[test]
fn a_file_of_one_instance_does_not_take_the_place_of_its_series() {
    let uid = |more: Value, start: &str| {
        let made = of_alarm(
            &alarm("Europe/Berlin", start, "20270402T103000", more),
            "en",
        );
        (
            property(&made, "UID").unwrap().to_owned(),
            property(&made, "RECURRENCE-ID").map(str::to_owned),
        )
    };
    let (first, recurrence) = uid(json!({}), "20270402T100000");
    assert!(first != "u" && recurrence.is_none(), "{first}");
    assert_eq!(
        uid(json!({}), "20270402T100000").0,
        first,
        "the same at each attempt"
    );
    assert_ne!(
        uid(json!({}), "20270402T090000").0,
        first,
        "another instance"
    );
    assert_ne!(
        uid(json!({"uid": "v"}), "20270402T100000").0,
        first,
        "another event"
    );
    // From 3.8 on Cyrus says which instance it is, or that it is none.
    assert_eq!(
        uid(json!({"recurrenceId": ""}), "20270402T100000"),
        ("u".into(), None)
    );
    assert_eq!(
        uid(
            json!({"recurrenceId": "2027-04-02T10:00:00"}),
            "20270402T100000"
        ),
        ("u".into(), Some("20270402T080000Z".into()))
    );
}

#[test]
fn times_in_utc_are_shown_in_the_zone_of_the_reader() {
    const ZONES: &str = "time_zone = \"Europe/Berlin\"\ntime_zones = { \"Anna@example.org\" = \"Asia/Tokyo\", \"@example.fr\" = \"Europe/Paris\", \"@EXAMPLE.net\" = \"America/New_York\" }\n";
    let shown = |user: &str, zone: &str, start: &str, end: &str| {
        let event = alarm(zone, start, end, json!({"userId": user}));
        let made = mail("EVENT", &event, "en", ZONES).unwrap();
        (when(&made), property(&made, "DTSTART").map(str::to_owned))
    };
    let utc = |user: &str| shown(user, "UTC", "20270402T080000Z", "20270402T090000Z").0;
    assert_eq!(
        utc("ben"),
        "Friday, 2 April 2027, 10:00 to 11:00 (CEST) Time zone Europe/Berlin"
    );
    assert_eq!(
        utc("anna"),
        "Friday, 2 April 2027, 17:00 to 18:00 (JST) Time zone Asia/Tokyo"
    );
    assert_eq!(
        utc("c@example.fr"),
        "Friday, 2 April 2027, 10:00 to 11:00 (CEST) Time zone Europe/Paris"
    );
    // The zone of the event is first, and what has none stays as it is.
    let (tokyo, start) = shown(
        "ben",
        "Tokyo Standard Time",
        "20270402T170000",
        "20270402T180000",
    );
    assert_eq!(
        tokyo,
        "Friday, 2 April 2027, 17:00 to 18:00 (JST) Time zone Asia/Tokyo"
    );
    assert_eq!(start.as_deref(), Some("20270402T080000Z"));
    let (floating, start) = shown("ben", "[floating]", "20270402T170000", "20270402T180000");
    assert_eq!(floating, "Friday, 2 April 2027, 17:00 to 18:00");
    assert_eq!(start.as_deref(), Some("20270402T170000"));
    let (day, _) = shown("ben", "UTC", "20270402", "20270403");
    assert_eq!(day, "Friday, 2 April 2027, all day");
    // An invitation is for its recipient.
    let lines = "DTSTART:20270402T080000Z\nDTEND:20270402T090000Z\nRECURRENCE-ID:20270401T080000Z";
    let made = mail("IMIP", &event(lines), "en", ZONES).unwrap();
    assert_eq!(
        when(&made),
        "Friday, 2 April 2027, 04:00 to 05:00 (EDT) Time zone America/New_York One of a series, moved from Thursday, 1 April 2027, 04:00"
    );
    // Without the key it is UTC.
    assert_eq!(
        when(&of_invitation(&event(lines), "en")),
        "Friday, 2 April 2027, 08:00 to 09:00 (UTC) One of a series, moved from Thursday, 1 April 2027, 08:00"
    );
    let signed_in = json!({
        "event": "Login", "timestamp": "2027-04-02T08:00:00Z", "user": "anna", "clientIP": "203.0.113.7", "service": "imap",
    });
    let made = mail("EVENT", &signed_in, "en", ZONES).unwrap();
    assert!(made.text.contains("17:00"), "{}", made.text);
}

#[test]
fn an_invitation_without_an_object_says_what_cyrus_did() {
    let nothing = Notification {
        method: "mailto".into(),
        class: "IMIP".into(),
        user: "anna".into(),
        ..Notification::default()
    };
    let imapd = b"configdirectory: /v\nservername: mail.example.org\n";
    let settings = Settings::parse(imapd, &Context::default()).unwrap();
    let why = preview(&settings, &nothing, None).unwrap_err();
    assert!(
        why.contains("tasks (VTODO)") && !why.contains("EOF"),
        "{why}"
    );
}

#[test]
fn who_has_declined_gets_no_reminder() {
    let of = |status: &str| {
        let people = json!({
            "attendeeEmails": ["mailto:anna@example.org"], "attendeeNames": ["Anna"], "attendeeStatus": [status],
        });
        mail(
            "EVENT",
            &alarm(
                "Europe/Berlin",
                "20270402T100000",
                "20270402T110000",
                people,
            ),
            "en",
            "",
        )
    };
    assert!(of("ACCEPTED").is_ok());
    assert_eq!(
        of("DECLINED").unwrap_err(),
        "the user has declined the event"
    );
}
