//! The table in the head of the module, and what no sequence of events may lead to.

use super::*;
use proptest::prelude::*;

fn state(word: &str) -> State {
    match word {
        "New" => State::New,
        "Admitted" => State::Admitted,
        "Unknown" => State::Unknown,
        "GivenUp" => State::GivenUp,
        "Refused" => State::Refused("550".into()),
        "CopyRefused" => State::CopyRefused("550".into()),
        "Sent" => State::Sent,
        other => panic!("{other}"),
    }
}

fn cells(line: &str) -> Vec<&str> {
    let cells = line.trim_start_matches("//! |").split('|');
    cells.map(|cell| cell.trim().trim_matches('`')).collect()
}

#[test]
fn the_table_in_the_head_is_what_happens() {
    let source = include_str!("../recipient.rs");
    let rows: Vec<&str> = source
        .lines()
        .filter(|line| line.starts_with("//! | `"))
        .collect();
    assert_eq!(rows.len(), 7);
    let answers = [
        Answer::Sent("250".into()),
        Answer::Temporary("451".into()),
        Answer::Permanent("550".into()),
        Answer::Lost("closed".into()),
    ];
    let events = [Event::Vanished, Event::Asked, Event::Admitted];
    let events = events.into_iter().chain(answers.iter().map(Event::Answer));
    let events: Vec<Event<'_>> = events.collect();
    for row in rows {
        let cells = cells(row);
        for (event, after) in events.iter().zip(&cells[1..]) {
            assert_eq!(
                state(cells[0]).next(*event),
                state(after),
                "{event:?}: {row}"
            );
        }
    }
}

#[test]
fn what_is_written_is_read() {
    for word in ["Admitted", "Unknown", "GivenUp", "Refused", "CopyRefused"] {
        let state = state(word);
        let value = state.written(7).unwrap();
        assert_eq!(State::read(&value), (state, Some(7)));
    }
    assert_eq!(State::New.written(7), None);
    // 0.1.0 compares this one whole.
    assert_eq!(State::Sent.written(7).unwrap(), b"s");
    assert_eq!(State::read(b"s"), (State::Sent, None));
    for (value, state) in [
        (b"a", State::Admitted),
        (b"h", State::Admitted),
        (b"w", State::New),
        (b"t", State::Unknown),
        (b"u", State::GivenUp),
        (b"r", State::Refused(String::new())),
    ] {
        assert_eq!(State::read(value), (state, None), "0.1.0");
    }
}

#[test]
fn the_words_of_a_refusal_are_bounded() {
    let answer = Answer::Permanent("550 \u{9b}x".repeat(1000));
    let State::Refused(words) = State::New.next(Event::Answer(&answer)) else {
        panic!("refused")
    };
    assert!(
        words.len() <= WORDS + 20 && !words.contains('\u{9b}'),
        "{words}"
    );
}

fn any_state() -> impl Strategy<Value = State> {
    let words = [
        "New",
        "Admitted",
        "Unknown",
        "GivenUp",
        "Refused",
        "CopyRefused",
        "Sent",
    ];
    prop::sample::select(words.to_vec()).prop_map(state)
}

proptest! {
    /// What was counted one by one is the same as what is counted afterwards.
    #[test]
    fn catching_up_is_living_through(known in any_state(), events in prop::collection::vec(any::<bool>(), 0..8), written in 0u32..5) {
        // See `caught_up` for those who were refused.
        prop_assume!(!matches!(known, State::Refused(_)));
        let (mut state, mut begun, mut asked) = (known.clone(), written, 0);
        for is_asked in events {
            // The operator asks for what failed or was on hold, so that an attempt follows.
            if is_asked && begun > 0 && asked == 0 {
                state = state.next(Event::Asked);
                asked = begun;
            }
            begun += 1;
            state = state.next(Event::Vanished);
        }
        prop_assert_eq!(known.caught_up(written, asked, begun + 1), state);
    }

    #[test]
    fn no_numbers_break_it(known in any_state(), written: u32, asked: u32, begun: u32) {
        let was_sent = known == State::Sent;
        prop_assert_eq!(known.caught_up(written, asked, begun) == State::Sent, was_sent);
    }
}
