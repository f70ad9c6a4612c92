//! Every key of notifyd.toml, declared once: table, name, form, default as it would stand in the file, and a sentence.
//!
//! A row makes a field of the table's struct, which its user reads; the check, `notifyctl config --defaults` and
//! the comparison with notifyd.toml(5) follow from it. To add a key: add a row, write it into the manual page, use the field.
//!
//! What can go wrong: a default that does not fit its form; a test looks at each.

use super::form::{Flag, Form, Level, Limit, Percent, Permits, Size, Synchronous, WhenFull};
use super::mail::{
    Language, Languages, MailWhen, OwnerForm, Percentages, Recipients, SameMailbox, Style, Text,
};
use super::place::{Folder, Listen, MaybeFolder, Mode, Name};
use super::reader::{Reader, Section, default};
use super::time::{Age, Wait};
use super::users::Users;
use super::zone::{Zone, Zones};

/// One key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key {
    /// The table that it stands in; `method.NAME` is every method's.
    pub table: &'static str,
    /// Its name.
    pub name: &'static str,
    /// What kind of value it takes, in a word.
    pub form: &'static str,
    /// The default, as it would stand in the file; empty when it follows from something else.
    pub default: &'static str,
    /// What it is for, in a sentence or two.
    pub doc: &'static str,
}

macro_rules! tables {
    ($($(#[$about:meta])* [$table:literal] $struct:ident {
        $($key:ident: $form:ty = $default:literal, $doc:literal;)+
    })+) => {
        $($(#[$about])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct $struct {
            $(#[doc = $doc] pub $key: $form,)+
        }

        impl Default for $struct {
            fn default() -> $struct {
                $struct { $($key: default($default),)+ }
            }
        }

        impl Section for $struct {
            fn read(reader: &mut Reader<'_, '_>) -> $struct {
                $struct { $($key: reader.take(stringify!($key), $default),)+ }
            }

            fn show(&self) -> Vec<(&'static Key, Option<String>)> {
                let texts = [$((stringify!($key), self.$key.show()),)+];
                texts.into_iter().map(|(name, text)| (key($table, name), text)).collect()
            }
        })+

        /// All keys, in the order of the manual.
        pub const KEYS: &[Key] = &[$($(Key {
            table: $table,
            name: stringify!($key),
            form: <$form as Form>::FORM,
            default: $default,
            doc: $doc,
        },)+)+];
    };
}

tables! {
    /// `[spool]`: where deliveries are kept that are owed, and how many.
    ["spool"] Spool {
        path: Folder = r#""{configdirectory}/notifyd""#,
            "The folder of the spool, on a local disk. {configdirectory} at its start stands for that of imapd.conf.";
        synchronous: Synchronous = r#""normal""#,
            "When a delivery counts as safe: with normal when the kernel has it, with full when the disk has it.";
        max_rows: Limit = "0",
            "How many deliveries make the spool full; 0 for no limit.";
        max_bytes: Size = r#""4G""#,
            "How large a spool file is full.";
        user_share: Percent = "25",
            "How much of the spool one user may have once it is half full, in percent; 0 for no limit.";
        when_full: WhenFull = r#""drop""#,
            "What becomes of a new delivery when the spool is full: with drop it is lost, with block Cyrus waits.";
    }
    /// `[intake]`: who may send.
    ["intake"] Intake {
        allow_uids: Users = "[]",
            "Users, by name or number, who may send besides root and the Cyrus user.";
        socket_mode: Mode = r#""0600""#,
            "The mode of the socket, when notifyd makes it itself.";
    }
    /// `[retry]`: how long to go on trying.
    ["retry"] Retry {
        first: Wait = r#""10s""#,
            "The shortest wait between two attempts.";
        maximum: Wait = r#""1h""#,
            "The longest wait between two attempts.";
        lifetime: Age = r#""1d""#,
            "The age at which a delivery that still fails is given up.";
        keep_failed: Age = r#""7d""#,
            "How long a delivery that was given up stays in the spool.";
        keep_held: Age = r#""7d""#,
            "How long a delivery stays on hold before it is given up.";
    }
    /// `[method.NAME]`: the limits of one method.
    ["method.NAME"] Method {
        permits: Option<Permits> = "",
            "How many attempts of this method may be under way at once.";
        timeout: Option<Wait> = "",
            "How long an attempt may take.";
        first: Option<Wait> = "",
            "The shortest wait between two attempts of this method.";
        maximum: Option<Wait> = "",
            "The longest wait between two attempts of this method.";
        lifetime: Option<Age> = "",
            "The age at which a delivery by this method is given up.";
    }
    /// `[method.zephyr]`: what only this method has.
    ["method.zephyr"] Zephyr {
        realm: Name = r#""local-realm""#,
            "The Zephyr realm. A Zephyr that was built with Kerberos has another one.";
    }
    /// `[mailto]`: mail of Sieve notifications, and what holds for all mail.
    ["mailto"] Mailto {
        style: Style = r#""cyrus""#,
            "Subject and body of the mail for a Sieve notification: cyrus as Cyrus' own notifyd has them, rfc5436 as the standard wants them.";
        actions: Flag = "true",
            "Whether the list of actions stays that Cyrus 3.6 appends to the text of a Sieve notification.";
        html: Flag = "true",
            "Whether mails have an HTML part beside their text; those in the style of Cyrus never have one.";
        from: Text = r#""""#,
            "The address in From; empty for the postmaster of imapd.conf.";
        owner: OwnerForm = r#""email""#,
            "How a mail says on whose behalf it was sent: with email by the address, with token by a word that notifyctl owner resolves.";
        owner_limit: Limit = "100",
            "How many mails of one kind may be sent an hour on behalf of one user; 0 for no limit.";
        recipient_limit: Limit = "100",
            "How many mails of one kind may be sent an hour on behalf of one user to one mailbox; 0 for no limit.";
        same_mailbox: SameMailbox = r#""site""#,
            "Which addresses are one mailbox, and which names one user's: equal ones, those that Cyrus takes for one, or those that differ in case and +detail.";
    }
    /// `[alarm]`: mail for calendar alarms.
    ["alarm"] Alarm {
        mail: MailWhen = r#""named""#,
            "Which calendar alarms become mail: none, those for which Cyrus names mailto, or all.";
        display: Flag = "false",
            "Whether alarms that a calendar program shall display become mail too.";
        recipients: Recipients = r#""any""#,
            "Which recipients that an alarm names get its mail: any, those in the user's domain, or the user alone.";
        late: Age = r#""2h""#,
            "The age of an alarm at which its mail is given up.";
    }
    /// `[quota]`: mail for mailboxes that fill up.
    ["quota"] Quota {
        mail: MailWhen = r#""off""#,
            "Which quota events become mail: none, those for which Cyrus names mailto, or all.";
        percentages: Percentages = "[80, 90, 100]",
            "At which percentages of the quota there is a mail.";
        grace: Age = r#""1d""#,
            "How long the same percentage of the same quota has no second mail.";
        to: Text = r#""""#,
            "Who gets it; {user} stands for the user. Empty for the user.";
    }
    /// `[imip]`: mail for changes of appointments.
    ["imip"] Imip {
        mail: MailWhen = r#""named""#,
            "Which of Cyrus' invitations become mail: none, those for which it names mailto, or all.";
        max_size: Size = r#""1M""#,
            "How large such a mail may be.";
    }
    /// `[newmail]`: a short note about new mail.
    ["newmail"] NewMail {
        mail: MailWhen = r#""off""#,
            "Which notes of new mail become mail: none, those for which Cyrus names mailto, or all.";
        to: Text = r#""""#,
            "Who gets it; {user} stands for the user. Empty for nobody.";
    }
    /// `[signin]`: a note about a sign-in from a network that is new for the user.
    ["signin"] SignIn {
        mail: MailWhen = r#""off""#,
            "Which sign-ins become mail: none, those for which Cyrus names mailto, or all.";
        remember: Age = r#""90d""#,
            "How long a network is known after the last sign-in from it.";
        to: Text = r#""""#,
            "Who gets it; {user} stands for the user. Empty for the user.";
    }
    /// `[templates]`: the words of mails.
    ["templates"] Templates {
        folder: MaybeFolder = r#""""#,
            "The folder of templates, with a folder for each language; empty for those that are built in.";
        language: Language = r#""en""#,
            "The language of who has none of his own.";
        languages: Languages = "{}",
            "The languages of users, or of a domain with @ before it.";
        time_zone: Zone = r#""""#,
            "The time zone of who has none of his own, for times that a calendar has in UTC; empty for UTC.";
        time_zones: Zones = "{}",
            "The time zones of users, or of a domain with @ before it.";
    }
    /// `[metrics]`: numbers for Prometheus.
    ["metrics"] Metrics {
        listen: Listen = r#""""#,
            "Where the numbers can be fetched: a loopback address and port, or unix: and a path; empty for nowhere.";
    }
    /// `[log]`: our own log.
    ["log"] Log {
        level: Level = r#""info""#,
            "The least important lines that are logged.";
        delivered: Flag = "true",
            "Whether each delivery that went well has a line.";
    }
}

/// The row of a key that is declared here.
fn key(table: &str, name: &str) -> &'static Key {
    let found = KEYS
        .iter()
        .find(|key| key.table == table && key.name == name);
    found.expect("the macro has made a row of each")
}
