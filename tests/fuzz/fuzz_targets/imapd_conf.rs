//! What was set, in the lines of `cyr_info conf`, is a configuration that says the same. And what Cyrus 3.6.1 takes,
//! the daemon, which forgives what a newer Cyrus may know, reads to the same values.
#![no_main]

use cyrus_notifyd::config::{ConfigError, Context, ImapdConf, Settings};
use libfuzzer_sys::fuzz_target;
use std::io;
use std::path::Path;

fuzz_target!(|text: &[u8]| {
    let strict = read(text, false);
    let lenient = read(text, true);
    let Ok(conf) = strict else { return };
    let shown = conf.changed();
    assert_eq!(
        lenient.expect("the lenient reader forgives more").changed(),
        shown
    );
    let _ = Settings::parse(text, &Context::default()).map(|settings| settings.syslog_ident());
    if is_plain(text, &conf) && !has(&shown, b"\\\n") {
        let again = read(&shown, false).expect("what is shown can be read");
        assert_eq!(
            String::from_utf8_lossy(&again.changed()),
            String::from_utf8_lossy(&shown)
        );
    }
});

/// Reads `text` as imapd.conf; includes find the same text in `more.conf` and nothing else.
fn read(text: &[u8], lenient: bool) -> Result<ImapdConf, ConfigError> {
    let mut file = |path: &Path| match path.to_str() {
        Some("imapd.conf" | "more.conf") => Ok(text.to_vec()),
        _ => Err(io::Error::from(io::ErrorKind::NotFound)),
    };
    ImapdConf::read(Path::new("imapd.conf"), b"notify", None, lenient, &mut file)
}

/// Whether the lines of `cyr_info conf` say all: they show a deprecated option twice (a warning stands for it), `sieve_extensions`
/// by the wrong words, and a `{configdirectory}` in front of another only once replaced. (And a backslash that was followed
/// by a NUL stands at the end of its line.)
fn is_plain(text: &[u8], conf: &ImapdConf) -> bool {
    let lower = text.to_ascii_lowercase();
    conf.warnings().is_empty()
        && !has(&lower, b"sieve_extensions")
        && !has(&lower, b"{configdirectory}")
}

fn has(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}
