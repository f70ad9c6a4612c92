//! `notifyctl preview KIND`: the mail that the daemon would send for a made-up notification of that kind, or for one in
//! a file. The daemon's own composers make it, with imapd.conf, notifyd.toml and the templates as they are now; nothing
//! is sent, and nothing remembered.
//!
//! What is shown is decoded: header fields and the text. `--raw` shows the mail as sendmail gets it, `--html` writes its
//! HTML part into a file for a browser.
//!
//! What can go wrong: no mail would come of it, which is told with the reason; a file that cannot be read or written.
//! What the daemon would log meanwhile, such as what is wrong with a template, goes to standard error.

mod examples;

use super::arguments::Arguments;
use super::{Failure, Streams, UNAVAILABLE, place};
use crate::method::{Preview, PreviewLetter, preview};
use log::{Level, LevelFilter, Log, Metadata, Record};
use mail_parser::{Message, MessageParser, MimeHeaders};
use rustix::fs::OFlags;
use rustix::io::Errno;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};

/// As the usage shows them.
pub(super) const ARGUMENTS: &str =
    "alarm|imip|newmail|quota|sieve|signin [--event FILE] [--html FILE] [--language LANG] [--raw]";
/// The largest file with a notification.
const LARGEST: u64 = 8 << 20;

pub(super) fn run(mut arguments: Arguments, streams: &mut Streams<'_>) -> Result<(), Failure> {
    let event = arguments.value("--event");
    let html = arguments.value("--html");
    let language = arguments.value("--language");
    let raw = arguments.flag("--raw");
    let settings = place::settings(&mut arguments)?;
    let kind = match arguments.rest()?.as_slice() {
        [kind] => kind.clone(),
        _ => return Err(Failure::Usage("preview: of which kind of mail?".into())),
    };
    let message = event.as_deref().map(contents).transpose()?;
    let Some(notification) = examples::notification(&kind, message) else {
        return Err(Failure::Usage(format!(
            "preview: no mail is of kind '{kind}'"
        )));
    };
    // Before root becomes the Cyrus user, who may not write here.
    let page = html.as_deref().map(|path| (path, create(path)));
    // Templates are looked at as the daemon would; who is neither root nor the Cyrus user does his best.
    let _ = place::become_cyrus(&settings);
    complain();
    let made = preview(&settings, &notification, language.as_deref())
        .map_err(|why| failed(&format!("no mail would be sent: {why}")))?;
    match (raw, made.mails.first()) {
        (true, Some(mail)) => streams.out.write_all(&mail.message)?,
        _ => print(&kind, &made, streams.out)?,
    }
    match (page, made.mails.first()) {
        (Some((path, page)), Some(mail)) => write_page(path, page, &mail.message),
        _ => Ok(()),
    }
}

fn failed(why: &str) -> Failure {
    Failure::Fatal(format!("notifyctl: {why}").into_bytes(), UNAVAILABLE)
}

fn contents(path: &str) -> Result<Vec<u8>, Failure> {
    let mut message = Vec::new();
    let read = File::open(path).and_then(|file| file.take(LARGEST).read_to_end(&mut message));
    match read {
        Ok(_) => Ok(message),
        Err(error) => Err(failed(&format!("{path}: {error}"))),
    }
}

/// What the daemon would log about it goes to standard error.
fn complain() {
    struct Complaints;
    impl Log for Complaints {
        fn enabled(&self, metadata: &Metadata<'_>) -> bool {
            metadata.level() <= Level::Warn
        }
        fn log(&self, record: &Record<'_>) {
            if self.enabled(record.metadata()) {
                let _ = writeln!(io::stderr(), "warning: {}", record.args()); // nobody is left to tell
            }
        }
        fn flush(&self) {}
    }
    if log::set_boxed_logger(Box::new(Complaints)).is_ok() {
        log::set_max_level(LevelFilter::Warn);
    }
}

fn print(kind: &str, made: &Preview, out: &mut dyn Write) -> io::Result<()> {
    if !made.wanted {
        writeln!(out, "Not sent:   [{kind}] mail is \"off\" in notifyd.toml")?;
    }
    for (n, file) in made.templates.iter().enumerate() {
        let head = if n == 0 { "Templates:" } else { "" };
        writeln!(out, "{head:<11} {file}")?;
    }
    if made.templates.is_empty() {
        writeln!(out, "Templates:  none; the words are those of Cyrus")?;
    }
    for mail in &made.mails {
        show(mail, out)?;
    }
    Ok(())
}

fn show(mail: &PreviewLetter, out: &mut dyn Write) -> io::Result<()> {
    let sender = match mail.sender.as_str() {
        "" => "nobody (<>)",
        sender => sender,
    };
    writeln!(
        out,
        "Envelope:   from {sender} to {}",
        mail.recipients.join(", ")
    )?;
    let Some(message) = MessageParser::new().parse(&mail.message) else {
        return out.write_all(&mail.message);
    };
    writeln!(out, "Parts:      {}\n", parts(&message))?;
    for (name, value) in message.headers_raw() {
        writeln!(out, "{name}: {}", decoded(value))?;
    }
    writeln!(out)?;
    let text = message.body_text(0).unwrap_or_default();
    out.write_all(text.replace("\r\n", "\n").as_bytes())
}

/// The value of a field in one line, with its encoded words (RFC 2047) read.
fn decoded(value: &str) -> String {
    let field = format!("Subject: {}\n\n", value.trim());
    let message = MessageParser::new().parse(field.as_bytes());
    let text = message.and_then(|message| message.subject().map(str::to_owned));
    let text = text.unwrap_or_else(|| value.to_owned());
    text.replace(char::is_control, " ")
}

/// What the mail is made of: `text/plain 812, text/html 6120, text/calendar 640 (invite.ics)`.
fn parts(message: &Message<'_>) -> String {
    let leaves = message.parts.iter().filter(|part| !part.is_multipart());
    let shown: Vec<String> = leaves
        .map(|part| {
            let kind = part.content_type().map_or("text/plain".to_owned(), |kind| {
                format!("{}/{}", kind.ctype(), kind.subtype().unwrap_or_default())
            });
            let file = part.attachment_name().map(|name| format!(" ({name})"));
            format!("{kind}, {} bytes{}", part.len(), file.unwrap_or_default())
        })
        .collect();
    shown.join("; ")
}

/// Makes the file at `path`, or empties one that is ours. Root may be told to write where somebody else has put a link to
/// another file, or a file of his own: neither is written to.
fn create(path: &str) -> io::Result<File> {
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
    let mut new = File::options();
    new.write(true).create_new(true).custom_flags(flags);
    match new.open(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        other => return other,
    }
    let refused = |why: &str| io::Error::other(format!("{why}; remove it, or name another file"));
    let file = match File::options().write(true).custom_flags(flags).open(path) {
        Err(error) if error.raw_os_error() == Some(Errno::LOOP.raw_os_error()) => {
            return Err(refused("it is a symbolic link"));
        }
        other => other?,
    };
    let meta = file.metadata()?;
    if !meta.is_file() {
        return Err(refused("it is not a regular file"));
    }
    if meta.uid() != rustix::process::geteuid().as_raw() || meta.nlink() != 1 {
        return Err(refused("it belongs to somebody else, or has another name"));
    }
    file.set_len(0)?;
    Ok(file)
}

fn write_page(path: &str, page: io::Result<File>, message: &[u8]) -> Result<(), Failure> {
    let told = |error: io::Error| failed(&format!("{path}: {error}"));
    let mut page = page.map_err(told)?;
    let message = MessageParser::new().parse(message);
    let html = message.as_ref().and_then(html_part);
    match html {
        Some(html) => page.write_all(html.as_bytes()).map_err(told),
        None => Err(failed(&format!("{path}: the mail has no HTML part"))),
    }
}

/// The HTML part, if there is one; the text is not made into one.
fn html_part(message: &Message<'_>) -> Option<String> {
    let part = message.parts.iter().find(|part| part.is_text_html())?;
    part.text_contents().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_written_to_no_file_of_others() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
        let (victim, page) = (path("victim"), path("page"));
        std::fs::write(&victim, "precious").unwrap();
        let why = |path: &str| create(path).err().unwrap().to_string();
        std::os::unix::fs::symlink(&victim, path("link")).unwrap();
        assert!(why(&path("link")).starts_with("it is a symbolic link"));
        std::os::unix::fs::symlink(path("nothing"), path("dangling")).unwrap();
        assert!(why(&path("dangling")).starts_with("it is a symbolic link"));
        assert!(!dir.path().join("nothing").exists());
        std::fs::hard_link(&victim, path("second name")).unwrap();
        assert!(why(&path("second name")).starts_with("it belongs to somebody else"));
        assert_eq!(std::fs::read(&victim).unwrap(), b"precious");
        create(&page).unwrap().write_all(b"long text").unwrap();
        create(&page).unwrap().write_all(b"short").unwrap();
        assert_eq!(
            std::fs::read(&page).unwrap(),
            b"short",
            "our own may be written again"
        );
        if rustix::process::geteuid().is_root() {
            std::os::unix::fs::chown(&page, Some(1), None).unwrap();
            assert!(why(&page).starts_with("it belongs to somebody else"));
        }
    }

    #[test]
    fn encoded_words_are_read() {
        assert_eq!(decoded(" =?UTF-8?B?R3LDvMOfZQ==?=\n"), "Gr\u{fc}\u{df}e");
        assert_eq!(decoded("a\n b"), "a b");
        assert_eq!(decoded(" <a@b>"), "<a@b>");
    }

    #[test]
    fn the_usage_names_every_kind() {
        let mut kinds = crate::mail::template::KINDS;
        kinds.sort_unstable();
        assert!(ARGUMENTS.starts_with(&kinds.join("|")));
        for kind in kinds {
            assert!(examples::notification(kind, None).is_some(), "{kind}");
        }
    }
}
