//! The parameters: every key that Cyrus 3.6.1 and 3.13 send, and the rest of RFC
//! 5423 section 5. A new one is one row: variant, name on the wire, type; its
//! documentation begins with where it is from.

/// The type that a parameter is declared with. What comes may be of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Type {
    /// A string.
    Text,
    /// A number without fraction.
    Number,
    /// True or false, mostly sent as 1 or 0.
    Truth,
    /// A point in time: [`Time`](super::Time).
    Time,
    /// A time in a calendar, with zone or without, or a date: [`CalTime`](super::CalTime).
    CalTime,
    /// A JSON array of strings.
    List,
    /// A string of words with blanks between.
    Words,
    /// A set of UIDs: [`UidSet`](super::UidSet).
    Uids,
    /// An IMAP URL: [`ImapUrl`](super::ImapUrl).
    Url,
    /// A string, or an object of strings keyed by UID: [`Event::by_uid`](super::Event::by_uid).
    Keyed,
    /// Any JSON.
    Json,
}

macro_rules! params {
    ($($(#[$doc:meta])* $variant:ident, $name:literal, $type:ident;)*) => {
        /// A parameter of an event.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Param {
            $($(#[$doc])* $variant,)*
        }

        impl Param {
            /// All parameters that we know.
            pub const ALL: &[Param] = &[$(Param::$variant),*];

            /// The key in the JSON.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self {
                    $(Param::$variant => $name,)*
                }
            }

            /// The type it is declared with.
            #[must_use]
            pub fn kind(self) -> Type {
                match self {
                    $(Param::$variant => Type::$type,)*
                }
            }

            /// The parameter with that key.
            #[must_use]
            pub fn from_name(name: &str) -> Option<Param> {
                match name {
                    $($name => Some(Param::$variant),)*
                    _ => None,
                }
            }
        }
    };
}

params! {
    // RFC 5423, section 5.
    /// Name of the event; see [`EventKind`](super::EventKind).
    Event, "event", Text;
    /// RFC 5423: who acted for the user. Cyrus does not send it.
    Admin, "admin", Text;
    /// RFC 5423: the message's structure in IMAP form.
    BodyStructure, "bodyStructure", Text;
    /// RFC 5423: address of the client.
    ClientIp, "clientIP", Text;
    /// RFC 5423: port of the client.
    ClientPort, "clientPort", Number;
    /// RFC 5423: limit in KiB.
    DiskQuota, "diskQuota", Number;
    /// RFC 5423: usage in KiB.
    DiskUsed, "diskUsed", Number;
    /// RFC 5423: flags and keywords, with blanks between.
    FlagNames, "flagNames", Words;
    /// RFC 5423: the mailbox, there an IMAP URL; in Cyrus its unique identifier.
    MailboxId, "mailboxID", Text;
    /// RFC 5423: limit of messages; -1 when there is none.
    MaxMessages, "maxMessages", Number;
    /// RFC 5423: the message or a part of it; enriched forms are keyed by UID.
    MessageContent, "messageContent", Keyed;
    /// RFC 5423: messages in the mailbox, for quota events below the quota's root.
    Messages, "messages", Number;
    /// RFC 5423: size in bytes.
    MessageSize, "messageSize", Number;
    /// RFC 5423: modification sequence.
    Modseq, "modseq", Number;
    /// RFC 5423: the mailbox before, in Cyrus an IMAP URL.
    OldMailboxId, "oldMailboxID", Url;
    /// RFC 5423: process that sent it.
    Pid, "pid", Number;
    /// RFC 5423: name of the process. Cyrus does not send it.
    Process, "process", Text;
    /// RFC 5423: domain or address that the client connected to.
    ServerDomain, "serverDomain", Text;
    /// RFC 5423: full name of the server.
    ServerFqdn, "serverFQDN", Text;
    /// RFC 5423: port that the client connected to.
    ServerPort, "serverPort", Number;
    /// RFC 5423: the protocol, such as `imap`.
    Service, "service", Text;
    /// RFC 5423: free labels. Cyrus does not send it.
    Tags, "tags", Words;
    /// RFC 5423: when it happened, as RFC 3339 has it.
    Timestamp, "timestamp", Time;
    /// RFC 5423: the next UID.
    Uidnext, "uidnext", Number;
    /// RFC 5423: the messages concerned.
    Uidset, "uidset", Uids;
    /// RFC 5423: IMAP URL of the message, mailbox or server.
    Uri, "uri", Url;
    /// RFC 5423: who is logged in.
    User, "user", Text;

    // Cyrus, all events.
    /// Cyrus: the rights that were given.
    AclRights, "aclRights", Text;
    /// Cyrus: whose rights were changed.
    AclSubject, "aclSubject", Text;
    /// Cyrus: type of the mailbox: empty for mail, `c` calendar, `a` contacts …
    Mbtype, "vnd.cmu.mbtype", Text;
    /// Cyrus 3.13 and Apple push: unique identifier of the mailbox.
    MailboxUniqueId, "mailboxUniqueId", Text;
    /// Cyrus: the mailbox's access control list; tabs between identifier and rights.
    MailboxAcl, "vnd.cmu.mailboxACL", Text;
    /// Cyrus: Message-IDs.
    Midset, "vnd.cmu.midset", List;
    /// Cyrus: UIDs before a copy or move.
    OldUidset, "vnd.cmu.oldUidset", Uids;
    /// Cyrus: the session, the same in Login and Logout.
    SessionId, "vnd.cmu.sessionId", Text;
    /// Cyrus: unseen messages in the mailbox.
    UnseenMessages, "vnd.cmu.unseenMessages", Number;
    /// Cyrus: users who may see the mailbox.
    VisibleUsers, "vnd.cmu.visibleUsers", Words;
    /// Cyrus: name of the DAV resource.
    DavFilename, "vnd.cmu.davFilename", Text;
    /// Cyrus: UID of the DAV resource.
    DavUid, "vnd.cmu.davUid", Text;
    /// Cyrus: RFC 8474 EMAILID.
    EmailId, "vnd.cmu.emailid", Text;
    /// Cyrus: RFC 8474 THREADID.
    ThreadId, "vnd.cmu.threadid", Text;
    /// Cyrus: the message's IMAP envelope.
    Envelope, "vnd.cmu.envelope", Text;
    /// Cyrus' documents: header fields, keyed by UID. Cyrus does not send it.
    MessageHeaders, "messageHeaders", Keyed;
    /// Cyrus: identifier of the conversation.
    Cid, "vnd.fastmail.cid", Text;
    /// Cyrus: what the client calls itself.
    ClientId, "vnd.fastmail.clientId", Text;
    /// Cyrus 3.13: form of JMAP calendar identifiers.
    CompactCalendarIds, "vnd.fastmail.compactCalendarIds", Truth;
    /// Cyrus: conversations in the mailbox.
    ConvExists, "vnd.fastmail.convExists", Number;
    /// Cyrus: unseen conversations in the mailbox.
    ConvUnseen, "vnd.fastmail.convUnseen", Number;
    /// Cyrus: modification sequences of the user by type.
    Counters, "vnd.fastmail.counters", Words;
    /// Cyrus: the message as JMAP Email.
    JmapEmail, "vnd.fastmail.jmapEmail", Json;
    /// Cyrus: JMAP states by type.
    JmapStates, "vnd.fastmail.jmapStates", Json;
    /// Cyrus: the session again.
    FastmailSessionId, "vnd.fastmail.sessionId", Text;
    /// Cyrus 3.13: trace identifier of the client.
    TraceId, "vnd.fastmail.traceId", Text;

    // CalendarAlarm.
    /// CalendarAlarm: `email`, `display` or `audio`.
    Action, "action", Text;
    /// CalendarAlarm: `mailto:` URIs of those to be told.
    AlarmRecipients, "alarmRecipients", List;
    /// CalendarAlarm: when the alarm was due.
    AlarmTime, "alarmTime", CalTime;
    /// CalendarAlarm, 3.13: UID of the VALARM.
    AlertId, "alertId", Text;
    /// CalendarAlarm: an event of whole days.
    AllDay, "allDay", Truth;
    /// CalendarAlarm: URIs of the attendees.
    AttendeeEmails, "attendeeEmails", List;
    /// CalendarAlarm: their names, in the same order.
    AttendeeNames, "attendeeNames", List;
    /// CalendarAlarm: their PARTSTAT, in the same order.
    AttendeeStatus, "attendeeStatus", List;
    /// CalendarAlarm: colour such as `#FF2968FF`.
    CalendarColor, "calendarColor", Text;
    /// CalendarAlarm, 3.13: JMAP identifier; not unique.
    CalendarEventId, "calendarEventId", Text;
    /// CalendarAlarm: last part of the calendar's name.
    CalendarId, "calendarId", Text;
    /// CalendarAlarm: the calendar's name for people.
    CalendarName, "calendarName", Text;
    /// CalendarAlarm and class IMIP, 3.13: owner of the calendar.
    CalendarOwner, "calendarOwner", Text;
    /// CalendarAlarm: escaped as in iCalendar (RFC 5545, 3.3.11).
    Description, "description", Text;
    /// CalendarAlarm: end of the event.
    End, "end", CalTime;
    /// CalendarAlarm: escaped as in iCalendar.
    Location, "location", Text;
    /// CalendarAlarm: URI of the organizer.
    Organizer, "organizer", Text;
    /// CalendarAlarm, 3.13: local time of the recurrence, or empty.
    RecurrenceId, "recurrenceId", Text;
    /// CalendarAlarm: start of the event.
    Start, "start", CalTime;
    /// CalendarAlarm: escaped as in iCalendar.
    Summary, "summary", Text;
    /// CalendarAlarm: identifier of the time zone, `UTC` or `[floating]`.
    Timezone, "timezone", Text;
    /// CalendarAlarm: UID of the event.
    Uid, "uid", Text;
    /// CalendarAlarm and MessagesUnscheduled: the user concerned.
    UserId, "userId", Text;

    // Apple push, JMAP.
    /// ApplePushService: version of the protocol.
    ApsVersion, "apsVersion", Number;
    /// ApplePushService: account on the device.
    ApsAccountId, "apsAccountId", Text;
    /// ApplePushService, …DAV: token of the device.
    ApsDeviceToken, "apsDeviceToken", Text;
    /// ApplePushService: subtopic, `com.apple.mobilemail`.
    ApsSubtopic, "apsSubtopic", Text;
    /// ApplePushServiceDAV: topic.
    ApsTopic, "apsTopic", Text;
    /// ApplePushService: mailboxes to be told about.
    Mailboxes, "mailboxes", List;
    /// ApplePushServiceDAV: owner of the mailbox.
    MailboxUser, "mailboxUser", Text;
    /// ApplePushServiceDAV: how long the registration holds, in seconds.
    Expiry, "expiry", Number;
    /// MessagesUnscheduled: how many.
    Count, "count", Number;

    // Class IMIP.
    /// Class IMIP: whom the message is for.
    Recipient, "recipient", Text;
    /// Class IMIP: whom it is from.
    Sender, "sender", Text;
    /// Class IMIP: the iCalendar object.
    Ical, "ical", Text;
    /// Class IMIP: the event as JSCalendar, or null.
    JsEvent, "jsevent", Json;
    /// Class IMIP: what changed, or null.
    Patch, "patch", Json;
    /// Class IMIP: not the first message about this event.
    IsUpdate, "is_update", Truth;
    /// Class IMIP, 3.13: iTIP method.
    Method, "method", Text;
    /// Class IMIP, 3.13: identifier of the message.
    Id, "id", Text;
    /// Class IMIP, 3.13: what caused it.
    SchedulingMechanism, "schedulingMechanism", Text;
    /// Class IMIP, 3.13: who caused it.
    ActorCyrusName, "actorCyrusName", Text;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_finds_its_parameter() {
        for param in Param::ALL {
            assert_eq!(Param::from_name(param.name()), Some(*param));
        }
        assert_eq!(Param::from_name("vnd.example.x"), None);
    }
}
