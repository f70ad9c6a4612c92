//! What became of a delivery, put together from what became of it for each recipient. Pure.

use super::guard::Standing;
use super::transport::Answer;
use crate::mail::address::Address;
use crate::method::Outcome;

/// How it ended for one recipient.
pub(super) enum End {
    Standing(Standing),
    Answer(Answer),
    TooLate(String),
}

/// What became of a delivery, put together from what became of it for each recipient.
#[derive(Default)]
pub(super) struct Tally {
    sent: Vec<String>,
    repeats: usize,
    temporary: Option<String>,
    held: Option<String>,
    refused: Vec<String>,
    late: Option<String>,
}

impl Tally {
    /// Counts one.
    pub(super) fn add(&mut self, to: &Address, end: End) {
        let named = |why: String| format!("{to}: {why}");
        match end {
            End::Answer(Answer::Sent(why)) => self.sent.push(why),
            End::Standing(Standing::Has) => self.sent.push("sent before".into()),
            End::Standing(Standing::Repeat) => self.repeats += 1,
            End::Answer(Answer::Temporary(why) | Answer::Lost(why)) => {
                self.temporary.get_or_insert(named(why));
            }
            End::Standing(Standing::Held(why)) => {
                self.held.get_or_insert(why);
            }
            End::Answer(Answer::Permanent(why)) => self.refused.push(named(why)),
            End::Standing(Standing::Refused) => self.refused.push(named("refused before".into())),
            End::Standing(Standing::GivenUp) => self.refused.push(named(
                "the answer was lost twice: he may have it, and it is not sent again".into(),
            )),
            End::TooLate(why) => {
                self.late.get_or_insert(why);
            }
            // Those get an answer.
            End::Standing(Standing::Go | Standing::Again) => {}
        }
    }

    /// What may still succeed goes before what the operator must decide, and that before what is lost.
    pub(super) fn outcome(self) -> Outcome {
        let sent = self.sent.len();
        let with_sent = |why: String| match sent {
            0 => why,
            sent => format!("{why}; sent to {sent}"),
        };
        if let Some(why) = self.temporary {
            return Outcome::Temporary(with_sent(why));
        }
        if let Some(why) = self.held {
            return Outcome::Hold(with_sent(why));
        }
        if !self.refused.is_empty() {
            return Outcome::Permanent(with_sent(self.refused.join("; ")));
        }
        if let Some(why) = self.late {
            return Outcome::Expired(with_sent(why));
        }
        Outcome::Delivered(match (self.sent.first(), self.repeats) {
            (None, _) => "the same was sent before".into(),
            (Some(first), _) if sent == 1 => first.clone(),
            (Some(first), _) => format!("{first}; {sent} recipients"),
        })
    }
}
