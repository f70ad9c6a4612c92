//! The rules of `notifyctl check`. A rule is one row here, and one function in the file of its subject.

use super::facts::Facts;
use super::{Finding, delivery, events, machine, mail, secrets, service, socket};

/// One rule.
pub(super) struct Rule {
    /// Its name, for `--json` and the tests.
    pub(super) name: &'static str,
    /// What it finds.
    pub(super) find: fn(&Facts) -> Vec<Finding>,
}

macro_rules! rules {
    ($($name:literal $function:path;)*) => {
        /// All rules, in the order in which a notification meets what they look at.
        pub(super) const RULES: &[Rule] = &[$(Rule { name: $name, find: $function }),*];
    };
}

rules! {
    "imapd-conf" service::imapd_conf;
    "notifyd-toml" service::own;
    "cyrus-conf" service::cyrus_conf;
    "section" service::section;
    "service" service::service;
    "program" service::program;
    "stock" service::stock;
    "arguments" service::arguments;
    "options" service::options;
    "prefork" service::prefork;
    "maxchild" service::maxchild;
    "proto" socket::proto;
    "listen" socket::listen;
    "several" socket::several;
    "socket-folder" socket::folder;
    "nobody" socket::nobody;
    "size" socket::size;
    "notifier" events::notifier;
    "nothing" events::nothing;
    "sieve" events::sieve;
    "groups" events::groups;
    "content" events::content;
    "parameters" events::parameters;
    "access" events::access;
    "quota" events::quota;
    "exclude-flags" events::exclude_flags;
    "special-use" events::special_uses;
    "calendar" events::calendar;
    "applepush" events::applepush;
    "sendmail" delivery::sendmail;
    "smtp" mail::smtp;
    "mail-unsent" mail::unsent;
    "newmail" mail::addressee;
    "signin" mail::networks;
    "external" delivery::external;
    "templates" delivery::templates;
    "user" machine::user;
    "secrets" secrets::secrets;
    "spool-folder" machine::spool_folder;
    "file-system" machine::file_system;
    "full" machine::full;
    "space" machine::space;
    "clock" machine::clock;
}
