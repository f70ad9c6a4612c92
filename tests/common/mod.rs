//! What the integration tests share: the recorded samples under `tests/fixtures`.
#![allow(dead_code)]

use std::fs;
use std::path::Path;

/// One recorded datagram or conversation.
pub(crate) struct Sample {
    /// File and line, for a test's message.
    pub(crate) at: String,
    /// The bytes as they came from Cyrus.
    pub(crate) bytes: Vec<u8>,
}

/// Every sample in a folder of `tests/fixtures`, file by file.
pub(crate) fn samples(folder: &str) -> Vec<Sample> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures")
        .join(folder);
    let mut files: Vec<_> = fs::read_dir(&folder)
        .unwrap()
        .map(|e| e.unwrap().path())
        .collect();
    files.sort();
    files.retain(|f| f.extension().is_some_and(|e| e == "jsonl"));
    files.iter().flat_map(|file| from_file(file)).collect()
}

fn from_file(file: &Path) -> Vec<Sample> {
    let text = fs::read_to_string(file).unwrap();
    text.lines()
        .enumerate()
        .map(|(i, line)| {
            let line: serde_json::Value = serde_json::from_str(line).unwrap();
            let bytes = base64(line["b64"].as_str().unwrap());
            let at = format!("{}:{}", file.display(), i + 1);
            Sample { at, bytes }
        })
        .collect()
}

/// Decodes RFC 4648 base64; panics on anything else.
pub(crate) fn base64(text: &str) -> Vec<u8> {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let (mut bits, mut have, mut out) = (0u32, 0, Vec::with_capacity(text.len() / 4 * 3));
    for c in text.trim_end_matches('=').bytes() {
        let digit = DIGITS.iter().position(|&d| d == c).expect("base64");
        bits = bits << 6 | digit as u32;
        have += 6;
        if have >= 8 {
            have -= 8;
            out.push((bits >> have) as u8);
        }
    }
    out
}
