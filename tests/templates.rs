//! The words of mails, in every language that comes with the package: each kind with values of all sorts. What is made
//! is written below `target/tmp/templates`, for who wants to look at it in a browser.

#![allow(
    clippy::unwrap_used,
    reason = "a test that panics has failed, as it should"
)]

use cyrus_notifyd::mail::template::{KINDS, Templates, Words};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};

const SAMPLES: &str = include_str!("../src/mail/template/samples.json");

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/templates")
}

fn samples() -> Value {
    serde_json::from_str(SAMPLES).unwrap()
}

fn templates() -> Templates {
    let (templates, wrong) = Templates::open(Some(&examples()), "en");
    assert_eq!(wrong, []);
    templates
}

/// All mails in a language, with the values that they are made of.
fn mails(language: &str) -> Vec<(&'static str, Value, Words)> {
    let (templates, samples) = (templates(), samples());
    let of = |kind: &'static str| {
        let all = samples[kind].as_array().unwrap().clone();
        let templates = &templates;
        all.into_iter().map(move |values| {
            let words = templates.render(kind, language, &values);
            (kind, values, words)
        })
    };
    KINDS.into_iter().flat_map(of).collect()
}

#[test]
fn every_kind_in_every_language() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("templates");
    fs::create_dir_all(&folder).unwrap();
    for language in ["en", "de", "fr"] {
        for (n, (kind, _, words)) in mails(language).into_iter().enumerate() {
            let name = |end: &str| folder.join(format!("{language}-{n:02}-{kind}.{end}"));
            assert_eq!(words.wrong, [""; 0], "{language} {kind}");
            let html = words.html.unwrap();
            fs::write(name("txt"), format!("{}\n\n{}", words.subject, words.text)).unwrap();
            fs::write(name("html"), &html).unwrap();
            assert!(!words.subject.is_empty() && !words.subject.contains('\n'));
            assert!(
                words.text.ends_with('\n') && !words.text.contains("\n\n\n"),
                "{}",
                words.text
            );
            assert!(html.starts_with("<!DOCTYPE html>"), "{language} {kind}");
            for never in ["none", "undefined", "{{", "{%"] {
                for made in [&words.subject, &words.text] {
                    assert!(
                        !made.contains(never) || never == "none" && made.contains("(none)"),
                        "{language} {kind}: {never}: {made}"
                    );
                }
            }
        }
    }
}

/// Whether `words` has `part`, whatever was done to it for HTML, and wherever lines were folded.
fn says(text: &str, part: &str) -> bool {
    let flat = |text: &str| {
        let text = text.replace(['\u{a0}', '\n'], " ");
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    flat(text).contains(&flat(part))
}

/// Texts of the values that a mail must show. What stands for something else (a method, a status, a colour) is left
/// out, and so is what a kind keeps for itself.
fn wanted(kind: &str, values: &Value) -> Vec<String> {
    let text = |name: &str| values.pointer(name).and_then(Value::as_str);
    let names: &[&str] = match kind {
        "alarm" | "imip" => &[
            "/summary",
            "/description",
            "/location",
            "/calendar/name",
            "/organizer/email",
            "/server",
            "/comment",
        ],
        "quota" => &["/user", "/root", "/server"],
        "newmail" => &["/user", "/mailbox", "/from", "/subject", "/to", "/server"],
        "signin" => &["/user", "/address", "/network", "/service", "/server"],
        _ if text("/body") != Some("") => &["/body", "/user"],
        _ => &["/user", "/mailbox", "/trigger/subject", "/trigger/from"],
    };
    let mut wanted: Vec<String> = names
        .iter()
        .filter_map(|name| text(name))
        .map(str::to_owned)
        .collect();
    let people = values["attendees"].as_array().into_iter().flatten();
    wanted.extend(people.map(|one| match one["name"].as_str().unwrap() {
        "" => one["email"].as_str().unwrap().to_owned(),
        name => name.to_owned(),
    }));
    wanted.extend(
        values["percent"]
            .as_u64()
            .map(|percent| format!("{percent} %")),
    );
    // Of a method that has nothing to do with zones there is none.
    if values["all_day"] == false && values["floating"] == false {
        wanted.extend(text("/zone").map(str::to_owned));
    }
    wanted
}

/// Text between tags, and what is escaped as it was.
fn text_of(html: &str) -> String {
    let body = html.split_once("<body").unwrap().1;
    let texts = body
        .split('<')
        .filter_map(|part| part.split_once('>'))
        .map(|(_, text)| text);
    let text = texts.collect::<Vec<_>>().join(" ");
    let entities = [
        ("&nbsp;", " "),
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&quot;", "\""),
        ("&#x27;", "'"),
        ("&#x2f;", "/"),
        ("&middot;", "\u{b7}"),
        ("&amp;", "&"),
    ];
    entities
        .iter()
        .fold(text, |text, (entity, means)| text.replace(entity, means))
}

#[test]
fn all_that_is_known_is_shown() {
    for language in ["en", "de", "fr"] {
        for (kind, values, words) in mails(language) {
            let html = text_of(&words.html.unwrap());
            for part in wanted(kind, &values) {
                let show = format!("{language} {kind}: {part}");
                assert!(
                    says(&format!("{}\n{}", words.subject, words.text), &part),
                    "{show} in {}",
                    words.text
                );
                assert!(says(&html, &part), "{show} in {html}");
            }
        }
    }
}

/// The lines of a text in which the mails of all samples say something of their own, without what comes from values.
fn said(language: &str) -> Vec<String> {
    let texts = mails(language).into_iter().map(|(_, _, words)| {
        format!(
            "{}\n{}\n{}",
            words.subject,
            words.text,
            text_of(&words.html.unwrap())
        )
    });
    let words = texts.flat_map(|text| {
        text.split(|c: char| !c.is_alphabetic())
            .map(str::to_owned)
            .collect::<Vec<_>>()
    });
    let mut words: Vec<String> = words.filter(|word| word.len() > 2).collect();
    words.sort();
    words.dedup();
    words
}

#[test]
fn no_english_is_left_in_another_language() {
    let values = samples().to_string().replace("\\n", " ");
    let of_values: Vec<&str> = values.split(|c: char| !c.is_alphabetic()).collect();
    let english = said("en");
    for (language, same) in [
        (
            "de",
            &[
                "Server",
                "September",
                "November",
                "August",
                "UTC",
                "Name",
                "was",
            ][..],
        ),
        (
            "fr",
            &[
                "Organisation",
                "Date",
                "Invitation",
                "invitation",
                "important",
                "Service",
                "message",
                "messages",
                "minute",
                "minutes",
                "UTC",
                "script",
                "Question",
                "dates",
                "version",
            ],
        ),
    ] {
        let both: Vec<String> = said(language)
            .into_iter()
            .filter(|word| english.contains(word) && !of_values.contains(&word.as_str()))
            .filter(|word| !same.contains(&word.as_str()))
            .collect();
        assert_eq!(both, [""; 0], "{language}");
    }
}

#[test]
fn days_and_times_read_as_people_write_them() {
    let (templates, samples) = (templates(), samples());
    let times = |language: &str| -> Vec<String> {
        let all = samples["alarm"].as_array().unwrap();
        let text = |values| templates.render("alarm", language, values).text;
        let when = |text: String| {
            let line = text
                .split_once(':')
                .unwrap()
                .1
                .split("\n\n")
                .next()
                .unwrap();
            let line = line.split_whitespace().collect::<Vec<_>>().join(" ");
            line.replace('\u{a0}', " ")
        };
        all.iter().map(|values| when(text(values))).collect()
    };
    let starts = |language: &str, wanted: [&str; 6]| {
        for (time, wanted) in times(language).iter().zip(wanted) {
            assert!(time.starts_with(wanted), "{language}: {time}");
        }
    };
    starts(
        "en",
        [
            "Thursday, 26 November 2026, 14:05 to 15:00 (CET) Time zone Europe/Berlin",
            "Tuesday, 1 December 2026 to Thursday, 3 December 2026, all day",
            "Monday, 31 August 2026, 22:10 to Tuesday, 1 September 2026, 08:40 (CEST)",
            "Saturday, 28 November 2026, 07:00 One of a series, moved from Friday, 27 November 2026, 07:00",
            "Friday, 1 January 2027, all day One of a series",
            "Thursday, 26 November 2026, 09:00 (UTC+04:00) Time zone Asia/Dubai One of a series",
        ],
    );
    starts(
        "de",
        [
            "Donnerstag, 26. November 2026, 14:05 bis 15:00 Uhr (MEZ) Zeitzone Europe/Berlin",
            "Dienstag, 1. Dezember 2026 bis Donnerstag, 3. Dezember 2026, ganzt\u{e4}gig",
            "Montag, 31. August 2026, 22:10 Uhr bis Dienstag, 1. September 2026, 08:40 Uhr (MESZ)",
            "Samstag, 28. November 2026, 07:00 Uhr Termin einer Serie, urspr\u{fc}nglich Freitag, 27. November 2026, 07:00 Uhr",
            "Freitag, 1. Januar 2027, ganzt\u{e4}gig Termin einer Serie",
            "Donnerstag, 26. November 2026, 09:00 Uhr (UTC+04:00) Zeitzone Asia/Dubai",
        ],
    );
    starts(
        "fr",
        [
            "jeudi 26 novembre 2026, de 14 h 05 \u{e0} 15 h 00 (CET) Fuseau horaire Europe/Berlin",
            "du mardi 1er d\u{e9}cembre 2026 au jeudi 3 d\u{e9}cembre 2026, journ\u{e9}es enti\u{e8}res",
            "du lundi 31 ao\u{fb}t 2026 \u{e0} 22 h 10 au mardi 1er septembre 2026 \u{e0} 8 h 40 (CEST)",
            "samedi 28 novembre 2026 \u{e0} 7 h 00 Fait partie d\u{2019}une s\u{e9}rie, pr\u{e9}vu d\u{2019}abord le vendredi 27 novembre 2026 \u{e0} 7 h 00",
            "vendredi 1er janvier 2027, toute la journ\u{e9}e Fait partie d\u{2019}une s\u{e9}rie",
            "jeudi 26 novembre 2026 \u{e0} 9 h 00 (UTC+04:00)",
        ],
    );
    let single = serde_json::json!({"start": samples["signin"][0]["time"], "zone": "Europe/Berlin", "abbreviation": "CET"});
    let text = templates.render("alarm", "de", &single).text;
    assert!(
        text.contains("Donnerstag, 26. November 2026, 14:05 Uhr (MEZ)\n"),
        "{text}"
    );
}

#[test]
fn every_language_has_every_file() {
    let names = |folder: PathBuf| {
        let entries = fs::read_dir(folder).unwrap();
        let mut names: Vec<String> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    };
    let english = names(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/mail/template/en"));
    for language in ["de", "fr"] {
        assert_eq!(names(examples().join(language)), english, "{language}");
    }
}

#[test]
fn pages_hold_nothing_from_elsewhere_and_lines_of_text_are_short() {
    for language in ["en", "de", "fr"] {
        for (kind, _, words) in mails(language) {
            let html = words.html.unwrap();
            // Links of the event itself, which nothing opens but a click.
            let html = html
                .replace("<a href=\"https:", "<a href=\"")
                .replace(">https:", ">");
            for never in [
                "http:", "https:", "<img", "<script", "<link", "@import", "url(", "<form",
            ] {
                assert!(!html.contains(never), "{language} {kind}: {never}");
            }
            let count = |tag: &str| html.matches(tag).count();
            for tag in ["table", "tr", "td", "div", "p", "h1", "span", "bdi"] {
                let opened = count(&format!("<{tag} ")) + count(&format!("<{tag}>"));
                let closed = count(&format!("</{tag}>"));
                assert_eq!(opened, closed, "{language} {kind}: <{tag}>");
            }
            let long = words.text.lines().find(|line| line.chars().count() > 78);
            assert_eq!(long, None, "{language} {kind}");
        }
    }
}
