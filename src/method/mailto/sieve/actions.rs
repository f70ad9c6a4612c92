//! What Cyrus 3.6 and older append to the text of a Sieve notification: the actions that its script took.
//!
//! `sieve/script.c` writes the text, two line ends, `Action(s) taken:` and a line for each action; after an error a line
//! about that, perhaps alone. Cyrus 3.8 and later append the two line ends only. What is not exactly so is the script's own
//! text, and stays.

/// The line before the others.
const TITLE: &[u8] = b"Action(s) taken:\n";
/// Cyrus' buffer for all of it, with a NUL at its end.
const BUFFER: usize = 4096;
/// How the lines begin that go on in any way.
const BEGINNINGS: &[&[u8]] = &[
    b"Filed into: ",
    b"Redirected to ",
    b"script execution failed: ",
];
/// The lines that are always the same.
const LINES: &[&[u8]] = &[
    b"Kept",
    b"Discarded",
    b"Snoozed",
    b"Sent vacation reply",
    b"Vacation reply suppressed",
];
/// How lines begin that go on with text of the script's, which may have lines of its own.
const LAST: &[&[u8]] = &[b"Rejected with: ", b"eRejected with: "];
/// What is between the name of an action and what went wrong with it.
const FAILED: &[u8] = b" action failed: ";

/// `message` without the list, and without the two line ends before it.
pub(super) fn without(message: &[u8]) -> &[u8] {
    let marks = [
        [b"\n\n", TITLE].concat(),
        b"\n\nscript execution failed: ".to_vec(),
    ];
    let found = marks.iter().filter_map(|mark| {
        let at = message
            .windows(mark.len())
            .rposition(|w| w == mark.as_slice())?;
        is_list(&message[at + 2..]).then_some(at)
    });
    found.min().map_or(message, |at| &message[..at])
}

fn is_list(text: &[u8]) -> bool {
    let Some(lines) = text.strip_suffix(b"\n") else {
        // It did not fit.
        return text.len() == BUFFER - 1;
    };
    if text.len() >= BUFFER {
        return false;
    }
    let lines = match text.strip_prefix(TITLE) {
        Some(b"") => return true,
        Some(_) => &lines[TITLE.len()..],
        None => lines,
    };
    for line in lines.split(|&b| b == b'\n') {
        if LAST.iter().any(|start| line.starts_with(start)) {
            return true;
        }
        if !is_action(line) {
            return false;
        }
    }
    true
}

fn is_action(line: &[u8]) -> bool {
    let failed = || {
        let name = line.windows(FAILED.len()).position(|w| w == FAILED);
        name.is_some_and(|end| end > 0 && line[..end].iter().all(u8::is_ascii_alphabetic))
    };
    LINES.contains(&line) || BEGINNINGS.iter().any(|start| line.starts_with(start)) || failed()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_go() {
        for list in [
            "Action(s) taken:\nKept\n",
            "Action(s) taken:\n",
            "Action(s) taken:\nFiled into: Lists\nFileinto action failed: Mailbox does not exist\n",
            "Action(s) taken:\nFiled into: \u{c4}pfel\nRedirected to fwd@example.org\nDiscarded\n",
            "Action(s) taken:\nRejected with: go\n\naway\n",
            "script execution failed: Run error\n",
        ] {
            for text in ["hello", "", "a\n\nAction(s) taken:\nKept\nnot quite\nb"] {
                let message = format!("{text}\n\n{list}");
                assert_eq!(without(message.as_bytes()), text.as_bytes(), "{message}");
            }
        }
        let cut = format!("x\n\nAction(s) taken:\n{:a<4078}", "Filed into: ");
        assert_eq!(cut.len(), 3 + BUFFER - 1);
        assert_eq!(without(cut.as_bytes()), b"x");
    }

    #[test]
    fn other_text_stays() {
        for message in [
            "",
            "hello\n\n",
            "Action(s) taken:\nKept\n",
            "x\nAction(s) taken:\nKept\n",
            "x\n\nAction(s) taken:\nKept",
            "x\n\nAction(s) taken:\nKept\n\n\n",
            "x\n\nAction(s) taken:\nWashed up\n",
            "x\n\nAction(s) taken:\n\nKept\n",
            "x\n\nActions taken:\nKept\n",
        ] {
            assert_eq!(without(message.as_bytes()), message.as_bytes());
        }
    }
}
