//! Cases for the values of known options: each type, each notation, deprecated options.

use super::{Case, after, whole};

pub(super) fn numbers() -> Vec<Case> {
    vec![
        after(
            "integers",
            "maxquoted: 0x10\nmaxword: 010\nquotawarn: +7\nquotawarnkb: -3\n",
        ),
        after("integer default", "maxquoted: 0x20000\n"),
        after(
            "huge integers",
            "maxquoted: 99999999999999999999\nmaxword: -0xffffffffffffffffff\n",
        ),
        after("integer with unit", "maxmessagesize: 10M\n"),
        after("bad octal", "quotawarn: 08\n"),
        after("bare 0x", "quotawarn: 0x\n"),
        after("integer with blank", "quotawarn: - 1\n"),
        after("debian's two", "maxargssize: 0x10\nmaxliteral: 3\n"),
        after(
            "switches on",
            "debug: 1\nchatty: yes\nsync_log: on\nreadonly: t\nstatuscache: yoghurt\n",
        ),
        after(
            "switches off",
            "allowapop: 0\nmunge8bit: no\nldap_sasl: of\nldap_restart: false\n",
        ),
        after(
            "switch by first letters",
            "debug: once\nallowapop: office\n",
        ),
        after("switch in capitals", "debug: Yes\n"),
        after("switch o", "debug: o\n"),
        after("switch 2", "notify_debug: 2\n"),
        after(
            "durations",
            "timeout: 1d2h3m4s\nhttptimeout: 90\npopexpiretime: -5d\npoptimeout: -\n",
        ),
        after("same duration in other words", "httptimeout: 300s\n"),
        after("duration with blank", "timeout: 1d 2h\n"),
        after("duration without number", "timeout: h\n"),
        after("duration with a bad unit", "timeout: 3w\n"),
        after("duration with two signs", "timeout: --3\n"),
        after("duration overflow", "timeout: 99999999999d\n"),
    ]
}

pub(super) fn words() -> Vec<Case> {
    vec![
        after(
            "enum",
            "virtdomains: userid\nevent_content_inclusion_mode: headerbody\n",
        ),
        after("enum on", "virtdomains: yes\ncaldav_allowscheduling: f\n"),
        after("enum default", "serverinfo: true\n"),
        after("bad enum", "virtdomains: maybe\n"),
        after("enum is not a switch", "virtdomains: y\n"),
        after("enum in capitals", "event_content_inclusion_mode: Body\n"),
        after(
            "enum with two words",
            "event_content_inclusion_mode: body header\n",
        ),
        after(
            "string list",
            "smtp_backend: host\nduplicate_db: skiplist\n",
        ),
        after("bad string list", "smtp_backend: smtp\n"),
        after("string list is no switch", "sql_engine: yes\n"),
        after("bit field", "event_groups: quota  calendar\tmessage\n"),
        after(
            "bit field default in another order",
            "event_groups: mailbox message mailbox\n",
        ),
        after(
            "bit field, one bad",
            "event_groups: quota nonsense calendar\n",
        ),
        after("bit field with comma", "event_groups: quota,calendar\n"),
        after(
            "extra params",
            "event_extra_params: vnd.cmu.envelope messageSize vnd.cmu.threadid\n",
        ),
        after(
            "no default bits",
            "httpmodules: jmap caldav\nnewsaddheaders: replyto\n",
        ),
        after(
            "aliases",
            "sieve_extensions: x-cyrus-snooze imapflags ihave snooze mailboxid\n",
        ),
        after(
            "bits beyond 31",
            "sieve_extensions: vnd.cyrus.imip fileinto\n",
        ),
        after(
            "one bit after the alias",
            "sieve_extensions: redirect-dsn\n",
        ),
        after(
            "the emitting side",
            "mailnotifier: log\nsievenotifier: mailto\nimipnotifier: null\nevent_notifier: external\nevent_exclude_flags: \\Seen\nevent_content_size: 100\n",
        ),
        after(
            "configdirectory in values",
            "sendmail: {configdirectory}/s\nnotify_external: {CONFIGdirectory}x\nsyslog_prefix: a{configdirectory}\nunknown: {configdirectory}/x\n",
        ),
        after(
            "configdirectory in a default",
            "notifysocket: /var/lib/cyrus/socket/notify\nidlesocket: {configdirectory}/idle\n",
        ),
        whole(
            "configdirectory in itself",
            "configdirectory: {configdirectory}/x\n",
        ),
    ]
}

pub(super) fn retired() -> Vec<Case> {
    vec![
        after("retired string", "autocreateinboxfolders: A|B\n"),
        after("retired string with default", "ldap_servers: ldap://x/\n"),
        after("retired integer", "autocreatequota: 5\n"),
        after("retired switch", "createonpost: on\n"),
        after("retired duration", "archive_days: 3\n"),
        after("retired string list", "tlscache_db: sql\n"),
        after(
            "retired without successor",
            "flushseenstate: 0\njmap_emailsearch_db_path: /x\n",
        ),
        after(
            "retired and successor",
            "archive_days: 3\narchive_after: 9d\n",
        ),
        after(
            "successor for the service",
            "notify_tls_server_cert: /b\ntls_cert_file: /a\n",
        ),
        after(
            "retired for the service",
            "notify_tls_cert_file: /a\ntls_cert_file: /c\n",
        ),
        after(
            "retired plain and for the service",
            "tls_cert_file: /c\nnotify_tls_cert_file: /a\n",
        ),
        after("retired twice", "tls_cert_file: /a\ntls_cert_file: /b\n"),
        after("retired and bad", "createonpost: perhaps\n"),
        after(
            "retired with configdirectory",
            "tls_cert_file: {configdirectory}/a\n",
        ),
    ]
}
