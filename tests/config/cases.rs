//! The files over which `notifyctl config` and `cyr_info conf` must agree: syntax here, the values of
//! known options in `options.rs`.

#[path = "options.rs"]
mod options;

/// One set of files, read as `imapd.conf` in the directory that holds them.
pub(crate) struct Case {
    pub name: &'static str,
    /// CYRUS_SERVICE for us, `-n` for `cyr_info`.
    pub service: &'static str,
    /// CYRUS_PREFIX, if set.
    pub prefix: Option<&'static str>,
    /// Names and contents. A name that ends in `/` is a directory.
    pub files: Vec<(&'static str, Vec<u8>)>,
}

impl Case {
    fn service(mut self, service: &'static str) -> Case {
        self.service = service;
        self
    }

    fn prefix(mut self, prefix: &'static str) -> Case {
        self.prefix = Some(prefix);
        self
    }

    fn with(mut self, name: &'static str, content: impl AsRef<[u8]>) -> Case {
        self.files.push((name, content.as_ref().to_vec()));
        self
    }
}

/// A case whose whole imapd.conf is `content`.
pub(crate) fn whole(name: &'static str, content: impl AsRef<[u8]>) -> Case {
    Case {
        name,
        service: "notify",
        prefix: None,
        files: Vec::new(),
    }
    .with("imapd.conf", content)
}

/// A case whose imapd.conf is configdirectory on line 1 and then `content`.
fn after(name: &'static str, content: impl AsRef<[u8]>) -> Case {
    whole(
        name,
        [b"configdirectory: /var/lib/cyrus\n", content.as_ref()].concat(),
    )
}

fn no_file(name: &'static str) -> Case {
    Case {
        name,
        service: "notify",
        prefix: None,
        files: Vec::new(),
    }
}

fn repeat(head: &str, byte: u8, total: usize, tail: &str) -> Vec<u8> {
    let fill = total - head.len() - tail.len();
    [head.as_bytes(), &vec![byte; fill], tail.as_bytes()].concat()
}

pub(crate) fn all() -> Vec<Case> {
    [
        syntax(),
        edges(),
        names(),
        twice(),
        services(),
        includes(),
        options::numbers(),
        options::words(),
        options::retired(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn syntax() -> Vec<Case> {
    vec![
        whole("only configdirectory", "configdirectory: /var/lib/cyrus\n"),
        whole("empty file", ""),
        whole("only comments", "# nothing\n\n   \t# more\n"),
        whole("relative configdirectory", "configdirectory: var\n"),
        whole("root as configdirectory", "configdirectory: /\n"),
        whole("no configdirectory", "sendmail: /bin/true\n"),
        after(
            "blanks",
            "  \t sendmail:   /bin/true \t \nservername:\thost\n",
        ),
        after("no blank after colon", "sendmail:/bin/true\n"),
        after("blank before colon", "sendmail : /bin/true\n"),
        after("colon in value", "smtp_host: mx:25/tls : x\n"),
        after("hash in value", "postmaster: a#b # c\n"),
        after("comment after white space", " \t\r # x\nsendmail: /s\n"),
        after("quotes stay", "postmaster: \"a b\"\n"),
        after(
            "upper case key",
            "SendMail: /bin/True\nX-Mixed_Key: Value\n",
        ),
        after("continuation", "sendmail: /bin\\\n/true\n"),
        after("continuation keeps blanks", "postmaster: a\\\n   b\n"),
        after("continued comment", "# a\\\nsendmail: /x\nservername: y\n"),
        after("continued key", "send\\\nmail: /x\n"),
        after(
            "continuation over an empty line",
            "postmaster: a\\\n\nservername: b\n",
        ),
        after("two backslashes", "postmaster: a\\\\\nx: y\n"),
        after("backslash and blank", "postmaster: a\\ \nx: y\n"),
        after("backslash before CRLF", "postmaster: a\\\r\nx: y\r\n"),
        after("crlf", "sendmail: /bin/true\r\nnotify_external: /x\r\n"),
        after("no newline at the end", "sendmail: /bin/true"),
    ]
}

fn edges() -> Vec<Case> {
    vec![
        after(
            "backslash and newline at the end",
            "sendmail: /a\npostmaster: x\\\n",
        ),
        after("backslash at the end", "sendmail: /a\npostmaster: x\\"),
        after("bad line that is dropped", "sendmail: /a\nbad line\\\n"),
        after("nul in value", b"postmaster: a\0b\nsendmail: /x\n"),
        after("nul at start of line", b"\0postmaster: a\nsendmail: /x\n"),
        after("nul in key", b"post\0master: a\n"),
        after(
            "nul after continuation",
            b"postmaster: a\\\n\0b\nsendmail: /x\n",
        ),
        after("high bytes in value", b"postmaster: gr\xfc\xdfe\nx: \xff\n"),
        after("high bytes in key", b"gr\xfcn: x\n"),
        after("no-break space is no space", b"postmaster: \xa0a\xa0\n"),
        after(
            "form feed and vertical tab",
            "\x0b\x0csendmail: \x0b/x\x0c\n",
        ),
        whole("byte order mark", b"\xef\xbb\xbfconfigdirectory: /x\n"),
        after("long line", repeat("postmaster: ", b'x', 4095, "\n")),
        after("longer line", repeat("postmaster: ", b'x', 4096, "\n")),
        after(
            "very long line",
            repeat("postmaster: ", b'x', 20_000, "\nservername: y\n"),
        ),
        after("long continued line", {
            let half = repeat("postmaster: ", b'x', 3000, "\\\n");
            [half, repeat("", b'y', 3000, "\nservername: z\n")].concat()
        }),
        after(
            "last line fills the buffer",
            repeat("postmaster: ", b'x', 4095, ""),
        ),
        after(
            "last line fills the buffer but one",
            repeat("postmaster: ", b'x', 4094, ""),
        ),
        after(
            "last line fills the grown buffer",
            repeat("postmaster: ", b'x', 8191, ""),
        ),
        after("nul in a long line", {
            let head = repeat("postmaster: ", b'x', 1000, "\0");
            [head, repeat("", b'y', 4000, ": z\n")].concat()
        }),
        after("error after long continuation", "x: a\\\nb\\\nc\nbad\n"),
    ]
}

fn names() -> Vec<Case> {
    vec![
        after("no colon", "sendmail /bin/true\n"),
        after("bad character in name", "send.mail: x\n"),
        after("empty key", ": x\n"),
        after("empty key after prefix", "notify_: x\n"),
        after("empty key after another prefix", "imap_: x\n"),
        after("empty value", "sendmail:\n"),
        after("blank value", "sendmail: \t \r\n"),
        after("empty value of unknown key", "x:\n"),
        after(
            "unknown keys",
            "x: 1\ny-z: 2\nsasl_pwcheck_method: saslauthd\nnotifyd_other: /n\n",
        ),
        after("many unknown keys", {
            (0..90)
                .map(|n| format!("unknown-key_{}: {n}\n", n * 7919))
                .collect::<String>()
        }),
        after(
            "partitions",
            "partition-default: /s\nmetapartition-default: /m\ndefaultpartition: default\n",
        ),
        after("default partition in capitals", "defaultpartition: Main\n"),
        after("bad default partition", "defaultpartition: a-b\n"),
        after("digits and dashes", "-: 1\n_: 2\n9: 3\n"),
        after("long error", repeat("event_groups: ", b'x', 900, "\n")),
        after(
            "long duration is cut",
            repeat("timeout: ", b'x', 3000, "\n"),
        ),
        after("long key is cut", repeat("", b'x', 3000, ": 1\n").repeat(2)),
        after(
            "too long a word",
            repeat("event_groups: ", b'x', 3000, "\n"),
        ),
    ]
}

fn twice() -> Vec<Case> {
    vec![
        after("twice", "sendmail: /a\nsendmail: /b\n"),
        after("twice the same", "sendmail: /a\n\nSENDMAIL: /a\n"),
        after("twice unknown", "x: 1\nx: 1\n"),
        after(
            "twice with prefix",
            "notify_sendmail: /a\nnotify_sendmail: /b\n",
        ),
        after(
            "twice with prefix, plain between",
            "notify_debug: 1\ndebug: 0\nnotify_debug: 1\n",
        ),
        after(
            "twice plain after prefix",
            "notify_sendmail: /a\nsendmail: /b\nsendmail: /c\n",
        ),
        after("twice configdirectory", "configdirectory: /x\n"),
        after("twice by continuation", "x: 1\n\\\nx: 2\n"),
    ]
}

fn services() -> Vec<Case> {
    vec![
        after(
            "prefix beats plain before",
            "sendmail: /a\nnotify_sendmail: /b\n",
        ),
        after(
            "prefix beats plain after",
            "notify_sendmail: /b\nsendmail: /a\n",
        ),
        after(
            "plain after prefix is not even read",
            "notify_debug: 1\ndebug: nonsense\n",
        ),
        after(
            "bad plain before prefix",
            "debug: perhaps\nnotify_debug: 1\n",
        ),
        after("prefix of another service", "imap_sendmail: /b\n"),
        after(
            "unknown key with prefix",
            "notify_x: 1\nx: 2\nnotify_notifyd_other: 3\n",
        ),
        after("notify_external is an option", "notify_external: /a\n"),
        after(
            "notify_notify_external",
            "notify_external: /a\nnotify_notify_external: /b\n",
        ),
        after("external is none", "external: /a\n"),
        after("prefixed configdirectory", "notify_configdirectory: /x\n"),
        whole(
            "only prefixed configdirectory",
            "notify_configdirectory: /x\n",
        ),
        after("prefix in capitals", "NOTIFY_sendmail: /b\n"),
        after("service in capitals", "notify_sendmail: /b\n").service("Notify"),
        after("service imap", "imap_sendmail: /b\nnotify_sendmail: /c\n").service("imap"),
        after("service with underscore", "a_b_debug: 1\n").service("a_b"),
        after("empty service", "_sendmail: /b\n").service(""),
    ]
}

fn includes() -> Vec<Case> {
    let conf = |name, text| after(name, text);
    vec![
        conf("include", "@include: more\nservername: h\n").with("more", "sendmail: /a\nx: y\n"),
        conf("include in capitals", "@INCLUDE:more\n").with("more", "sendmail: /a"),
        conf("nested include", "@include: a\n")
            .with("a", "x: 1\n@include: b\ny: 2\n")
            .with("b", "z: 3\n"),
        conf("include twice", "@include: a\n@include: a\n").with("a", "# x\n"),
        conf("include itself", "@include: imapd.conf\n"),
        conf("include in a circle", "@include: a\n")
            .with("a", "@include: b\n")
            .with("b", "@include: a\n"),
        conf("same file by another name", "@include: a\n@include: ./a\n").with("a", "# x\n"),
        conf("include a missing file", "@include: nowhere\n"),
        conf("include below a file", "@include: imapd.conf/x\n"),
        conf("include a directory", "@include: dir/\nx: 1\n").with("dir/", ""),
        conf("include with blanks in the name", "@include: a b \n").with("a b", "x: 1\n"),
        conf("include nothing", "@include:\n"),
        conf("include without colon", "@include a\n"),
        conf("another directive", "@exclude: a\n"),
        conf("bare directive", "@: a\n"),
        conf("at in the middle", "x@include: a\n"),
        conf("twice across files", "x: 1\n@include: a\n").with("a", "#\n#\n#\nx: 2\n"),
        conf("bad name in include", "@include: a\n").with("a", "#\nbad\n"),
        conf("bad line after include", "@include: a\nbad\n").with("a", "#\n#\n#\n"),
        conf("include ends within a continuation", "@include: a\nx: 1\n").with("a", "y: 2\\\n"),
        whole("configdirectory from include", "@include: a\n").with("a", "configdirectory: /x\n"),
        no_file("missing file"),
        no_file("a directory as file").with("imapd.conf/", ""),
        no_file("prefix")
            .prefix("root-")
            .with("root-imapd.conf", "configdirectory: /p\n"),
        after("prefix before plain", "x: 1\n")
            .prefix("p/")
            .with("p/", "")
            .with("p/imapd.conf", "configdirectory: /p\n"),
        after("prefix without file", "x: 1\n").prefix("nowhere/"),
        no_file("prefix and no file").prefix("nowhere/"),
        after("prefix for includes", "@include: a\n")
            .prefix("p-")
            .with("p-a", "x: 1\n")
            .with("a", "x: 2\n"),
    ]
}
