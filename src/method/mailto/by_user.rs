//! A table of notifyd.toml by user or domain, as in `[templates] languages`: keys are compared as Cyrus compares users.
//!
//! Cyrus makes names small unless `username_tolower` says otherwise, takes a user of the default domain for one without
//! a domain (`imap/userdeny_db.c`, `lib/libconfig.c`: `defaultdomain`), and knows no case in domains.

use crate::mail::address::domain_key;
use log::warn;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// How users are compared.
pub(super) struct Names {
    /// The domain of users that have none, in the form of [`domain_key`].
    domain: String,
    /// `username_tolower`.
    to_lower: bool,
}

impl Names {
    pub(super) fn new(domain: &str, to_lower: bool) -> Names {
        Names {
            domain: key_of_domain(domain),
            to_lower,
        }
    }

    /// The name of a user and the domain: the same for all ways to write one.
    fn of(&self, user: &str) -> (String, String) {
        let (local, domain) = match user.rsplit_once('@') {
            Some((local, domain)) => (local, key_of_domain(domain)),
            None => (user, self.domain.clone()),
        };
        let local = match self.to_lower {
            true => Cow::Owned(local.to_lowercase()),
            false => Cow::Borrowed(local),
        };
        let name = match domain == self.domain {
            true => local.into_owned(),
            false => format!("{local}@{domain}"),
        };
        (name, domain)
    }
}

fn key_of_domain(domain: &str) -> String {
    domain_key(domain).unwrap_or_else(|| domain.to_lowercase())
}

/// Values by user or by `@` and a domain.
pub(super) struct ByUser<T> {
    values: BTreeMap<String, T>,
}

impl<T: Clone> ByUser<T> {
    /// Reads the table that is called `key` in notifyd.toml. Of several keys for one user the first counts, with a warning.
    pub(super) fn new(key: &str, table: &BTreeMap<String, T>, names: &Names) -> ByUser<T> {
        let mut values = BTreeMap::new();
        for (written, value) in table {
            let name = match written.strip_prefix('@') {
                Some(domain) => format!("@{}", key_of_domain(domain)),
                None => names.of(written).0,
            };
            if values.contains_key(&name) {
                warn!("{key}: {written} is not used: another key names the same user or domain");
                continue;
            }
            values.insert(name, value.clone());
        }
        ByUser { values }
    }

    /// The value of `user`, else the one of the user's domain.
    pub(super) fn get(&self, names: &Names, user: &str) -> Option<&T> {
        let (name, domain) = names.of(user);
        let own = self.values.get(&name);
        own.or_else(|| self.values.get(&format!("@{domain}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(key: &str, user: &str, to_lower: bool) -> bool {
        let names = Names::new("Example.org", to_lower);
        let table = BTreeMap::from([(key.to_owned(), 1)]);
        ByUser::new("t", &table, &names).get(&names, user).is_some()
    }

    #[test]
    fn users_and_domains_are_compared_as_cyrus_does() {
        for (key, user) in [
            ("alice", "alice"),
            ("Alice", "alice"),
            ("alice", "ALICE"),
            ("alice@example.org", "alice"),
            ("alice@EXAMPLE.ORG", "alice"),
            ("alice", "alice@example.org"),
            ("Alice@Example.Org", "Alice@example.ORG"),
            ("bob@Example.net", "bob@example.net"),
            ("@Example.ORG", "alice"),
            ("@Example.ORG", "alice@example.org"),
            ("@example.net", "bob@EXAMPLE.net"),
            ("@Bücher.example", "bob@xn--bcher-kva.example"),
            ("@xn--bcher-kva.example", "bob@BÜCHER.example"),
        ] {
            assert!(found(key, user, true), "{key} {user}");
        }
        for (key, user) in [
            ("alice", "alice@example.net"),
            ("alice@example.net", "alice"),
            ("@example.net", "alice"),
            ("example.org", "alice"),
            ("alice", "bob"),
        ] {
            assert!(!found(key, user, true), "{key} {user}");
        }
    }

    #[test]
    fn case_matters_in_names_where_cyrus_keeps_it() {
        assert!(found("Alice", "Alice", false) && found("Alice@example.ORG", "Alice", false));
        assert!(!found("Alice", "alice", false));
        assert!(found("@EXAMPLE.org", "Alice", false));
    }

    #[test]
    fn a_user_goes_before_the_domain_and_the_first_key_counts() {
        let names = Names::new("example.org", true);
        let table = [("@example.org", 1), ("Alice", 2), ("alice@example.org", 3)];
        let table = table.map(|(key, n)| (key.to_owned(), n));
        let all = ByUser::new("t", &BTreeMap::from(table), &names);
        let of = |user| all.get(&names, user).copied();
        assert_eq!(
            (of("alice"), of("bob"), of("b@x")),
            (Some(2), Some(1), None)
        );
    }
}
