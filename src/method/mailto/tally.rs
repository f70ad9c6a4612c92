//! What became of a delivery, put together from what became of it for each recipient. Pure.

use super::guard::{Recipient, Standing};
use super::recipient::State;
use super::transport::Answer;
use crate::mail::address::Address;
use crate::method::Outcome;

/// How much is said of those who were refused, in bytes.
const SAID: usize = 2000;
/// Why it is not sent any more to who may have it.
const GIVEN_UP: &str =
    "the answer was lost twice: the mail may have arrived, and it is not sent again";

/// What became of a delivery, put together from what became of it for each recipient.
#[derive(Default)]
pub(super) struct Tally {
    sent: usize,
    /// What a server said as it took it.
    said: Option<String>,
    temporary: Option<String>,
    refused: Vec<String>,
    late: bool,
}

impl Tally {
    /// Counts one.
    pub(super) fn add(&mut self, to: &Address, one: &Recipient) {
        match (&one.state, &one.standing, &one.answer) {
            (State::Sent, _, answer) => {
                self.sent += 1;
                if let (Some(Answer::Sent(why)), None) = (answer, &self.said) {
                    self.said = Some(why.clone());
                }
            }
            (State::Refused(words) | State::CopyRefused(words), ..) => {
                self.refused.push(format!("{to}: {words}"))
            }
            (State::GivenUp, ..) => self.refused.push(format!("{to}: {GIVEN_UP}")),
            (_, Standing::Repeat, _) => {}
            (_, Standing::TooLate, _) => self.late = true,
            (_, Standing::Limited(why), _) => drop(self.temporary.get_or_insert(why.clone())),
            (.., answer) => {
                let why = answer.as_ref().map_or("not tried", Answer::why);
                self.temporary.get_or_insert(format!("{to}: {why}"));
            }
        }
    }

    /// What may still succeed goes before what is lost. Each has all that was refused in it, whenever that was.
    pub(super) fn outcome(self) -> Outcome {
        let sent = self.sent;
        let refused = self.refused();
        let with = |mut why: String, more: &str| {
            if sent > 0 {
                why.push_str(&format!("; sent to {sent}"));
            }
            if !more.is_empty() {
                why.push_str(&format!("; refused: {more}"));
            }
            why
        };
        if let Some(why) = self.temporary {
            return Outcome::Temporary(with(why, &refused));
        }
        if !refused.is_empty() {
            return Outcome::Permanent(with(refused, ""));
        }
        if self.late {
            return Outcome::Expired(with("too late for it".into(), ""));
        }
        let said = self.said.unwrap_or_else(|| "sent before".into());
        Outcome::Delivered(match sent {
            0 => "the same was sent before".into(),
            1 => said,
            sent => format!("{said}; {sent} recipients"),
        })
    }

    /// Who was refused and why, as much as there is room for.
    fn refused(&self) -> String {
        let mut said = String::new();
        for (n, one) in self.refused.iter().enumerate() {
            if n > 0 && said.len() + one.len() > SAID {
                let rest = self.refused.len() - n;
                return format!("{said}; and {rest} more");
            }
            if n > 0 {
                said.push_str("; ");
            }
            said.push_str(one);
        }
        said
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(all: &[(State, Option<Answer>)]) -> Outcome {
        let mut tally = Tally::default();
        for (n, (state, answer)) in all.iter().enumerate() {
            let to = Address::parse(format!("r{n}@x.example").as_bytes()).unwrap();
            let (state, answer) = (state.clone(), answer.clone());
            let standing = Standing::Go;
            let one = Recipient {
                state,
                standing,
                answer,
            };
            tally.add(&to, &one);
        }
        tally.outcome()
    }

    #[test]
    fn a_final_line_has_the_words_of_each_refusal() {
        let refused = || (State::Refused("550 5.1.1 unknown".into()), None);
        let busy = Some(Answer::Temporary("451 busy".into()));
        let words = "r0@x.example: 550 5.1.1 unknown";
        assert_eq!(
            outcome(&[refused(), (State::Admitted, busy)]),
            Outcome::Temporary(format!("r1@x.example: 451 busy; refused: {words}"))
        );
        let ok = || (State::Sent, Some(Answer::Sent("250 ok".into())));
        assert_eq!(
            outcome(&[refused(), ok()]),
            Outcome::Permanent(format!("{words}; sent to 1"))
        );
        let many: Vec<_> = (0..1000).map(|_| refused()).collect();
        let Outcome::Permanent(why) = outcome(&many) else {
            panic!("refused")
        };
        assert!(why.len() < SAID + 100 && why.ends_with(" more"), "{why}");
        assert_eq!(
            outcome(&[ok(), ok()]),
            Outcome::Delivered("250 ok; 2 recipients".into())
        );
    }
}
