//! The kinds of events, and the groups in which `event_groups` of imapd.conf(5)
//! turns them on. Names and sections are RFC 5423's, the others are those of
//! Cyrus' `imap/mboxevent.c` (`event_list`).

/// Declares each kind in one row: variant, group, name on the wire.
macro_rules! kinds {
    ($($(#[$doc:meta])* $variant:ident, $group:ident, $name:literal;)*) => {
        /// What happened.
        #[derive(Clone, Debug, PartialEq, Eq, Hash)]
        pub enum EventKind {
            $($(#[$doc])* $variant,)*
            /// A name that is not in our table, as it came; empty when there was none.
            Other(String),
        }

        impl EventKind {
            /// All kinds that we know.
            pub const ALL: &[EventKind] = &[$(EventKind::$variant),*];

            /// The name as Cyrus sends it.
            #[must_use]
            pub fn name(&self) -> &str {
                match self {
                    $(EventKind::$variant => $name,)*
                    EventKind::Other(name) => name,
                }
            }

            /// The group that turns it on; `None` for a kind that we don't know.
            #[must_use]
            pub fn group(&self) -> Option<EventGroup> {
                match self {
                    $(EventKind::$variant => Some(EventGroup::$group),)*
                    EventKind::Other(_) => None,
                }
            }
        }
    };
}

kinds! {
    /// A message was appended to a mailbox (4.1).
    MessageAppend, Message, "MessageAppend";
    /// Messages were expunged because of their age (4.1).
    MessageExpire, Message, "MessageExpire";
    /// Messages were expunged (4.1).
    MessageExpunge, Message, "MessageExpunge";
    /// A message was delivered (4.1).
    MessageNew, Message, "MessageNew";
    /// Cyrus: messages were copied by IMAP COPY.
    MessageCopy, Message, "vnd.cmu.MessageCopy";
    /// Cyrus: messages were moved by IMAP MOVE.
    MessageMove, Message, "vnd.cmu.MessageMove";
    /// An operation failed because of the quota (4.1).
    QuotaExceed, Quota, "QuotaExceed";
    /// Usage is within the quota again (4.1).
    QuotaWithin, Quota, "QuotaWithin";
    /// The quota was changed (4.1).
    QuotaChange, Quota, "QuotaChange";
    /// `\Seen` was set (4.2).
    MessageRead, Flags, "MessageRead";
    /// `\Deleted` was set (4.2).
    MessageTrash, Flags, "MessageTrash";
    /// Other flags were set (4.2).
    FlagsSet, Flags, "FlagsSet";
    /// Flags were cleared (4.2).
    FlagsClear, Flags, "FlagsClear";
    /// A user logged in (4.3).
    Login, Access, "Login";
    /// A user logged out, or the connection ended (4.3).
    Logout, Access, "Logout";
    /// A mailbox was created (4.4).
    MailboxCreate, Mailbox, "MailboxCreate";
    /// A mailbox was deleted (4.4).
    MailboxDelete, Mailbox, "MailboxDelete";
    /// A mailbox was renamed (4.4).
    MailboxRename, Mailbox, "MailboxRename";
    /// A mailbox was subscribed to (4.4).
    MailboxSubscribe, Subscription, "MailboxSubscribe";
    /// A subscription was ended (4.4).
    MailboxUnSubscribe, Subscription, "MailboxUnSubscribe";
    /// Cyrus: an access control list was changed. Groups access and mailbox both turn it on.
    AclChange, Mailbox, "AclChange";
    /// Cyrus: a mailbox's modification sequence grew.
    MailboxModseq, Mailbox, "MailboxModseq";
    /// Cyrus: a calendar alarm is due.
    CalendarAlarm, Calendar, "CalendarAlarm";
    /// Cyrus: a mail client registered for Apple push (`XAPPLEPUSHSERVICE`).
    ApplePushService, ApplePush, "ApplePushService";
    /// Cyrus: a calendar or contacts client registered for Apple push.
    ApplePushServiceDav, ApplePush, "ApplePushServiceDAV";
    /// Cyrus 3.13: messages that waited to be sent came back.
    MessagesUnscheduled, Jmap, "MessagesUnscheduled";
}

/// Prefix of Cyrus' own names, which some versions and consumers leave out.
const VENDOR: &str = "vnd.cmu.";

impl EventKind {
    /// The kind of that name, compared without case and with or without `vnd.cmu.`.
    #[must_use]
    pub fn from_name(name: &str) -> EventKind {
        let wanted = bare(name);
        let found = EventKind::ALL
            .iter()
            .find(|k| bare(k.name()).eq_ignore_ascii_case(wanted));
        found
            .cloned()
            .unwrap_or_else(|| EventKind::Other(name.to_owned()))
    }
}

/// The name without `vnd.cmu.`.
fn bare(name: &str) -> &str {
    match name.split_at_checked(VENDOR.len()) {
        Some((prefix, rest)) if prefix.eq_ignore_ascii_case(VENDOR) => rest,
        _ => name,
    }
}

/// A value of `event_groups`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EventGroup {
    /// Messages come and go.
    Message,
    /// Quotas.
    Quota,
    /// Flags of messages.
    Flags,
    /// Login and Logout.
    Access,
    /// Mailboxes.
    Mailbox,
    /// Subscriptions.
    Subscription,
    /// Calendar alarms.
    Calendar,
    /// Registrations for Apple push.
    ApplePush,
    /// JMAP (Cyrus 3.13).
    Jmap,
}

impl EventGroup {
    /// The word in imapd.conf(5).
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            EventGroup::Message => "message",
            EventGroup::Quota => "quota",
            EventGroup::Flags => "flags",
            EventGroup::Access => "access",
            EventGroup::Mailbox => "mailbox",
            EventGroup::Subscription => "subscription",
            EventGroup::Calendar => "calendar",
            EventGroup::ApplePush => "applepushservice",
            EventGroup::Jmap => "jmap",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_finds_its_kind() {
        for kind in EventKind::ALL {
            assert_eq!(&EventKind::from_name(kind.name()), kind);
            assert!(kind.group().is_some());
        }
    }

    #[test]
    fn names_with_and_without_vendor() {
        assert_eq!(EventKind::from_name("MessageMove"), EventKind::MessageMove);
        assert_eq!(
            EventKind::from_name("vnd.cmu.MessageNew"),
            EventKind::MessageNew
        );
        assert_eq!(
            EventKind::from_name("VND.CMU.messagecopy"),
            EventKind::MessageCopy
        );
        let other = EventKind::from_name("vnd.example.Thing");
        assert_eq!(other, EventKind::Other("vnd.example.Thing".into()));
        assert_eq!((other.name(), other.group()), ("vnd.example.Thing", None));
    }
}
