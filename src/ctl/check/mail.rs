//! Rules about mail: whether what notifyd.toml wants to send is sent by Cyrus at all, and the other way round.

use super::facts::Facts;
use super::{Finding, error, warning};
use crate::config::SmtpBackend;
use crate::config::toml::MailWhen;
use crate::method;

/// What a mail can be sent for besides Sieve.
struct Occasion {
    /// The table of notifyd.toml.
    table: &'static str,
    /// Its key `mail`.
    when: MailWhen,
    /// Cyrus' option that names the method, and whether that is `mailto`.
    notifier: &'static str,
    /// The group in `event_groups` that it comes with.
    group: Option<&'static str>,
}

fn occasions(facts: &Facts) -> [Occasion; 5] {
    let config = &facts.settings.own.config;
    let of = |table, when, notifier, group| Occasion {
        table,
        when,
        notifier,
        group,
    };
    [
        of(
            "alarm",
            config.alarm.mail,
            "event_notifier",
            Some("calendar"),
        ),
        of("quota", config.quota.mail, "event_notifier", Some("quota")),
        of("imip", config.imip.mail, "imipnotifier", None),
        of("newmail", config.newmail.mail, "mailnotifier", None),
        of(
            "signin",
            config.signin.mail,
            "event_notifier",
            Some("access"),
        ),
    ]
}

impl Occasion {
    fn has_group(&self, facts: &Facts) -> bool {
        let groups = &facts.settings.emitters.event_groups;
        self.group.is_none_or(|group| groups.contains(&group))
    }
}

/// Whether this option of Cyrus names the method `mailto`.
fn names_mailto(facts: &Facts, notifier: &str) -> bool {
    let name = facts.settings.conf().text(notifier);
    name.is_some_and(|name| name.eq_ignore_ascii_case(b"mailto"))
}

/// notifyd.toml wants mail, and Cyrus sends nothing that it could be made of.
pub(super) fn unsent(facts: &Facts) -> Vec<Finding> {
    let mut found = Vec::new();
    for occasion in occasions(facts) {
        let Occasion {
            table, notifier, ..
        } = occasion;
        let usual = ["alarm", "imip"].contains(&table) && occasion.when == MailWhen::Named;
        if occasion.when == MailWhen::Off || usual {
            continue;
        }
        let why = match facts.settings.conf().text(notifier) {
            None => format!("{notifier} is not set"),
            Some(_) if occasion.when == MailWhen::Named && !names_mailto(facts, notifier) => {
                format!("{notifier} names another method: set mail = \"always\"")
            }
            Some(_) => match occasion.group {
                Some(group) if !occasion.has_group(facts) => {
                    format!("group {group} is not in event_groups")
                }
                _ => continue,
            },
        };
        found.push(
            warning(format!("[{table}] wants mail, and none is sent: {why}"))
                .at(facts.option(notifier))
                .advice("notifyd(8), section MAIL, shows what goes together."),
        );
    }
    found
}

/// A note about new mail for nobody.
pub(super) fn addressee(facts: &Facts) -> Vec<Finding> {
    let newmail = &facts.settings.own.config.newmail;
    if newmail.mail == MailWhen::Off || !newmail.to.0.is_empty() {
        return Vec::new();
    }
    let what = "[newmail] wants mail, and to names nobody: no note about new mail is sent";
    vec![warning(what).advice("to = \"{user}@example.org\", in another domain than the mail's")]
}

/// Sign-ins without the address that they come from.
pub(super) fn networks(facts: &Facts) -> Vec<Finding> {
    let emitters = &facts.settings.emitters;
    let known = emitters.event_extra_params.contains(&"clientAddress");
    if facts.settings.own.config.signin.mail == MailWhen::Off || known {
        return Vec::new();
    }
    let what = "[signin] wants mail, and no sign-in says where it comes from: event_extra_params lacks clientAddress";
    vec![
        warning(what)
            .at(facts.option("event_extra_params"))
            .advice("Add clientAddress to event_extra_params."),
    ]
}

/// A mail server that cannot be found, or SMTP with half of what it needs to sign in.
pub(super) fn smtp(facts: &Facts) -> Vec<Finding> {
    let settings = &facts.settings;
    if settings.smtp_backend != SmtpBackend::Host {
        return Vec::new();
    }
    let mut found = Vec::new();
    if let Err(why) = method::smtp_host(&settings.smtp_host) {
        let what = format!("{why}: no mail leaves");
        found.push(
            error(what)
                .at(facts.option("smtp_host"))
                .advice("smtp_host: mail.example.org:587"),
        );
    } else if settings.smtp_host.starts_with(b"[") {
        let what = "smtp_host: this notifyd knows an address of IPv6 in brackets, and Cyrus does not: what lmtpd and httpd send themselves (redirect, vacation, invitations) fails";
        found.push(
            warning(what)
                .at(facts.option("smtp_host"))
                .advice("Write a name of the host."),
        );
    }
    found.extend(half_signed_in(facts));
    found
}

fn half_signed_in(facts: &Facts) -> Vec<Finding> {
    let settings = &facts.settings;
    if settings.smtp_auth_authname.is_some() == settings.smtp_auth_password.is_some() {
        return Vec::new();
    }
    let what = "smtp_auth_authname and smtp_auth_password belong together: the mail server will refuse to take mail";
    vec![
        warning(what)
            .at(facts.option("smtp_host"))
            .advice("Set both, or none."),
    ]
}
