//! Logical lines of imapd.conf, cut as Cyrus cuts them.
//!
//! Cyrus reads with fgets(3) into a buffer of 4,096 bytes that grows by as many when a line does not
//! fit, and joins a line that ends in a backslash with the next. This shows at the edges, and since
//! the same file must mean the same to both, the edges are kept (`config_read_file` in Cyrus'
//! `lib/libconfig.c`):
//!
//! * a backslash before the last newline of the file: the whole logical line is dropped;
//! * a NUL byte ends the line's text; the rest up to the newline is skipped;
//! * a last line without newline that fills the buffer exactly is dropped.
//!
//! What can go wrong: nothing; any bytes are lines.

const GROW: usize = 4096;

/// One logical line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line {
    /// The number of the last physical line it consists of, from 1.
    pub(super) number: u32,
    /// The text without newline and without the backslashes that joined it.
    pub(super) text: Vec<u8>,
}

/// Iterator over the logical lines of a file's bytes.
#[derive(Debug)]
pub(super) struct Lines {
    data: Vec<u8>,
    at: usize,
    number: u32,
    room: usize,
}

impl Lines {
    pub(super) fn new(data: Vec<u8>) -> Lines {
        Lines {
            data,
            at: 0,
            number: 0,
            room: GROW,
        }
    }

    /// What fgets would read with `max` bytes of room, and whether it met the end of the file.
    fn read(&mut self, max: usize) -> Option<(&[u8], bool)> {
        let rest = self.data.get(self.at..).filter(|rest| !rest.is_empty())?;
        let window = &rest[..rest.len().min(max)];
        let newline = window.iter().position(|&b| b == b'\n');
        let chunk = newline.map_or(window, |end| &window[..=end]);
        let met_end = newline.is_none() && chunk.len() < max;
        self.at += chunk.len();
        Some((chunk, met_end))
    }
}

impl Iterator for Lines {
    type Item = Line;

    fn next(&mut self) -> Option<Line> {
        let mut text: Vec<u8> = Vec::new();
        loop {
            let room = self.room;
            let (chunk, met_end) = self.read((room - 1).saturating_sub(text.len()).max(1))?;
            let end = chunk.iter().position(|&b| b == 0).unwrap_or(chunk.len());
            text.extend_from_slice(&chunk[..end]);
            if end > 0 {
                if text.last() == Some(&b'\n') {
                    text.pop();
                    if text.last() == Some(&b'\\') {
                        text.pop();
                        self.number = self.number.saturating_add(1);
                        continue;
                    }
                } else if !met_end && text.len() == room - 1 {
                    self.room += GROW;
                    continue;
                }
            }
            self.number = self.number.saturating_add(1);
            return Some(Line {
                number: self.number,
                text,
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(data: &[u8]) -> Vec<(u32, Vec<u8>)> {
        Lines::new(data.to_vec())
            .map(|line| (line.number, line.text))
            .collect()
    }

    #[test]
    fn plain_and_joined() {
        assert_eq!(
            lines(b"a\n\nb\\\nc\\\nd\ne"),
            [
                (1, b"a".to_vec()),
                (2, vec![]),
                (5, b"bcd".to_vec()),
                (6, b"e".to_vec())
            ]
        );
    }

    #[test]
    fn a_backslash_at_the_end() {
        assert_eq!(lines(b"a\nb\\\n"), [(1, b"a".to_vec())]);
        assert_eq!(lines(b"a\nb\\"), [(1, b"a".to_vec()), (2, b"b\\".to_vec())]);
        assert_eq!(lines(b"b\\\\\n\nc\n"), [(3, b"bc".to_vec())]);
    }

    #[test]
    fn nul_ends_the_text() {
        assert_eq!(
            lines(b"a\0b\nc\n"),
            [(1, b"a".to_vec()), (2, b"c".to_vec())]
        );
        assert_eq!(
            lines(b"a\\\n\0b\nc\n"),
            [(2, b"a".to_vec()), (3, b"c".to_vec())]
        );
    }

    #[test]
    fn a_last_line_that_fills_the_buffer_is_lost() {
        for (len, kept) in [(4094, 1), (4095, 0), (4096, 1), (8191, 0), (8192, 1)] {
            assert_eq!(lines(&vec![b'x'; len]).len(), kept, "{len}");
        }
        let mut whole = vec![b'x'; 4095];
        whole.push(b'\n');
        assert_eq!(lines(&whole), [(1, vec![b'x'; 4095])]);
    }
}
