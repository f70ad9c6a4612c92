//! The file as a whole: what is read, what is complained of, what counts all the same.

use super::*;
use std::path::Path;
use std::time::Duration;

pub(super) const METHODS: &[Known] = &[
    Known {
        name: "null",
        spooled: false,
        permits: 1,
        timeout: 1,
    },
    Known {
        name: "mailto",
        spooled: true,
        permits: 4,
        timeout: 300,
    },
    Known {
        name: "zephyr",
        spooled: true,
        permits: 1,
        timeout: 10,
    },
];

fn read(text: &str) -> (Config, Vec<String>) {
    let (config, problems) = Config::read(text, METHODS);
    (config, problems.iter().map(ToString::to_string).collect())
}

fn good(text: &str) -> Config {
    let (config, problems) = read(text);
    assert_eq!(problems, [""; 0], "{text}");
    config
}

#[test]
fn every_default_that_is_declared_fits_its_form() {
    let config = good("");
    assert_eq!(config.spool.max_bytes, Size(4 << 30));
    assert_eq!(
        config.spool.path.with(Path::new("/c")),
        Path::new("/c/notifyd")
    );
    assert_eq!(config.retry.first, Wait(Duration::from_secs(10)));
    assert_eq!(config.zephyr.realm, Name("local-realm".into()));
    assert_eq!(config.metrics.listen, Listen::Off);
    assert_eq!(config.method("mailto"), Method::default());
    let mut seen = std::collections::HashSet::new();
    for key in KEYS {
        assert!(seen.insert((key.table, key.name)), "{key:?} twice");
        assert!(key.doc.ends_with('.') && !key.form.is_empty(), "{key:?}");
    }
}

#[test]
fn every_key_is_read() {
    let config = good(
        "[spool]\npath = '/s'\nsynchronous = 'full'\nmax_rows = 5\nmax_bytes = '1M'\nuser_share = 9\nwhen_full = 'block'\n\
         [intake]\nallow_uids = [1001, 'root', 0x10]\nsocket_mode = '0660'\n\
         [retry]\nfirst = 1\nmaximum = '1m30s'\nlifetime = '0s'\nkeep_failed = '1d12h'\nkeep_held = '2d'\n\
         [method.zephyr]\npermits = 2\ntimeout = '5s'\nfirst = '2s'\nmaximum = '3s'\nlifetime = '4s'\nrealm = 'X'\n\
         [metrics]\nlisten = 'unix:/run/m'\n[log]\nlevel = 'warning'\ndelivered = false\n",
    );
    assert_eq!(config.spool.path.with(Path::new("/c")), Path::new("/s"));
    assert_eq!(config.spool.synchronous, Synchronous::Full);
    assert_eq!(
        (config.spool.max_rows, config.spool.max_bytes),
        (Limit(5), Size(1 << 20))
    );
    assert_eq!(config.spool.user_share, Percent(9));
    assert_eq!(config.spool.when_full, WhenFull::Block);
    assert_eq!(config.intake.allow_uids.ids(), [1001, 0, 16]);
    assert_eq!(config.intake.socket_mode, Mode(0o660));
    let seconds = |n| Duration::from_secs(n);
    assert_eq!(
        (config.retry.first.0, config.retry.maximum.0),
        (seconds(1), seconds(90))
    );
    assert_eq!(
        (config.retry.lifetime.0, config.retry.keep_failed.0),
        (seconds(0), seconds(129_600))
    );
    assert_eq!(config.retry.keep_held.0, seconds(172_800));
    let zephyr = config.method("zephyr");
    assert_eq!(
        (zephyr.permits, zephyr.timeout),
        (Some(Permits(2)), Some(Wait(seconds(5))))
    );
    assert_eq!(
        (zephyr.first, zephyr.maximum),
        (Some(Wait(seconds(2))), Some(Wait(seconds(3))))
    );
    assert_eq!(
        (zephyr.lifetime, config.zephyr.realm),
        (Some(Age(seconds(4))), Name("X".into()))
    );
    assert_eq!(config.metrics.listen, Listen::Unix("/run/m".into()));
    assert_eq!(
        (config.log.level, config.log.delivered),
        (Level::Warning, Flag(false))
    );
}

#[test]
fn each_mistake_is_told_with_its_line_and_what_would_be_right() {
    for (text, wanted) in [
        (
            "[spool]\nmax_row = 1",
            "line 2: [spool] max_row: there is no such key; did you mean max_rows?",
        ),
        (
            "[spool]\nlifetime = 1",
            "line 2: [spool] lifetime: there is no such key; it belongs in [retry]",
        ),
        (
            "[log]\nxyzzy = 1",
            "line 2: [log] xyzzy: there is no such key; there are: level, delivered",
        ),
        (
            "\n[spol]\npath = '/x'",
            "line 2: [spol]: there is no such table; did you mean spool?",
        ),
        (
            "path = '/x'",
            "line 1: path stands in no table; it belongs in [spool]",
        ),
        (
            "[spool]\nmax_rows = '5'",
            "line 2: [spool] max_rows: \"5\" is not a number such as 1000000",
        ),
        (
            "[spool]\nmax_rows = -5",
            "line 2: [spool] max_rows: -5 is not a number such as 1000000",
        ),
        (
            "[spool]\nwhen_full = 'Drop'",
            "line 2: [spool] when_full: \"Drop\" is not one of drop, block",
        ),
        (
            "[spool]\npath = 'x'",
            "line 2: [spool] path: \"x\" is not an absolute path of a folder",
        ),
        (
            "[spool]\npath = '/a'\npath = '/b'",
            "line 3: path stands twice; the first one counts",
        ),
        (
            "[spool]\npath = \"/a",
            "line 2: syntax: invalid basic string, expected `\"`",
        ),
        (
            "spool = 1",
            "line 1: [spool] must be a table, and stand once",
        ),
        (
            "[[spool]]",
            "line 1: [spool] must be a table, and stand once",
        ),
        (
            "[method.mail]\npermits = 1",
            "line 1: [method.mail]: there is no such method; did you mean mailto?",
        ),
        (
            "[method.webhook]",
            "line 1: [method.webhook]: there is no such method; there are: mailto, zephyr",
        ),
        (
            "[log]\n\"a\\nb\" = 1",
            "line 2: [log] a?b: there is no such key; there are: level, delivered",
        ),
        (
            "[method.zefyr]",
            "line 1: [method.zefyr]: there is no such method; did you mean zephyr?",
        ),
        (
            "[method.null]",
            "line 1: [method.null]: this method is done at once and has nothing to set",
        ),
        (
            "[method]\nmailto = 1",
            "line 2: [method.mailto] must be a table",
        ),
        (
            "[method.mailto]\nrealm = 'x'",
            "line 2: [method.mailto] realm: there is no such key; it belongs in [method.zephyr]",
        ),
        (
            "[method.mailto]\npermits = 0",
            "line 2: [method.mailto] permits: 0 is not a number from 1 to 256",
        ),
        (
            "[metrics]\nlisten = '0.0.0.0:1'",
            "line 2: [metrics] listen: \"0.0.0.0:1\" is not empty, a loopback address with a port such as \"127.0.0.1:9095\", or \"unix:/absolute/path\"",
        ),
        (
            "[intake]\nallow_uids = [\n 1,\n 'no such user' ]",
            "line 4: [intake] allow_uids: there is no user \"no such user\"",
        ),
        (
            "[intake]\nallow_uids = 5",
            "line 2: [intake] allow_uids: must be a list such as [\"www-data\", 1001]",
        ),
        (
            "[retry]\nfirst = 1.5",
            "line 2: [retry] first: a value of type float is not a time from \"1s\" to \"30d\", such as \"90s\" or \"1h30m\"",
        ),
    ] {
        assert_eq!(read(text).1, [wanted], "{text}");
    }
}

#[test]
fn a_mistake_costs_its_key_and_no_other() {
    let (config, problems) = read(
        "[spool]\npath = '/s'\nmax_rows = ten\nmax_bytes = '1M'\n[retry]\nfirst = \"3s\nmaximum = '5m'\nfrist = 1\n\
         [intake]\nallow_uids = [5, 'no such user', 6]\n",
    );
    assert_eq!(problems.len(), 4, "{problems:?}");
    let lines: Vec<&str> = problems
        .iter()
        .map(|problem| problem.split(':').next().unwrap())
        .collect();
    assert_eq!(lines, ["line 3", "line 6", "line 8", "line 10"]);
    assert_eq!(config.spool.path.with(Path::new("/c")), Path::new("/s"));
    assert_eq!(config.spool.max_bytes, Size(1 << 20));
    assert_eq!(config.spool.max_rows, Limit(0));
    assert_eq!(
        config.retry.first,
        Config::default().retry.first,
        "it may have been cut"
    );
    assert_eq!(config.retry.maximum, Wait(Duration::from_secs(300)));
    assert_eq!(config.intake.allow_uids.ids(), [5, 6]);
}

#[test]
fn a_user_or_domain_that_nobody_can_have_is_said() {
    let keys = r#"[templates]
languages = { "anna" = "de", "@Example.FR" = "fr", "a@b" = "de", "@" = "de", "" = "fr", "@a b" = "de", "a b" = "de", "@*.org" = "fr", "anna, ben" = "de", "a@" = "de", "@bücher.example" = "de" }
"#;
    let (config, problems) = read(keys);
    let left: Vec<&String> = config.templates.languages.0.keys().collect();
    assert_eq!(left, ["@Example.FR", "@bücher.example", "a@b", "anna"]);
    assert_eq!(problems.len(), 7, "{problems:?}");
    let said = |part: &str| problems.iter().any(|problem| problem.contains(part));
    assert!(
        said(r#""@": what stands behind @ is no domain"#),
        "{problems:?}"
    );
    assert!(said(r#""": the name of a user is missing"#), "{problems:?}");
    assert!(
        said(r#""anna, ben": no user has such a name"#),
        "{problems:?}"
    );
    assert!(
        problems.iter().all(|problem| problem.contains("line 2")),
        "{problems:?}"
    );
}

#[test]
fn a_time_zone_that_is_none_is_said_with_the_nearest() {
    let text = r#"[templates]
time_zone = "Europe/Berln"
time_zones = { "anna" = "asia/tokyo", "@example.fr" = "Paris", "ben" = 3, "a b" = "UTC", "eve" = "Mitteleuropa" }
"#;
    let (config, problems) = read(text);
    assert_eq!(config.templates.time_zone, Zone(None));
    let zones: Vec<(&str, &str)> = config
        .templates
        .time_zones
        .0
        .iter()
        .map(|(user, zone)| (user.as_str(), zone.as_str()))
        .collect();
    assert_eq!(zones, [("anna", "Asia/Tokyo")], "the others stay");
    for said in [
        r#"line 2: [templates] time_zone: "Europe/Berln" is not a time zone; did you mean "Europe/Berlin"?"#,
        r#"line 3: [templates] time_zones: @example.fr: "Paris" is not a time zone; did you mean "Europe/Paris"?"#,
        r#"line 3: [templates] time_zones: ben: must be a time zone such as "Europe/Berlin""#,
        r#"line 3: [templates] time_zones: "a b": no user has such a name"#,
        r#"line 3: [templates] time_zones: eve: "Mitteleuropa" is not a time zone such as "Europe/Berlin""#,
    ] {
        assert!(
            problems.iter().any(|problem| problem == said),
            "{said} in {problems:#?}"
        );
    }
    assert_eq!(problems.len(), 5, "{problems:#?}");
    let good = "[templates]\ntime_zone = \"America/New_York\"\ntime_zones = { \"@b\" = \"UTC\" }\n";
    assert_eq!(read(good).1, [""; 0]);
}

#[test]
fn times_and_sizes() {
    for (text, seconds) in [
        ("'1d'", 86_400),
        ("'1h1m1s'", 3661),
        ("90", 90),
        ("'090s'", 90),
    ] {
        assert_eq!(
            good(&format!("[retry]\nlifetime = {text}"))
                .retry
                .lifetime
                .0
                .as_secs(),
            seconds
        );
    }
    for text in [
        "''",
        "'5'",
        "'s'",
        "'1w'",
        "-1",
        "'-1s'",
        "'1 s'",
        "'99999999999999999999s'",
        "'999999999d'",
        "'1µs'",
    ] {
        assert_eq!(
            read(&format!("[retry]\nlifetime = {text}")).1.len(),
            1,
            "{text}"
        );
    }
    for (text, bytes) in [("'64K'", 65_536), ("'1 GiB'", 1 << 30), ("70000", 70_000)] {
        assert_eq!(
            good(&format!("[spool]\nmax_bytes = {text}"))
                .spool
                .max_bytes,
            Size(bytes)
        );
    }
    for text in ["'1K'", "0", "-1", "'-1G'", "'1T'", "1.5", "'99999999999G'"] {
        assert_eq!(
            read(&format!("[spool]\nmax_bytes = {text}")).1.len(),
            1,
            "{text}"
        );
    }
}

#[test]
fn the_file_of_defaults_says_the_defaults() {
    let text = show::defaults(METHODS);
    let config = good(&text);
    let mut usual = Config::default();
    for method in METHODS.iter().filter(|method| method.spooled) {
        let said = config.method(method.name);
        assert_eq!(said.permits, Some(Permits(method.permits)));
        assert_eq!(
            said.timeout,
            Some(Wait(Duration::from_secs(method.timeout)))
        );
        assert_eq!(
            (said.first, said.maximum),
            (Some(usual.retry.first), Some(usual.retry.maximum))
        );
        usual.methods.insert(method.name.to_owned(), said);
    }
    assert_eq!(config, usual);
    for key in KEYS {
        assert!(text.contains(&format!("\n{} = ", key.name)), "{}", key.name);
    }
}

#[test]
fn what_was_changed_is_all_that_is_shown() {
    assert_eq!(Config::default().changed(), "");
    let text = "[spool]\nmax_rows = 5\n[method.zephyr]\npermits = 2\nrealm = \"a\\\\\\\"b\"\n[log]\ndelivered = false\n";
    assert_eq!(good(text).changed(), text);
}

#[test]
fn bytes_that_are_no_text_are_a_mistake() {
    let own = Own::parse(Path::new("/f"), b"[spool]\nmax_rows = 5\n# \xff\n", METHODS);
    assert_eq!(
        own.complaints().collect::<Vec<_>>(),
        ["/f: line 3: not UTF-8"]
    );
    assert_eq!(own.config.spool.max_rows, Limit(5));
}

#[test]
fn a_file_that_was_named_must_be_there() {
    let dir = tempfile::tempdir().unwrap();
    let load = |name: &str| {
        let path = dir.path().join(name);
        Own::load(Some(path.as_os_str().as_encoded_bytes()), None, METHODS)
    };
    let said = |own: Own| {
        own.complaints()
            .map(|line| line.replace(dir.path().to_str().unwrap(), ""))
            .collect::<Vec<_>>()
    };
    assert_eq!(
        said(load("x")),
        ["/x: cannot be read: notifyd_config names it, and there is no such file"]
    );
    assert_eq!(
        said(load("")),
        ["/: cannot be read: it is not a regular file"]
    );
    let relative = Own::load(Some(b"x.toml"), None, METHODS)
        .complaints()
        .next();
    assert!(relative.unwrap().contains("absolute path"));
    let prefix = dir.path().as_os_str();
    assert_eq!(
        Own::load(None, Some(prefix), METHODS).file.as_deref(),
        None.or(Path::new(DEFAULT_FILE)
            .exists()
            .then_some(Path::new(DEFAULT_FILE)))
    );
    std::fs::create_dir(dir.path().join("etc")).unwrap();
    std::fs::write(
        dir.path().join("etc/notifyd.toml"),
        "[spool]\nmax_rows = 7\n",
    )
    .unwrap();
    assert_eq!(
        Own::load(None, Some(prefix), METHODS).config.spool.max_rows,
        Limit(7)
    );
}

/// As many mistakes as a file of the largest size holds: the first ones are told, the rest is counted.
#[test]
fn there_is_an_end_of_mistakes() {
    let tables: String = (0..100_000).map(|n| format!("[t{n}]\n")).collect();
    let keys: String = (0..100_000).map(|n| format!("k{n}=1\n")).collect();
    for (text, first, more) in [
        (tables.clone(), "[t", 99_951),
        (format!("[spool]\n{keys}"), "[spool] k", 99_950),
        (
            format!("max_row = 1\n{tables}"),
            "max_row stands in no table",
            99_951,
        ),
        (tables.replace("[t", "[method.t"), "[method.t", 99_950),
    ] {
        let (_, problems) = Config::read(&text, METHODS);
        assert_eq!(problems.len(), 51);
        assert!(
            problems
                .iter()
                .any(|problem| problem.what.starts_with(first))
        );
        let last = &problems[50].what;
        let count: String = last.chars().filter(char::is_ascii_digit).collect();
        assert!(last.ends_with("more mistakes"), "{last}");
        assert!(count.parse::<i32>().unwrap().abs_diff(more) <= 1, "{last}");
    }
    let broken = "= 1\n".repeat(100_000);
    assert_eq!(Config::read(&broken, METHODS).1.len(), 51);
}
