//! Forms that only mail needs.
//!
//! What can go wrong: a percentage that is none, a language that is no name of a folder.

use super::form::{Complain, Form, number, quoted, read_or, words};
use std::collections::BTreeMap;
use toml::Spanned;
use toml::de::DeValue;

words! {
    /// Which notifications of a kind become mail.
    MailWhen "off | named | always" {
        /// None.
        "off" Off
        /// Those for which Cyrus names the method `mailto`.
        "named" Named
        /// Those too for which it names another one, which gets them as well.
        "always" Always
    }
}

words! {
    /// Which recipients of calendar alarms get mail.
    Recipients "any | domain | own" {
        /// All that the calendar names.
        "any" Any
        /// Those in the user's domain.
        "domain" Domain
        /// The user alone.
        "own" Own
    }
}

words! {
    /// Whose words a Sieve notification's mail has.
    Style "cyrus | rfc5436" {
        /// Subject and body as Cyrus' own notifyd has them.
        "cyrus" Cyrus
        /// As RFC 5436 section 2.7 wants them.
        "rfc5436" Rfc5436
    }
}

words! {
    /// How Auto-Submitted says on whose behalf a mail was sent (RFC 5436 section 2.7.1).
    OwnerForm "email | token" {
        /// By the address.
        "email" Email
        /// By a token that only we can resolve.
        "token" Token
    }
}

words! {
    /// Which addresses are one mailbox, for limits and for what is sent once.
    SameMailbox "exact | site | all" {
        /// Those that are the same; only domains are compared without case.
        "exact" Exact
        /// In domains of this site as Cyrus compares them; elsewhere those that are the same.
        "site" Site
        /// Those that differ in case, or in what follows a `+`, everywhere.
        "all" All
    }
}

/// Percentages, in rising order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Percentages(pub Vec<u8>);

impl Form for Percentages {
    const FORM: &'static str = "list";

    fn read(value: &Spanned<DeValue<'_>>, complain: Complain<'_>) -> Option<Self> {
        let right = "a list of numbers from 1 to 100, such as [80, 90, 100]";
        read_or(value, complain, right, |value| {
            let one = |value: &Spanned<DeValue<'_>>| {
                let number = number(value.get_ref())?;
                u8::try_from(number).ok().filter(|n| (1..=100).contains(n))
            };
            let mut all: Vec<u8> = value.as_array()?.iter().map(one).collect::<Option<_>>()?;
            all.sort_unstable();
            all.dedup();
            Some(Percentages(all))
        })
    }

    fn show(&self) -> Option<String> {
        let shown: Vec<String> = self.0.iter().map(u8::to_string).collect();
        Some(format!("[{}]", shown.join(", ")))
    }
}

/// A language tag, which is the name of a folder of templates too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Language(pub String);

fn is_language(text: &str) -> bool {
    (1..=35).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        && !text.starts_with('-')
}

impl Form for Language {
    const FORM: &'static str = "language";

    fn read(value: &Spanned<DeValue<'_>>, complain: Complain<'_>) -> Option<Self> {
        let right = "a language such as \"en\" or \"de-AT\"";
        read_or(value, complain, right, |value| {
            let text = value.as_str()?;
            is_language(text).then(|| Language(text.to_owned()))
        })
    }

    fn show(&self) -> Option<String> {
        Some(quoted(&self.0))
    }
}

/// Users, or `@` and a domain, with their languages.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Languages(pub BTreeMap<String, String>);

impl Form for Languages {
    const FORM: &'static str = "table";

    fn read(value: &Spanned<DeValue<'_>>, complain: Complain<'_>) -> Option<Self> {
        let DeValue::Table(table) = value.get_ref() else {
            let right = r#"must be a table such as { "anna" = "de", "@example.fr" = "fr" }"#;
            complain(value.span(), right.to_owned());
            return None;
        };
        let mut all = BTreeMap::new();
        for (user, language) in table {
            if let Some(why) = never_matches(user.get_ref()) {
                complain(user.span(), format!("{}: {why}", quoted(user.get_ref())));
                continue;
            }
            match language.get_ref().as_str().filter(|text| is_language(text)) {
                Some(text) => drop(all.insert(user.get_ref().to_string(), text.to_owned())),
                None => complain(
                    language.span(),
                    format!(
                        "{}: must have a language such as \"en\" or \"de-AT\"",
                        user.get_ref()
                    ),
                ),
            }
        }
        Some(Languages(all))
    }

    fn show(&self) -> Option<String> {
        Some(show_table(&self.0))
    }
}

/// A table of texts as it would stand in the file.
pub(super) fn show_table(table: &BTreeMap<String, String>) -> String {
    let shown = |(key, value): (&String, &String)| format!("{} = {}", quoted(key), quoted(value));
    let all: Vec<String> = table.iter().map(shown).collect();
    match all.is_empty() {
        true => "{}".to_owned(),
        false => format!("{{ {} }}", all.join(", ")),
    }
}

/// Why a key of a table by user or domain is nobody's; none when it may be somebody's.
pub(super) fn never_matches(key: &str) -> Option<&'static str> {
    let (user, domain) = match key.rsplit_once('@') {
        Some((user, domain)) => (user, Some(domain)),
        None => (key, None),
    };
    let is_domain = |domain: &str| {
        let right = |c: char| !c.is_ascii() || c.is_ascii_alphanumeric() || "-_".contains(c);
        let label = |label: &str| !label.is_empty() && label.chars().all(right);
        domain.split('.').all(label)
    };
    match domain {
        None if user.is_empty() => Some("the name of a user is missing"),
        Some(domain) if !is_domain(domain) => Some("what stands behind @ is no domain"),
        _ if key
            .contains(|c: char| c.is_control() || c.is_whitespace() || "\"*,;<>".contains(c)) =>
        {
            Some("no user has such a name")
        }
        _ => None,
    }
}

/// Any text in one line; may be empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Text(pub String);

impl Form for Text {
    const FORM: &'static str = "text";

    fn read(value: &Spanned<DeValue<'_>>, complain: Complain<'_>) -> Option<Self> {
        let right = "text in one line, up to 255 bytes";
        read_or(value, complain, right, |value| {
            let text = value.as_str()?;
            let fits = text.len() <= 255 && !text.contains(char::is_control);
            fits.then(|| Text(text.to_owned()))
        })
    }

    fn show(&self) -> Option<String> {
        Some(quoted(&self.0))
    }
}
