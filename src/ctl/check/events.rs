//! Rules about what Cyrus is set to send. What ends Cyrus' processes was seen with 3.6.1, or stands in its issues.

use super::facts::{Facts, program, shown};
use super::{Finding, error, note, warning};
use crate::config::ContentInclusion;
use crate::config::cyrus_conf::{Entry, Section};
use crate::config::toml::MailWhen;
use crate::method;

/// The options that name a method, and what they are for.
const NOTIFIERS: [(&str, &str); 4] = [
    ("mailnotifier", "arriving mail"),
    ("sievenotifier", "Sieve's notify"),
    ("event_notifier", "events"),
    ("imipnotifier", "invitations"),
];
/// Groups whose events lack what some parameters need.
const WITHOUT_MAILBOX: [&str; 3] = ["access", "quota", "subscription"];
/// Parameters that exist where a mailbox is concerned; the first two count conversations.
const OF_MAILBOX: [&str; 4] = [
    "vnd.fastmail.convExists",
    "vnd.fastmail.convUnseen",
    "vnd.fastmail.counters",
    "vnd.fastmail.jmapStates",
];
/// Parameters that exist with conversations only.
const OF_CONVERSATION: [&str; 4] = [
    "vnd.fastmail.cid",
    "vnd.cmu.emailid",
    "vnd.cmu.threadid",
    "vnd.fastmail.jmapEmail",
];

fn named(facts: &Facts) -> impl Iterator<Item = (&'static str, &'static str, &[u8])> {
    let each = NOTIFIERS
        .iter()
        .map(|(option, what)| (*option, *what, facts.settings.conf().text(option)));
    each.filter_map(|(option, what, value)| Some((option, what, value?)))
}

/// Whether Cyrus sends any notification.
pub(super) fn sends_any(facts: &Facts) -> bool {
    named(facts).next().is_some()
}

/// That notifications are lost, which matters where there are any.
pub(super) fn lost(facts: &Facts, what: impl Into<String>) -> Finding {
    match sends_any(facts) {
        true => error(what),
        false => note(
            what.into()
                .replace("is lost", "would be lost, if there were any"),
        ),
    }
}

/// Whether events of this group are sent.
fn sends(facts: &Facts, group: &str) -> bool {
    let emitters = &facts.settings.emitters;
    emitters.event_notifier.is_some() && emitters.event_groups.contains(&group)
}

fn conversations(facts: &Facts) -> bool {
    facts
        .settings
        .conf()
        .switch("conversations")
        .unwrap_or(false)
}

/// The parts of what `option` sends, and when `mailto` makes mail of each.
fn parts(facts: &Facts, option: &str) -> Vec<(&'static str, MailWhen)> {
    let config = &facts.settings.own.config;
    let of_group = |group| match group {
        "calendar" => config.alarm.mail,
        "quota" => config.quota.mail,
        "access" => config.signin.mail,
        _ => MailWhen::Off,
    };
    match option {
        "sievenotifier" => vec![("scripts", MailWhen::Named)],
        "imipnotifier" => vec![("invitations", config.imip.mail)],
        "mailnotifier" if config.newmail.to.0.is_empty() => vec![("mail", MailWhen::Off)],
        "mailnotifier" => vec![("mail", config.newmail.mail)],
        _ => {
            let groups = facts.settings.emitters.event_groups.iter();
            groups.map(|&group| (group, of_group(group))).collect()
        }
    }
}

/// Whether `mailto` makes mail of what names this method.
fn mails(when: MailWhen, method: &str) -> bool {
    when == MailWhen::Always || when == MailWhen::Named && method == "mailto"
}

/// Whether anything that is sent shall become mail.
pub(super) fn expects_mail(facts: &Facts) -> bool {
    let mut all = named(facts).flat_map(|(option, _, name)| {
        let method = method::find(name).map_or("", |kind| kind.name);
        let parts = parts(facts, option).into_iter();
        parts.map(move |(_, when)| mails(when, method))
    });
    all.any(|mails| mails)
}

/// What nobody consumes, when the method `null` or `mailto` gets it.
fn in_vain(facts: &Facts, option: &str, what: &str, method: &str) -> Option<Finding> {
    let parts = parts(facts, option);
    let left = parts.iter().filter(|(_, when)| !mails(*when, method));
    let left: Vec<&str> = left.map(|(part, _)| *part).collect();
    let what = match left.len() {
        0 => return None,
        n if n == parts.len() => what.to_owned(),
        _ => format!("{what} of group {}", left.join(", ")),
    };
    let advice = match method {
        "null" => "Name another method, or leave the option out.",
        _ => "notifyd.toml(5) says what becomes mail. external gets all of it; log shows it.",
    };
    let what = format!(
        "{option}: {method} takes {what} and does nothing with it; Cyrus makes and sends it in vain"
    );
    Some(warning(what).advice(advice))
}

/// A method that does not exist, or does nothing with what it gets.
pub(super) fn notifier(facts: &Facts) -> Vec<Finding> {
    let mut found = Vec::new();
    for (option, what, name) in named(facts) {
        let finding = match method::find(name).map(|kind| kind.name) {
            None => error(format!("{option}: there is no method {}, so each notification of {what} is lost, with a warning in the log", shown(name)))
                .advice(format!("There are: {}.", method::names())),
            Some(name @ ("null" | "mailto")) => match in_vain(facts, option, what, name) {
                Some(finding) => finding,
                None => continue,
            },
            Some("external") if facts.settings.notify_external.is_none() => error(format!("{option}: external has no program, so each notification of {what} fails"))
                .advice("notify_external: /path/of/the/program"),
            _ => continue,
        };
        found.push(finding.at(facts.option(option)));
    }
    found
}

pub(super) fn nothing(facts: &Facts) -> Vec<Finding> {
    if sends_any(facts) {
        return Vec::new();
    }
    let what = "Cyrus sends no notifications at all: none of mailnotifier, sievenotifier, event_notifier and imipnotifier is set";
    vec![
        note(what)
            .at(facts.option("notifysocket"))
            .advice("Set what you want; notifyd(8) shows how."),
    ]
}

/// The first words of `sieve_extensions` that are about notifying.
pub(super) fn sieve(facts: &Facts) -> Vec<Finding> {
    let conf = facts.settings.conf();
    let notifies = conf
        .words("sieve_extensions")
        .iter()
        .any(|word| ["notify", "enotify"].contains(word));
    if !notifies || facts.settings.emitters.sievenotifier.is_some() {
        return Vec::new();
    }
    let what = "Sieve scripts may say notify, and it does nothing: sievenotifier is not set. That holds for scripts that name a method, too";
    // Who has chosen the extensions wants them; the default has them all.
    let finding = match facts.is_set("sieve_extensions") {
        true => warning(what).at(facts.option("sieve_extensions")),
        false => note(what),
    };
    vec![finding.advice("sievenotifier: mailto")]
}

pub(super) fn groups(facts: &Facts) -> Vec<Finding> {
    if facts.settings.emitters.event_notifier.is_some() {
        return Vec::new();
    }
    let without = ["event_groups", "event_extra_params"]
        .into_iter()
        .find(|option| facts.is_set(option));
    let finding = without.map(|option| {
        warning(format!(
            "{option} is set, and no event is sent, because event_notifier is not set"
        ))
        .at(facts.option(option))
        .advice("event_notifier: external, or another method")
    });
    finding.into_iter().collect()
}

pub(super) fn content(facts: &Facts) -> Vec<Finding> {
    let emitters = &facts.settings.emitters;
    if !sends(facts, "message") || !emitters.event_extra_params.contains(&"messageContent") {
        return Vec::new();
    }
    let finding = match emitters.event_content_inclusion_mode {
        ContentInclusion::Standard => {
            warning("messageContent is asked for, and Cyrus 3.6 never sends it in mode standard")
        }
        _ => error(
            "messageContent in this mode ends lmtpd at every delivery and imapd at every APPEND: no mail arrives (Cyrus issue 5490)",
        ),
    };
    vec![finding.at(facts.option("event_content_inclusion_mode")).advice("Take messageContent out of event_extra_params. A program of method external can fetch the message by IMAP.")]
}

pub(super) fn parameters(facts: &Facts) -> Vec<Finding> {
    let emitters = &facts.settings.emitters;
    let asked = |names: &[&'static str]| -> Vec<&'static str> {
        names
            .iter()
            .copied()
            .filter(|name| emitters.event_extra_params.contains(name))
            .collect()
    };
    let mut found = Vec::new();
    if emitters.event_notifier.is_none() {
        return found;
    }
    let spot = || facts.option("event_extra_params");
    let of_mailbox = asked(&OF_MAILBOX);
    let groups: Vec<&str> = WITHOUT_MAILBOX
        .into_iter()
        .filter(|group| sends(facts, group))
        .collect();
    if !of_mailbox.is_empty() && !groups.is_empty() {
        let what = format!(
            "{} with group {} ends the Cyrus process at each such event",
            of_mailbox.join(", "),
            groups.join(", ")
        );
        found.push(
            error(what)
                .at(spot())
                .advice("Take out the parameters, or the groups."),
        );
    }
    if !conversations(facts) {
        let counts = asked(&OF_MAILBOX[..2]);
        if !counts.is_empty() {
            let what = format!(
                "{} without conversations: yes is always 0",
                counts.join(", ")
            );
            found.push(
                warning(what)
                    .at(spot())
                    .advice("Take them out, or conversations: yes."),
            );
        }
        let of_conversation = asked(&OF_CONVERSATION);
        if !of_conversation.is_empty() && sends(facts, "message") {
            let what = format!(
                "{} without conversations: yes: a newer Cyrus than 3.6 ends lmtpd and imapd at each new message",
                of_conversation.join(", ")
            );
            found.push(
                warning(what)
                    .at(spot())
                    .advice("Take them out, or conversations: yes."),
            );
        }
    }
    found
}

pub(super) fn access(facts: &Facts) -> Vec<Finding> {
    if !sends(facts, "access") {
        return Vec::new();
    }
    let what = "group access: Cyrus up to 3.2.2 ends imapd at each login (Cyrus issue 3115); 3.6 does not. Each login and logout is a notification";
    vec![note(what).at(facts.option("event_groups"))]
}

pub(super) fn quota(facts: &Facts) -> Vec<Finding> {
    if !sends(facts, "quota") {
        return Vec::new();
    }
    let what = "group quota: Cyrus ends the process that finds a quota exceeded, or a quota changed for one resource only, unless it was built without assertions";
    vec![warning(what).at(facts.option("event_groups")).advice("Take quota out of event_groups unless your Cyrus was built with NDEBUG (Cyrus issue 3831).")]
}

/// The special uses that a mailbox can have (`imap/annotate.c`), besides those of `specialuse_extra`. Cyrus compares them
/// to the letter.
const SPECIAL_USES: [&str; 8] = [
    "\\Archive",
    "\\Drafts",
    "\\Important",
    "\\Junk",
    "\\Scheduled",
    "\\Sent",
    "\\Snoozed",
    "\\Trash",
];

/// Mailboxes that shall cause no notification, by a special use that none can have.
pub(super) fn special_uses(facts: &Facts) -> Vec<Finding> {
    let conf = facts.settings.conf();
    let extra = String::from_utf8_lossy(conf.text("specialuse_extra").unwrap_or_default());
    let known: Vec<&str> = SPECIAL_USES
        .into_iter()
        .chain(extra.split_whitespace())
        .collect();
    let mut found = Vec::new();
    for option in ["event_exclude_specialuse", "lmtp_exclude_specialuse"] {
        if !facts.is_set(option) {
            continue;
        }
        let text = String::from_utf8_lossy(conf.text(option).unwrap_or_default());
        // ALL stands for any folder there.
        let all =
            |word: &str| option == "event_exclude_specialuse" && word.eq_ignore_ascii_case("ALL");
        let unknown = text
            .split_whitespace()
            .filter(|word| !known.contains(word) && !all(word));
        found.extend(unknown.map(|word| {
            let bare = |use_: &str| use_.trim_start_matches('\\').to_ascii_lowercase();
            let advice = match known.iter().find(|use_| bare(use_) == bare(word)) {
                Some(meant) => format!("Write {meant}."),
                None => format!(
                    "There are: {}; specialuse_extra adds others.",
                    known.join(", ")
                ),
            };
            let what = format!(
                "{option}: no mailbox has the special use {}",
                shown(word.as_bytes())
            );
            warning(what).at(facts.option(option)).advice(advice)
        }));
    }
    found
}

pub(super) fn exclude_flags(facts: &Facts) -> Vec<Finding> {
    if !sends(facts, "flags") || !facts.is_set("event_exclude_flags") {
        return Vec::new();
    }
    let what = "event_exclude_flags with group flags: imapd ends when a client clears only flags that are excluded";
    vec![
        warning(what)
            .at(facts.option("event_exclude_flags"))
            .advice("Take out event_exclude_flags, and pass over those events behind notifyd."),
    ]
}

pub(super) fn calendar(facts: &Facts) -> Vec<Finding> {
    let Ok(conf) = &facts.cyrus else {
        return Vec::new();
    };
    let is_calalarmd = |entry: &&Entry| {
        program(entry).is_some_and(|path| path.file_name().is_some_and(|name| name == "calalarmd"))
    };
    let daemon = conf.section(Section::Daemon).find(is_calalarmd);
    let finding = match (daemon, sends(facts, "calendar")) {
        (None, true) => warning("group calendar is on, and master does not start calalarmd: there will be no calendar alarm")
            .at(facts.option("event_groups"))
            .advice(format!("In {}: DAEMON {{, calalarmd cmd=\"calalarmd\", }}, each on a line of its own.", facts.cyrus_file)),
        (Some(entry), false) if facts.settings.emitters.event_notifier.is_some() => warning("calalarmd runs without group calendar: it may crash at the first alarm")
            .at(facts.entry(entry))
            .advice("Add calendar to event_groups."),
        (Some(entry), false) => warning("calalarmd runs, and no alarm is sent, because event_notifier is not set")
            .at(facts.entry(entry))
            .advice("event_notifier: external, or another method, and calendar in event_groups"),
        _ => return Vec::new(),
    };
    vec![finding]
}

pub(super) fn applepush(facts: &Facts) -> Vec<Finding> {
    let topics = ["aps_topic", "aps_topic_caldav", "aps_topic_carddav"];
    if !sends(facts, "applepushservice") || topics.into_iter().any(|option| facts.is_set(option)) {
        return Vec::new();
    }
    let what = "group applepushservice is on, and no device can register: aps_topic is not set";
    vec![
        warning(what)
            .at(facts.option("event_groups"))
            .advice("aps_topic: the topic of your certificate"),
    ]
}
