//! The words of mails, in every language that comes with the package: each kind with values of all sorts. What is made
//! is written below `target/tmp/templates`, for who wants to look at it in a browser.

#![allow(
    clippy::unwrap_used,
    reason = "a test that panics has failed, as it should"
)]

use cyrus_notifyd::mail::template::{KINDS, Templates, Words};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};

const SAMPLES: &str = include_str!("../src/mail/template/samples.json");

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/templates")
}

fn samples() -> Value {
    serde_json::from_str(SAMPLES).unwrap()
}

fn templates() -> Templates {
    let (templates, wrong) = Templates::open(Some(&examples()), "en");
    assert_eq!(wrong, []);
    templates
}

/// All mails in a language, with the values that they are made of.
fn mails(language: &str) -> Vec<(&'static str, Value, Words)> {
    let (templates, samples) = (templates(), samples());
    let of = |kind: &'static str| {
        let all = samples[kind].as_array().unwrap().clone();
        let templates = &templates;
        all.into_iter().map(move |values| {
            let words = templates.render(kind, language, &values);
            (kind, values, words)
        })
    };
    KINDS.into_iter().flat_map(of).collect()
}

#[test]
fn every_kind_in_every_language() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("templates");
    fs::create_dir_all(&folder).unwrap();
    for language in ["en", "de", "fr"] {
        for (n, (kind, _, words)) in mails(language).into_iter().enumerate() {
            let name = |end: &str| folder.join(format!("{language}-{n:02}-{kind}.{end}"));
            assert_eq!(words.wrong, [""; 0], "{language} {kind}");
            let html = words.html.unwrap();
            fs::write(name("txt"), format!("{}\n\n{}", words.subject, words.text)).unwrap();
            fs::write(name("html"), &html).unwrap();
            assert!(!words.subject.is_empty() && !words.subject.contains('\n'));
            assert!(
                words.text.ends_with('\n') && !words.text.contains("\n\n\n"),
                "{}",
                words.text
            );
            assert!(html.starts_with("<!DOCTYPE html>"), "{language} {kind}");
            for never in ["none", "undefined", "{{", "{%"] {
                for made in [&words.subject, &words.text] {
                    assert!(
                        !made.contains(never) || never == "none" && made.contains("(none)"),
                        "{language} {kind}: {never}: {made}"
                    );
                }
            }
        }
    }
}
