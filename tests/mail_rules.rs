//! Every rule for mail that Sieve asks for, one row each: RFC 5436 and RFC 5435 (`rfc5436.rs`), RFC 6068 (`rfc6068.rs`),
//! RFC 3834 (`rfc3834.rs`).
//!
//! A row names its section, and how it is known that the rule holds: what the built daemon gives to sendmail, what a
//! reader of the library makes of a text, which other test shows it; or why it is not ours to keep.

#![allow(
    clippy::unwrap_used,
    reason = "a test that panics has failed, as it should"
)]

#[path = "mail_rules/case.rs"]
mod case;
#[path = "mail_rules/rfc3834.rs"]
mod rfc3834;
#[path = "mail_rules/rfc5436.rs"]
mod rfc5436;
#[path = "mail_rules/rfc6068.rs"]
mod rfc6068;
#[path = "stage/mod.rs"]
mod stage;

use case::{Case, Stages};

/// One rule.
struct Rule {
    /// Where it stands: `"RFC 5436 2.7"`.
    section: &'static str,
    /// What it says, and how strongly.
    rule: &'static str,
    proof: Proof,
}

/// How it is known that a rule holds.
enum Proof {
    /// By mails that the daemon sends or does not send.
    Mails(Vec<Case>),
    /// By what the library reads.
    Reads(fn()),
    /// By another test: its name.
    Elsewhere(&'static str),
    /// The daemon cannot know it, or it is Cyrus' part: why.
    NotOurs(&'static str),
}

fn rule(section: &'static str, rule: &'static str, proof: Proof) -> Rule {
    Rule {
        section,
        rule,
        proof,
    }
}

/// The tables, with how many rows each must have.
fn tables() -> [(&'static str, Vec<Rule>, usize); 3] {
    [
        ("RFC 5436, RFC 5435", rfc5436::rules(), 30),
        ("RFC 6068", rfc6068::rules(), 8),
        ("RFC 3834", rfc3834::rules(), 11),
    ]
}

#[test]
fn the_tables_are_complete() {
    let mut seen = Vec::new();
    for (name, rules, count) in tables() {
        assert_eq!(rules.len(), count, "{name}");
        for rule in &rules {
            assert!(rule.section.starts_with("RFC "), "{}", rule.rule);
            assert!(!seen.contains(&rule.rule), "twice: {}", rule.rule);
            seen.push(rule.rule);
            match &rule.proof {
                Proof::Mails(cases) => assert!(!cases.is_empty(), "{}", rule.rule),
                Proof::Elsewhere(why) | Proof::NotOurs(why) => assert!(!why.is_empty()),
                Proof::Reads(_) => {}
            }
        }
    }
}

#[test]
fn tests_that_are_named_exist() {
    let manifest = env!("CARGO_MANIFEST_DIR");
    for (_, rules, _) in tables() {
        for rule in rules {
            let Proof::Elsewhere(what) = rule.proof else {
                continue;
            };
            let (file, test) = what.split_once(": ").unwrap();
            let text = std::fs::read_to_string(format!("{manifest}/{file}")).unwrap_or_default();
            assert!(text.contains(&format!("fn {test}()")), "{what}");
        }
    }
}

#[test]
fn readers_keep_the_rules() {
    for (_, rules, _) in tables() {
        for rule in rules {
            if let Proof::Reads(check) = rule.proof {
                println!("{}: {}", rule.section, rule.rule);
                check();
            }
        }
    }
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn mails_keep_the_rules() {
    let tables = tables();
    let rules = || tables.iter().flat_map(|(_, rules, _)| rules);
    let cases = rules().flat_map(|rule| match &rule.proof {
        Proof::Mails(cases) => cases.as_slice(),
        _ => &[],
    });
    let mut stages = Stages::start(cases.clone());
    for rule in rules() {
        if let Proof::Mails(cases) = &rule.proof {
            for case in cases {
                println!("{}: {}: {}", rule.section, rule.rule, case.option);
                stages.play(case);
            }
        }
    }
}
