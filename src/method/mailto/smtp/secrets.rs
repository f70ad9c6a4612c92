//! What no server's words may carry into the log or the queue: the password, in the forms in which it was sent to the
//! server (RFC 4616, AUTH LOGIN), and which the server may say back.

use super::super::transport::Answer;
use crate::mail::encoded_word::base64;
use crate::system::syslog::printable;

/// What stands in their place.
const HIDDEN: &str = "***";
/// So much of an encoded one gives it away; no word of a reply is by chance the same.
const TELLING: usize = 8;
/// How much of an answer is told, in bytes. It is cut only after they were hidden, lest a part of one stays.
const TOLD: usize = 500;

/// The forms of the password.
#[derive(Default)]
pub(super) struct Secrets {
    plain: Vec<String>,
    /// In base64, without padding.
    encoded: Vec<String>,
}

impl Secrets {
    /// Those of a password, with the name that goes with it.
    pub(super) fn of(name: &str, password: &str) -> Secrets {
        let encoded = |bytes: &[u8]| {
            let text = String::from_utf8_lossy(&base64(bytes)).into_owned();
            text.trim_end_matches('=').to_owned()
        };
        if password.is_empty() {
            return Secrets::default();
        }
        let login = format!("\0{name}\0{password}");
        Secrets {
            plain: vec![
                printable(password.as_bytes(), usize::MAX),
                password.to_owned(),
            ],
            encoded: vec![encoded(login.as_bytes()), encoded(password.as_bytes())],
        }
    }

    /// The answer without them.
    pub(super) fn hide_in(&self, answer: Answer) -> Answer {
        let told = |why: String| head(self.hide(&why));
        match answer {
            Answer::Sent(why) => Answer::Sent(told(why)),
            Answer::Temporary(why) => Answer::Temporary(told(why)),
            Answer::Permanent(why) => Answer::Permanent(told(why)),
            Answer::Lost(why) => Answer::Lost(told(why)),
        }
    }

    fn hide(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for form in &self.encoded {
            text = hide_runs(&text, &form[..form.len().min(TELLING)]);
        }
        for form in &self.plain {
            text = text.replace(form.as_str(), HIDDEN);
        }
        text
    }
}

/// Hides each run of base64 that begins with `start`.
fn hide_runs(text: &str, start: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(start) {
        out.push_str(&rest[..at]);
        out.push_str(HIDDEN);
        let after = &rest[at + start.len()..];
        let is_base64 = |c: char| c.is_ascii_alphanumeric() || "+/=".contains(c);
        rest = after.trim_start_matches(is_base64);
    }
    out + rest
}

/// The head of a text.
fn head(text: String) -> String {
    match text.len() <= TOLD {
        true => text,
        false => format!("{}...", &text[..text.floor_char_boundary(TOLD)]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hide(text: &str) -> String {
        let secrets = Secrets::of("us", "Zq7x\u{e9}");
        match secrets.hide_in(Answer::Temporary(text.into())) {
            Answer::Temporary(why) => why,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn no_form_of_the_password_is_told() {
        for (text, told) in [
            (
                "535 bad AUTH PLAIN AHVzAFpxN3jDqQ==",
                "535 bad AUTH PLAIN ***",
            ),
            ("535 bad AHVzAFpxN3jD... (cut)", "535 bad ***... (cut)"),
            ("535 WnE3eMOp, Zq7x\u{e9}Zq7x\u{e9}", "535 ***, ******"),
            ("250 queued as 4711", "250 queued as 4711"),
        ] {
            assert_eq!(hide(text), told);
        }
        let none = Secrets::default();
        let answer = Answer::Sent("250 \u{e9}".into());
        assert_eq!(none.hide_in(answer.clone()), answer);
        assert_eq!(Secrets::of("", "").hide("abc"), "abc");
    }

    #[test]
    fn what_is_cut_off_is_cut_after_it_was_hidden() {
        let text = hide(&format!("{}Zq7x\u{e9}", "x".repeat(TOLD - 2)));
        assert!(text.len() < TOLD + 10 && !text.contains("Zq"), "{text}");
    }
}
