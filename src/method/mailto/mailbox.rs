//! Which addresses are one mailbox, and which names are one user's: as Cyrus compares them. Pure.
//!
//! lmtpd delivers `Bob+lists@example.org` to user `bob`: it ignores the detail after `+`, case (`lmtp_downcase_rcpt`), and
//! the domain, unless `virtdomains` is on and it is not `defaultdomain` (`mbname_from_recipient` in `imap/mboxname.c`,
//! `process_recipient` in `imap/lmtpengine.c`). User names lose their case (`username_tolower`) and the default domain
//! (`canonify_userid` in `imap/global.c`). For addresses elsewhere nobody here knows (RFC 5321 section 2.3.11).

use crate::config::Settings;
use crate::config::toml::SameMailbox;
use crate::mail::address::Address;

/// How addresses and users are compared.
pub(super) struct Mailboxes {
    form: SameMailbox,
    /// The domain of users who have none; in lower case.
    domain: String,
    /// `defaultdomain`, in lower case.
    default: Vec<u8>,
    virtdomains: bool,
    downcase_recipients: bool,
    downcase_users: bool,
    /// `postuser`: what follows its `+` is a shared mailbox.
    postuser: Vec<u8>,
}

impl Mailboxes {
    /// As imapd.conf and `[mailto] same_mailbox` say; users without a domain are in `domain`.
    pub(super) fn new(settings: &Settings, domain: &str) -> Mailboxes {
        let conf = settings.conf();
        let is_on = |name| conf.switch(name).unwrap_or(true);
        Mailboxes {
            form: settings.own.config.mailto.same_mailbox,
            domain: domain.to_lowercase(),
            default: settings.defaultdomain.to_ascii_lowercase(),
            virtdomains: !matches!(conf.words("virtdomains").first(), None | Some(&"off")),
            downcase_recipients: is_on("lmtp_downcase_rcpt"),
            downcase_users: is_on("username_tolower"),
            postuser: conf.text("postuser").unwrap_or_default().to_vec(),
        }
    }

    /// The same for addresses that are one mailbox, in a mail that is about or on behalf of `user`.
    pub(super) fn of_address(&self, address: &Address, user: &[u8]) -> String {
        let key = address.key();
        let (local, domain) = match key.rsplit_once('@') {
            Some((local, domain)) => (local, domain),
            None => (key.as_str(), ""),
        };
        let ours = self.is_default(domain) || self.virtdomains && self.is_of(domain, user);
        match self.form {
            SameMailbox::Exact => key,
            SameMailbox::All => format!("{}@{domain}", without_detail(local).to_lowercase()),
            SameMailbox::Site if !ours => key,
            SameMailbox::Site => {
                let domain = if self.is_default(domain) {
                    &self.domain
                } else {
                    domain
                };
                format!("{}@{domain}", self.mailbox(local))
            }
        }
    }

    /// The same for names that are one user's.
    pub(super) fn of_user(&self, user: &[u8]) -> Vec<u8> {
        if self.form == SameMailbox::Exact {
            return user.to_vec();
        }
        let at = user.iter().rposition(|&b| b == b'@');
        let (name, domain) = user.split_at(at.unwrap_or(user.len()));
        let name = match self.downcase_users {
            true => name.to_ascii_lowercase(),
            false => name.to_vec(),
        };
        match domain.to_ascii_lowercase() {
            own if own.get(1..) == Some(self.default.as_slice()) => name,
            domain => [name, domain].concat(),
        }
    }

    fn is_default(&self, domain: &str) -> bool {
        domain.is_empty() || domain == self.domain || domain.as_bytes() == self.default
    }

    /// Whether `user` is in `domain`, which is then one of this server's.
    fn is_of(&self, domain: &str, user: &[u8]) -> bool {
        let at = user.iter().rposition(|&b| b == b'@');
        at.is_some_and(|at| user[at + 1..].eq_ignore_ascii_case(domain.as_bytes()))
    }

    /// The user, or the shared mailbox, that a local part names.
    fn mailbox(&self, local: &str) -> String {
        let user = without_detail(local);
        let named = if user.as_bytes() == self.postuser {
            local
        } else {
            user
        };
        match self.downcase_recipients {
            true => named.to_lowercase(),
            false => named.to_owned(),
        }
    }
}

fn without_detail(local: &str) -> &str {
    local.split('+').next().unwrap_or(local)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Context;

    fn mailboxes(conf: &str, form: SameMailbox) -> Mailboxes {
        let text = format!("configdirectory: /v\nservername: mx.test\n{conf}");
        let mut settings = Settings::parse(text.as_bytes(), &Context::default()).unwrap();
        settings.own.config.mailto.same_mailbox = form;
        Mailboxes::new(&settings, "site.test")
    }

    fn addresses(conf: &str, form: SameMailbox, all: &[&str]) -> Vec<String> {
        let mailboxes = mailboxes(conf, form);
        let of = |text: &&str| {
            mailboxes.of_address(&Address::parse(text.as_bytes()).unwrap(), b"o@virt.test")
        };
        all.iter().map(of).collect()
    }

    const ONE: [&str; 5] = [
        "r2@site.test",
        "R2@SITE.test",
        "r2+0@site.test",
        "r2",
        "R2+a+b",
    ];
    const DEFAULT: &str = "defaultdomain: site.test\n";

    #[test]
    fn case_and_detail_name_no_other_mailbox_of_this_site() {
        let keys = addresses(DEFAULT, SameMailbox::Site, &ONE);
        assert_eq!(keys, ["r2@site.test"; 5]);
        let conf = format!("{DEFAULT}lmtp_downcase_rcpt: no\n");
        let keys = addresses(&conf, SameMailbox::Site, &ONE);
        let (lower, upper) = ("r2@site.test", "R2@site.test");
        assert_eq!(keys, [lower, upper, lower, lower, upper]);
        assert_eq!(
            addresses(DEFAULT, SameMailbox::Exact, &ONE),
            [
                "r2@site.test",
                "R2@site.test",
                "r2+0@site.test",
                "r2",
                "R2+a+b"
            ]
        );
    }

    #[test]
    fn elsewhere_nobody_knows() {
        let others = ["a+b@far.test", "A@far.test", "a+b@virt.test", "A@virt.test"];
        assert_eq!(addresses(DEFAULT, SameMailbox::Site, &others), others);
        let conf = format!("{DEFAULT}virtdomains: userid\n");
        assert_eq!(
            addresses(&conf, SameMailbox::Site, &others),
            ["a+b@far.test", "A@far.test", "a@virt.test", "a@virt.test"],
            "a domain in which the user is, is ours"
        );
        let (far, virt) = ("a@far.test", "a@virt.test");
        let all = addresses(DEFAULT, SameMailbox::All, &others);
        assert_eq!(all, [far, far, virt, virt]);
    }

    #[test]
    fn shared_mailboxes_are_told_apart() {
        let conf = format!("{DEFAULT}postuser: bb\n");
        let keys = addresses(
            &conf,
            SameMailbox::Site,
            &["bb+a@site.test", "bb+b@site.test"],
        );
        assert_eq!(keys, ["bb+a@site.test", "bb+b@site.test"]);
    }

    #[test]
    fn a_user_has_one_name() {
        let of = |conf: &str, form, user: &str| mailboxes(conf, form).of_user(user.as_bytes());
        for name in ["o2", "O2", "o2@site.test", "O2@Site.Test"] {
            assert_eq!(of(DEFAULT, SameMailbox::Site, name), b"o2", "{name}");
            assert_eq!(of(DEFAULT, SameMailbox::Exact, name), name.as_bytes());
        }
        assert_eq!(
            of(DEFAULT, SameMailbox::Site, "O2@Virt.test"),
            b"o2@virt.test"
        );
        let conf = format!("{DEFAULT}username_tolower: no\n");
        assert_eq!(of(&conf, SameMailbox::Site, "O2@site.test"), b"O2");
        assert_eq!(
            of(&conf, SameMailbox::Site, "\u{e9}\u{ff}"),
            "\u{e9}\u{ff}".as_bytes()
        );
    }
}
