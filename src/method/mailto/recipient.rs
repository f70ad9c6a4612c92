//! One recipient of one mail of a delivery: what is known, and what follows from what happens. Pure.
//!
//! | known         | vanished      | asked      | admitted      | accepted | deferred      | rejected      | lost          |
//! |---------------|---------------|------------|---------------|----------|---------------|---------------|---------------|
//! | `New`         | `Unknown`     | `Admitted` | `Admitted`    | `Sent`   | `Admitted`    | `Refused`     | `Unknown`     |
//! | `Admitted`    | `Unknown`     | `Admitted` | `Admitted`    | `Sent`   | `Admitted`    | `Refused`     | `Unknown`     |
//! | `Unknown`     | `GivenUp`     | `Unknown`  | `Unknown`     | `Sent`   | `Unknown`     | `CopyRefused` | `GivenUp`     |
//! | `GivenUp`     | `GivenUp`     | `Unknown`  | `GivenUp`     | `Sent`   | `GivenUp`     | `CopyRefused` | `GivenUp`     |
//! | `Refused`     | `Refused`     | `Admitted` | `Refused`     | `Sent`   | `Refused`     | `Refused`     | `Refused`     |
//! | `CopyRefused` | `CopyRefused` | `Unknown`  | `CopyRefused` | `Sent`   | `CopyRefused` | `CopyRefused` | `CopyRefused` |
//! | `Sent`        | `Sent`        | `Sent`     | `Sent`        | `Sent`   | `Sent`        | `Sent`        | `Sent`        |
//!
//! *Vanished*: an attempt began, and nothing is known of its end, because the process died or had to abandon it. *Asked*:
//! the operator asked for the delivery after it had failed or was on hold. An attempt that was cut short has answers as
//! any other: *deferred* for those to whom nothing was submitted, *lost* (the answer is) for those to whom it was.
//!
//! `New` and `Admitted` get the mail, the first within the limits. `Unknown` gets it once more, with X-Notifyd-Again (RFC
//! 5436 section 2.7 wants no second submission). The others do not get it.
//!
//! What happened since something was written down follows from three numbers that never go back, all of them counts of
//! attempts begun: at which attempt it was written, how many there were when the operator asked, how many there are
//! now ([`State::caught_up`]). So nothing has to be written before an attempt: the spool counts it when it claims the row.

use super::transport::Answer;
use crate::system::syslog::printable;

/// How much of a server's words is kept, in bytes.
const WORDS: usize = 300;

/// What is known of a recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Nobody has it. Whether it is a repeat or over a limit is still to be asked.
    New,
    /// Nobody has it, and it counts in the limits.
    Admitted,
    /// It was submitted once, and what came of it is not known.
    Unknown,
    /// It was submitted twice, and what came of either is not known: the operator decides.
    GivenUp,
    /// A server refused it for good, in these words.
    Refused(String),
    /// The same of the second submission, while what came of the first is not known.
    CopyRefused(String),
    /// A server has accepted it.
    Sent,
}

/// What happens to a recipient.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Event<'a> {
    /// An attempt began, and nothing is known of its end.
    Vanished,
    /// The operator asked for the delivery.
    Asked,
    /// It is no repeat, and within the limits.
    Admitted,
    /// What a submission came to.
    Answer(&'a Answer),
}

impl State {
    /// The table above.
    #[must_use]
    pub(super) fn next(self, event: Event<'_>) -> State {
        use Event::{Admitted, Asked, Vanished};
        use State::{CopyRefused, GivenUp, New, Refused, Sent, Unknown};
        let words = |why: &str| printable(why.as_bytes(), WORDS);
        match (self, event) {
            (Sent, _) | (_, Event::Answer(Answer::Sent(_))) => Sent,
            (Refused(_), Asked) => State::Admitted,
            (GivenUp | CopyRefused(_), Asked) | (Unknown, Asked | Admitted) => Unknown,
            (state @ (Refused(_) | CopyRefused(_)), _) => state,
            (Unknown | GivenUp, Event::Answer(Answer::Permanent(why))) => CopyRefused(words(why)),
            (_, Event::Answer(Answer::Permanent(why))) => Refused(words(why)),
            (GivenUp, _) => GivenUp,
            (Unknown, Event::Answer(Answer::Temporary(_))) => Unknown,
            (Unknown, Vanished | Event::Answer(Answer::Lost(_))) => GivenUp,
            (New | State::Admitted, Vanished | Event::Answer(Answer::Lost(_))) => Unknown,
            (New | State::Admitted, _) => State::Admitted,
        }
    }

    /// What is known now of what was written down at attempt `written` (0: never), when `asked` attempts had begun as the
    /// operator asked last (0: never), and attempt `begun` begins.
    #[must_use]
    pub(super) fn caught_up(self, written: u32, asked: u32, begun: u32) -> State {
        let over = begun.saturating_sub(1);
        // More than two of the same change nothing any more.
        let vanish = |state: State, attempts: u32| {
            (0..attempts.min(2)).fold(state, |state, _| state.next(Event::Vanished))
        };
        if asked == 0 || asked < written || asked > over {
            return vanish(self, over.saturating_sub(written));
        }
        // Of several times that the operator asked only the last is known: one before may have led to an attempt that
        // vanished.
        let known = match self {
            State::Refused(words) if asked > written => State::CopyRefused(words),
            known => known,
        };
        let state = vanish(known, asked - written).next(Event::Asked);
        vanish(state, over - asked)
    }

    /// As it stands in the ledger after attempt `begun`; none for what need not be written down. 0.1.0 reads it, too.
    pub(super) fn written(&self, begun: u32) -> Option<Vec<u8>> {
        let (letter, words) = match self {
            State::New => return None,
            State::Sent => return Some(b"s".to_vec()),
            State::Admitted => (b'a', String::new()),
            State::Unknown => (b't', String::new()),
            State::GivenUp => (b'u', String::new()),
            State::Refused(words) => (b'r', format!("\0{words}")),
            State::CopyRefused(words) => (b'r', format!("\x01{words}")),
        };
        Some([&[letter], begun.to_be_bytes().as_slice(), words.as_bytes()].concat())
    }

    /// What [`written`](State::written) wrote, and at which attempt; none there when 0.1.0 wrote it, which wrote something
    /// before each attempt.
    pub(super) fn read(value: &[u8]) -> (State, Option<u32>) {
        let (letter, rest) = value.split_first().unwrap_or((&0, b""));
        let (begun, words) = match rest.split_first_chunk() {
            Some((begun, words)) => (Some(u32::from_be_bytes(*begun)), words),
            None => (None, rest),
        };
        let state = match letter {
            b's' => State::Sent,
            b't' => State::Unknown,
            b'u' => State::GivenUp,
            b'r' => {
                let (copy, words) = words.split_first().unwrap_or((&0, b""));
                let words = String::from_utf8_lossy(words).into_owned();
                match copy {
                    1 => State::CopyRefused(words),
                    _ => State::Refused(words),
                }
            }
            // `h`: 0.1.0 left it to the operator, who has asked for it by now.
            b'a' | b'h' => State::Admitted,
            _ => State::New,
        };
        (state, begun)
    }
}

#[cfg(test)]
mod tests;
