//! Rules about the programs by which methods deliver, and the words of mails.

use super::events::expects_mail;
use super::facts::{Facts, Program};
use super::{Finding, Spot, error, warning};
use crate::config::SmtpBackend;
use std::path::Path;

/// What is wrong with a program, if something is.
fn trouble(facts: &Facts, path: &Path) -> Option<&'static str> {
    let Program { file, runs, .. } = facts.programs.get(path).copied().unwrap_or_default();
    let first = path
        .to_str()
        .and_then(|text| text.split_once(char::is_whitespace));
    match (file, runs) {
        (true, true) => None,
        (true, false) => Some("cannot be run by the Cyrus user"),
        (false, _) if first.is_some() => {
            Some("is not there; it must be a path alone, without arguments")
        }
        (false, _) => Some("is not there"),
    }
}

pub(super) fn sendmail(facts: &Facts) -> Vec<Finding> {
    let path = &facts.settings.sendmail;
    if facts.settings.smtp_backend == SmtpBackend::Host {
        return Vec::new();
    }
    let Some(trouble) = trouble(facts, path) else {
        return Vec::new();
    };
    let what = format!(
        "sendmail {} {trouble}: method mailto tries each mail for a day, and then it has failed",
        path.display()
    );
    let finding = match expects_mail(facts) {
        true => error(what),
        false => warning(what),
    };
    vec![
        finding
            .at(facts.option("sendmail"))
            .advice("Install a mail server, or sendmail: /path/of/its/sendmail"),
    ]
}

pub(super) fn external(facts: &Facts) -> Vec<Finding> {
    let Some(path) = &facts.settings.notify_external else {
        return Vec::new();
    };
    let Some(trouble) = trouble(facts, path) else {
        return Vec::new();
    };
    let what = format!(
        "notify_external {} {trouble}: method external tries each notification for a day, and then it has failed",
        path.display()
    );
    vec![
        error(what)
            .at(facts.option("notify_external"))
            .advice("A path, without arguments, of a program that the Cyrus user may run."),
    ]
}

pub(super) fn templates(facts: &Facts) -> Vec<Finding> {
    let found = facts.bad_templates.iter().map(|wrong| {
        warning(format!(
            "{}. Mails have the words of the next language that has some, at the end the built-in English ones",
            wrong.what
        ))
        .at(Spot {
            file: wrong.file.clone(),
            line: u32::try_from(wrong.line).unwrap_or(0),
        })
        .advice("Look at the mail with `notifyctl preview`; see TEMPLATES in notifyd.toml(5).")
    });
    found.collect()
}
