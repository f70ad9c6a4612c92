//! What holds for templates, whoever writes them.

use super::*;
use proptest::prelude::*;
use serde_json::json;
use std::fs;
use tempfile::TempDir;

fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, source) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, source).unwrap();
    }
    folder
}

/// The templates of these files, and what is wrong, without the folder's name.
fn open(files: &[(&str, &str)], usual: &str) -> (Templates, Vec<String>, TempDir) {
    let folder = folder(files);
    let (templates, wrong) = Templates::open(Some(folder.path()), usual);
    let front = format!("{}/", folder.path().display());
    let wrong = wrong
        .iter()
        .map(|wrong| wrong.to_string().replace(&front, ""))
        .collect();
    (templates, wrong, folder)
}

/// The templates of files in which nothing is wrong.
fn right(files: &[(&str, &str)], usual: &str) -> Templates {
    let (templates, wrong, _) = open(files, usual);
    assert_eq!(wrong, [""; 0]);
    templates
}

#[test]
fn every_built_in_file_is_right_and_makes_mails() {
    let (templates, wrong) = Templates::open(None, "en");
    assert_eq!(wrong, []);
    let samples: Value = serde_json::from_str(language::SAMPLES).unwrap();
    for kind in KINDS {
        let samples = samples[kind].as_array().unwrap();
        for values in samples.iter().chain([&json!({}), &json!(null)]) {
            let words = templates.render(kind, "xx", values);
            assert_eq!(words.wrong, [""; 0], "{kind}");
            assert!(!words.subject.is_empty() && !words.text.is_empty());
            assert!(words.html.is_some_and(|html| html.contains("</html>")));
        }
    }
    let used = templates.used();
    assert_eq!(used.len(), 3 * KINDS.len(), "{used:?}");
    assert!(used.iter().all(|from| from.starts_with("built-in en/")));
    // A file that is there and not named would not be in the program.
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/mail/template");
    let (files, _) = files::read(&here);
    let mut found: Vec<String> = files
        .into_iter()
        .map(|file| match file.tag {
            Some(tag) => format!("{tag}/{}", file.name),
            None => file.name,
        })
        .collect();
    let mut known: Vec<&str> = files::BUILT_IN.iter().map(|(name, _)| *name).collect();
    found.sort();
    known.sort_unstable();
    assert_eq!(found, known);
}

#[test]
fn the_most_exact_language_counts_file_by_file() {
    let files = [
        ("de_AT/alarm.subject", "at {{ summary }}"),
        ("de/alarm.subject", "de"),
        ("de/alarm.txt", "de {{ language }}"),
        ("fr/alarm.subject", "fr"),
        ("fr/quota.subject", "fr"),
        ("en/quota.subject", "own"),
        ("README", "not for us"),
        ("notes/alarm.subject", "{{"),
    ];
    let templates = right(&files, "fr");
    let subject = |kind, language| {
        templates
            .render(kind, language, &json!({"summary": "x"}))
            .subject
    };
    for (kind, language, wanted) in [
        ("alarm", "de-AT", "at x"),
        ("alarm", "DE-at", "at x"),
        ("alarm", "de-CH", "de"),
        ("alarm", "de", "de"),
        ("alarm", "it", "fr"),
        ("alarm", "fr-CA", "fr"),
        ("quota", "de", "fr"),
        ("quota", "en-GB", "own"),
        ("alarm", "en-GB", "Reminder: x"),
        ("signin", "de", "New sign-in to your mailbox"),
    ] {
        assert_eq!(subject(kind, language), wanted, "{kind} {language}");
    }
    // The language that wants it, not the one that has it.
    let text = templates.render("alarm", "de-AT", &json!({})).text;
    assert_eq!(text, "de de-at\n");
}

#[test]
fn html_never_says_it_in_another_language_than_the_text() {
    let only_text = right(&[("de/alarm.txt", "Hallo")], "en");
    assert_eq!(only_text.render("alarm", "de", &json!({})).html, None);
    let used = only_text.used();
    assert!(
        used.len() == 2 && used.iter().all(|from| !from.ends_with("html")),
        "{used:?}"
    );
    let english = right(&[("en/alarm.txt", "Hello")], "en");
    assert_eq!(english.render("alarm", "en", &json!({})).html, None);
    let both = right(
        &[("de/alarm.txt", "Hallo"), ("de-AT/alarm.html", "<p>")],
        "en",
    );
    assert!(both.render("alarm", "de-AT", &json!({})).html.is_some());
    assert_eq!(both.render("alarm", "de", &json!({})).html, None);
}

#[test]
fn files_of_a_language_import_each_other_and_nothing_else() {
    let secret = tempfile::NamedTempFile::new().unwrap();
    fs::write(secret.path(), "secret").unwrap();
    let secret = secret.path().display().to_string();
    let include = format!("{{% include '{secret}' %}}");
    let files = [
        (
            "de/quota.subject",
            "{% from 'words.txt' import hello %}{{ hello(user) }}",
        ),
        (
            "de/words.txt",
            "{% macro hello(x) %}Hallo {{ x }}{% endmacro %}",
        ),
        (
            "de-AT/words.txt",
            "{% macro hello(x) %}Servus {{ x }}{% endmacro %}",
        ),
        ("de/alarm.subject", include.as_str()),
        ("de/imip.subject", "{% include '../fr/words.txt' %}"),
        ("fr/words.txt", "secret"),
        ("fr/signin.subject", "{% include 'alarm.subject' %}"),
    ];
    let (templates, wrong, _) = open(&files, "en");
    let subject = |kind, language| {
        templates
            .render(kind, language, &json!({"user": "u"}))
            .subject
    };
    assert_eq!(subject("quota", "de"), "Hallo u");
    assert_eq!(subject("quota", "de-AT"), "Servus u");
    assert_eq!(subject("alarm", "de"), "Reminder: (no title)");
    assert_eq!(wrong.len(), 3, "{wrong:#?}");
    assert!(
        wrong
            .iter()
            .all(|line| line.contains(": line 1: template not found")),
        "{wrong:#?}"
    );
}

#[test]
fn a_bad_template_is_named_with_its_line_and_passed_over() {
    let files = [
        ("de/alarm.subject", "Hallo\n{{ summary "),
        ("de/alarm.txt", "\n\n{{ summary|nonsense }}"),
        (
            "de/quota.subject",
            "{% from 'sums.txt' import x %}\n{{ x(user) }}",
        ),
        (
            "de/sums.txt",
            "{% macro x(u) %}\n\n{{ u + 1 }}{% endmacro %}",
        ),
        ("de/signin.subject", "{{ 1 // address|length }}"),
        ("de/alram.subject", "Hallo"),
        ("de/imip.txt", "\u{0}{% if %}"),
    ];
    let (templates, wrong, _) = open(&files, "en");
    let wanted = [
        "de/alarm.subject: line 2: syntax error",
        "de/alarm.txt: line 3: unknown filter",
        "de/alram.subject: no mail is of kind alram; there are: sieve, alarm",
        "de/imip.txt: line 1: syntax error",
        "de/sums.txt: line 3: invalid operation",
    ];
    for wanted in wanted {
        assert!(
            wrong.iter().any(|line| line.starts_with(wanted)),
            "{wanted}: {wrong:#?}"
        );
    }
    let words = templates.render("alarm", "de", &json!({"summary": "x"}));
    assert_eq!(words.subject, "Reminder: x");
    assert!(words.text.starts_with("x\n") && words.wrong.is_empty());
    // What goes wrong only with a mail's values is told by the mail.
    let (templates, wrong, _) = open(
        &[(
            "de/signin.subject",
            "Hallo {% if user == 'u' %}\n{{ user + 1 }}{% endif %}",
        )],
        "en",
    );
    assert_eq!(wrong, [""; 0]);
    let words = templates.render("signin", "de", &json!({"user": "u"}));
    assert_eq!(words.subject, "New sign-in to your mailbox");
    assert!(
        matches!(words.wrong.as_slice(), [line] if line.contains("de/signin.subject: line 2: ")),
        "{:?}",
        words.wrong
    );
}

#[test]
fn a_folder_that_is_not_there_is_told() {
    let (templates, wrong) = Templates::open(Some(Path::new("/nonexistent/words")), "de");
    assert_eq!(wrong.len(), 1);
    assert!(
        wrong[0]
            .to_string()
            .starts_with("/nonexistent/words: No such file")
    );
    assert!(
        !templates
            .render("alarm", "de", &json!({}))
            .subject
            .is_empty()
    );
}

#[test]
fn no_template_hangs_or_fills_the_memory() {
    let long = "{% for x in range(9000) %}{% for y in range(9000) %}{% endfor %}{% endfor %}";
    let (templates, wrong, _) = open(
        &[
            ("de/alarm.subject", long),
            ("de/alarm.txt", "{{ 'x' * 1000000000 }}"),
            (
                "de/quota.txt",
                "{% set x = 'x' * 10000 %}{% for y in range(200) %}{{ x }}{% endfor %}",
            ),
            (
                "de/imip.txt",
                "{% macro x() %}{{ x() }}{% endmacro %}{{ x() }}",
            ),
            ("de/signin.txt", "{% include 'signin.txt' %}"),
        ],
        "en",
    );
    let why = |file: &str, why: &str| {
        let told = |line: &&String| line.starts_with(file) && line.ends_with(why);
        assert!(wrong.iter().any(|line| told(&line)), "{file}: {wrong:#?}");
    };
    why("de/alarm.subject", "takes too long, or makes too much");
    why("de/alarm.txt", "takes too long, or makes too much");
    why("de/quota.txt", "makes more than 1048576 bytes");
    assert_eq!(wrong.len(), 5, "{wrong:#?}");
    assert!(
        templates
            .render("alarm", "de", &json!({}))
            .subject
            .starts_with("Reminder")
    );
}

#[test]
fn a_file_that_is_no_template_is_not_read() {
    let folder = folder(&[("de/alarm.subject", "x")]);
    fs::write(folder.path().join("de/quota.txt"), vec![b'x'; 300 << 10]).unwrap();
    fs::write(folder.path().join("de/imip.txt"), b"\xff").unwrap();
    fs::create_dir(folder.path().join("de/signin.txt")).unwrap();
    let pipe = folder.path().join("de/newmail.txt");
    nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let (_, wrong) = Templates::open(Some(folder.path()), "en");
    let lines: Vec<String> = wrong.iter().map(ToString::to_string).collect();
    assert_eq!(lines.len(), 4, "{lines:#?}");
}

#[test]
fn filters() {
    let source = "{{ a|color }} {{ b|color('#111111') }} {{ c|color('#222222') }} {{ nothing|color('#333333') }}";
    let templates = right(&[("de/alarm.txt", source)], "en");
    let values = json!({"a": "#12aBcd", "b": "#12abcd80", "c": "red;}"});
    assert_eq!(
        templates.render("alarm", "de", &values).text,
        "#12aBcd #12abcd #222222 #333333\n"
    );
    let source = "{{ a|wrap(10) }}|{{ nothing|wrap }}|{{ b|wrap(12) }}";
    let templates = right(&[("de/alarm.txt", source)], "en");
    let values = json!({"a": "one two three\nhttps://example.org/x y", "b": "  an indented line"});
    assert_eq!(
        templates.render("alarm", "de", &values).text,
        "one two\nthree\nhttps://example.org/x\ny||  an\n  indented\n  line\n"
    );
    let templates = right(&[("de/alarm.html", "{{ a|breaks }}")], "en");
    let html = templates
        .render("alarm", "de", &json!({"a": "<b>\r\nx\n"}))
        .html;
    assert_eq!(html.as_deref(), Some("&lt;b&gt;<br>\nx\n"));
}

#[test]
fn a_folded_line_is_never_much_longer_than_its_text() {
    let templates = right(&[("de/alarm.txt", "{{ a|wrap }}")], "en");
    let folded = |text: String| templates.render("alarm", "de", &json!({ "a": text })).text;
    let deep = folded(format!("x\n{}{}", " ".repeat(1000), "a ".repeat(1000)));
    assert!(deep.len() < 3 * 3000, "{}", deep.len());
    let lines: Vec<&str> = deep.lines().skip(1).collect();
    assert!(lines.iter().all(|line| line.len() <= 76), "{lines:#?}");
    assert_eq!(
        lines[0],
        format!("{}{}", " ".repeat(38), ["a"; 19].join(" "))
    );
    assert!(lines[1].starts_with(&" ".repeat(38)));
}

#[test]
fn values_are_cut_before_a_template_sees_them() {
    let source = "{{ summary|length }} {{ description|length }} {{ attendees|length }} {{ summary|last }} {{ user }}";
    let templates = right(&[("de/alarm.txt", source)], "en");
    let person = json!({ "name": "x".repeat(300), "email": "y".repeat(9000) });
    let values = json!({
        "summary": "\u{fc}".repeat(5000),
        "description": "\u{20ac}".repeat(50_000),
        "attendees": vec![person; 5000],
        "user": "anna",
    });
    // 2 bytes and 3 bytes a character, one of them for the ellipsis; 4396 bytes of text and one for itself a person.
    let text = templates.render("alarm", "de", &values).text;
    assert_eq!(text, "2047 21845 30 \u{2026} anna\n");
    let values = json!({ "attendees": vec![json!({ "name": "x" }); 5000], "summary": "\u{fc}".repeat(2048), "description": "" });
    let text = templates.render("alarm", "de", &values).text;
    assert_eq!(text, "2048 0 1000 \u{fc} \n");
}

#[test]
fn no_value_makes_a_template_run_away() {
    let files = [
        (
            "de/alarm.txt",
            "{{ description|replace('a', description) }}",
        ),
        (
            "de/quota.txt",
            "{% set ns = namespace(t='a') %}{% for x in range(60) %}{% set ns.t = ns.t ~ ns.t %}{% endfor %}",
        ),
        (
            "de/imip.txt",
            "{% for x in description %}{{ description|wrap }}{% endfor %}",
        ),
        (
            "de/sieve.txt",
            "{% for x in description %}{% set y = description|breaks %}{% endfor %}",
        ),
        (
            "de/signin.txt",
            "{% for x in description %}{% set y = description|indent(1000) %}{% endfor %}",
        ),
        (
            "de/one.txt",
            "{% include 'two.txt' %}{% include 'two.txt' %}{{ description|trim|upper }}",
        ),
        (
            "de/two.txt",
            "{% include 'three.txt' %}{% include 'three.txt' %}{{ description|trim|upper }}",
        ),
        (
            "de/three.txt",
            "{% for x in description %}{% set y = description|upper %}{% endfor %}",
        ),
        (
            "de/newmail.txt",
            "{% set y %}{% include 'one.txt' %}{% include 'one.txt' %}{% endset %}",
        ),
    ];
    let (templates, _, _) = open(&files, "en");
    let values = json!({ "description": "a \n".repeat(15_000) });
    for kind in KINDS {
        let words = templates.render(kind, "de", &values);
        let stopped = |line: &String| {
            line.ends_with("takes too long, or makes too much")
                || line.ends_with("makes more than 1048576 bytes")
        };
        assert!(
            kind == "quota" || words.wrong.iter().all(stopped) && !words.wrong.is_empty(),
            "{kind}: {:?}",
            words.wrong
        );
        assert!(!words.text.is_empty(), "{kind}: the next file says it");
    }
}

#[test]
fn fields_are_ours_or_the_templates() {
    let source = "X-Event: {{ summary }}\nFrom: a\nnonsense\nBcc: {{ user }}\nX-None: {{ nothing }}\nContent-Type: x\nReply-To: help@example.org\n";
    let templates = right(&[("en/alarm.fields", source)], "en");
    let words = templates.render(
        "alarm",
        "en",
        &json!({"summary": "a\r\nBcc: x\u{2028}y", "user": "u"}),
    );
    let field = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    assert_eq!(
        words.fields,
        [
            field("X-Event", "a Bcc: x y"),
            field("Reply-To", "help@example.org")
        ]
    );
    assert_eq!(words.wrong.len(), 4, "{:?}", words.wrong);
}

/// Each text of the values replaced by `text`.
fn replaced(values: &Value, text: &str) -> Value {
    match values {
        Value::String(_) => text.into(),
        Value::Array(all) => all.iter().map(|value| replaced(value, text)).collect(),
        Value::Object(all) => {
            let all = all.iter();
            Value::Object(
                all.map(|(name, value)| (name.clone(), replaced(value, text)))
                    .collect(),
            )
        }
        other => other.clone(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// What is folded has the words of the text in their order, and long lines only for long words.
    #[test]
    fn folding_changes_blanks_alone(text in "([a-z\u{e9}\u{301}]{0,12}[ \n\u{3000}]{0,6}){0,60}", width in 10_usize..90) {
        let templates = right(&[("de/alarm.txt", "{{ description|wrap(width) }}")], "en");
        let folded = templates.render("alarm", "de", &json!({ "description": text, "width": width })).text;
        let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        prop_assert_eq!(words(&folded), words(&text));
        for line in folded.lines().filter(|line| line.chars().count() > width) {
            prop_assert_eq!(line.trim().split(' ').count(), 1, "{}", line);
        }
        prop_assert!(folded.len() <= 3 * text.len() + 1);
    }

    #[test]
    fn no_value_gets_out_of_its_place(text in "(\\PC|[<>&\"'{}%\r\n\u{0}\u{85}\u{2028}]){0,30}", kind in 0..KINDS.len()) {
        let text = format!("<script>&'\"\r\nBcc: x@y\n\n{{{{ 1 + 1 }}}}{text}");
        let (templates, _) = Templates::open(Some(&Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/templates")), "en");
        let samples: Value = serde_json::from_str(language::SAMPLES).unwrap();
        for values in samples[KINDS[kind]].as_array().unwrap() {
            let values = replaced(values, &text);
            for language in ["en", "de", "fr"] {
                let words = templates.render(KINDS[kind], language, &values);
                prop_assert_eq!(&words.wrong, &[""; 0]);
                prop_assert!(!words.subject.contains(char::is_control));
                let html = words.html.unwrap();
                prop_assert!(!html.contains("<script") && html.contains("&lt;script"), "{}", html);
                prop_assert!(!html.contains("&amp;lt;"), "escaped twice: {}", html);
                prop_assert!(!html.contains("style=\"<") && !html.contains("</style><"));
            }
        }
    }
}

/// The stack of the daemon's threads.
const STACK: usize = 512 << 10;

#[test]
fn a_thread_of_the_daemon_has_room_for_it() {
    let body = || {
        let nested =
            |open: &str, close: &str| format!("{}1{}", open.repeat(400), close.repeat(400));
        let expression = format!("{{{{ {} }}}}", nested("(", ")"));
        let list = format!("{{{{ {} }}}}", nested("[", "]"));
        let blocks = nested("{% if true %}", "{% endif %}");
        let loops = nested("{% for x in [1] %}", "{% endfor %}");
        let nots = format!("{{{{ {}1 }}}}", "not ".repeat(400));
        let sums = format!("{{{{ 1{} }}}}", "+1".repeat(400));
        let files = [
            ("de/alarm.txt", expression.as_str()),
            ("de/quota.txt", &list),
            ("de/imip.txt", &blocks),
            ("de/sieve.txt", &loops),
            ("de/signin.txt", &nots),
            ("de/newmail.txt", &sums),
            (
                "fr/alarm.txt",
                "{% macro x(a) %}{{ x([a]) }}{% endmacro %}{{ x(1) }}",
            ),
            ("fr/quota.txt", "{% include 'quota.txt' %}"),
            ("fr/imip.txt", "{% extends 'imip.txt' %}"),
            (
                "fr/sieve.txt",
                "{% macro x() %}{% call x() %}{{ caller() }}{% endcall %}{% endmacro %}{{ x() }}",
            ),
            (
                "fr/signin.txt",
                "{% for x in [[1]] recursive %}{{ loop([x]) }}{% endfor %}",
            ),
            ("fr/newmail.txt", "{% from 'newmail.txt' import x %}{{ x }}"),
        ];
        let (templates, _, _) = open(&files, "en");
        // As deep as serde_json reads.
        let deep: Value = (0..126).fold(json!("x"), |inner, _| json!({ "a": inner }));
        let everything = right(&[("de/alarm.txt", "{{ this }}")], "en");
        assert!(!everything.render("alarm", "de", &deep).text.is_empty());
        for language in ["de", "fr", "en"] {
            for kind in KINDS {
                assert!(!templates.render(kind, language, &deep).text.is_empty());
            }
        }
    };
    let thread = std::thread::Builder::new().stack_size(STACK).spawn(body);
    thread.unwrap().join().unwrap();
}
