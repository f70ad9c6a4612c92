//! `notifyctl send`: sends one notification, as `notifytest` does, to the socket that imapd.conf names.
//!
//! What can go wrong is what [`notifytest`] says: no socket, nobody behind it, a daemon that does
//! not read, and for dlist any answer but `OK`.

use super::arguments::Arguments;
use super::notifytest::{self, Sent};
use super::{Failure, Streams, UNAVAILABLE, place};
use crate::config::NotifySocket;
use crate::system::user;
use crate::wire::Notification;
use std::io::Read;

pub(super) fn run(mut arguments: Arguments, streams: &mut Streams<'_>) -> Result<(), Failure> {
    let failed =
        |message: String| Failure::Fatal(format!("notifyctl: {message}").into_bytes(), UNAVAILABLE);
    let socket = arguments.value("--socket");
    let stdin = arguments.flag("--stdin");
    let user = arguments.value("--user");
    let mut n = notification(&mut arguments)?;
    let settings = match socket {
        Some(_) => None,
        None => Some(place::settings(&mut arguments)?),
    };
    let texts = arguments.rest()?;
    n.message = match (texts.as_slice(), stdin) {
        ([text], false) => text.clone().into_bytes(),
        ([], true) => {
            let mut text = Vec::new();
            let read = std::io::stdin().read_to_end(&mut text);
            read.map_err(|error| failed(format!("standard input: {error}")))?;
            text
        }
        _ => {
            return Err(Failure::Usage(
                "send: which text? One argument, or --stdin".into(),
            ));
        }
    };
    n.user = match user {
        Some(user) => user.into_bytes(), // events have none there
        None => {
            let name = user::login_name();
            name.map_err(|error| failed(format!("{error}; name a user with --user")))?
                .into_bytes()
        }
    };
    let socket = match (socket, settings) {
        (Some(path), _) => NotifySocket::from_value(path.as_bytes()),
        (None, Some(settings)) => settings.notifysocket,
        (None, None) => return Err(Failure::Usage("send: which socket?".into())),
    };
    let (NotifySocket::Datagram(path) | NotifySocket::Dlist(path)) = &socket;
    let path = path.display();
    match notifytest::send(&socket, &n).map_err(failed)? {
        Sent::Queued => writeln!(
            streams.out,
            "sent to {path}, where notifyd reads it; its log says what came of it"
        )?,
        Sent::Taken => writeln!(
            streams.out,
            "notifyd at {path} has taken it; its log says what comes of it"
        )?,
    }
    Ok(())
}

/// Takes the fields out of the arguments; the text comes later.
fn notification(arguments: &mut Arguments) -> Result<Notification, Failure> {
    let mut field = |option: &str, default: &str| -> Result<Vec<u8>, Failure> {
        let value = arguments.value(option);
        Ok(value.unwrap_or_else(|| default.to_owned()).into_bytes())
    };
    let mut n = Notification {
        method: field("--method", "")?,
        class: field("--class", "MESSAGE")?,
        priority: field("--priority", "normal")?,
        mailbox: field("--mailbox", "")?,
        ..Notification::default()
    };
    n.fname = arguments.value("--file").map(String::into_bytes);
    while let Some(option) = arguments.value("--option") {
        n.options.push(option.into_bytes());
    }
    Ok(n)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::datagram;
    use std::ffi::OsString;
    use std::os::unix::net::UnixDatagram;

    fn call(args: &[&str]) -> (Result<(), Failure>, String) {
        let args: Vec<OsString> = args.iter().map(OsString::from).collect();
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let mut streams = Streams {
            out: &mut out,
            err: &mut err,
        };
        let arguments = Arguments::parse(&args, &crate::ctl::options::of("send"));
        let result = arguments.and_then(|arguments| run(arguments, &mut streams));
        (result, String::from_utf8(out).unwrap())
    }

    #[test]
    fn every_field_arrives() {
        let tmp = tempfile::tempdir().unwrap();
        let path = tmp.path().join("socket");
        let receiver = UnixDatagram::bind(&path).unwrap();
        let path = path.to_str().unwrap();
        let line = [
            "--socket",
            path,
            "--method=log",
            "--class",
            "SIEVE",
            "--priority",
            "high",
            "--user",
            "alice",
            "--mailbox",
            "INBOX",
            "--option",
            "a",
            "--option",
            "b",
            "--file",
            "/f",
            "--",
            "--text",
        ];
        let (result, out) = call(&line);
        assert!(result.is_ok() && out.starts_with("sent to "), "{out}");
        let mut buffer = [0; 4096];
        let length = receiver.recv(&mut buffer).unwrap();
        let n = datagram::decode(&buffer[..length]).unwrap();
        let wanted = Notification {
            method: b"log".into(),
            class: b"SIEVE".into(),
            priority: b"high".into(),
            user: b"alice".into(),
            mailbox: b"INBOX".into(),
            options: vec![b"a".into(), b"b".into()],
            message: b"--text".into(),
            fname: Some(b"/f".into()),
        };
        assert_eq!(n, wanted);
        let empty = ["--socket", path, "--class", "EVENT", "--user", "", "{}"];
        assert!(call(&empty).0.is_ok());
        let length = receiver.recv(&mut buffer).unwrap();
        let n = datagram::decode(&buffer[..length]).unwrap();
        assert_eq!(n.user, b"", "as events have it");
    }

    #[test]
    fn mistakes() {
        for line in [
            &["--socket", "/s"][..],
            &["--socket", "/s", "a", "b"],
            &["--socket", "/s", "a", "--stdin"],
            &["--nonsense", "--socket", "/s", "a"],
        ] {
            assert!(matches!(call(line).0, Err(Failure::Usage(_))), "{line:?}");
        }
        let nobody = call(&["--socket", "/nonexistent/socket", "--user", "u", "text"]).0;
        assert!(
            matches!(nobody, Err(Failure::Fatal(text, UNAVAILABLE)) if text.starts_with(b"notifyctl: /nonexistent/socket: does not exist"))
        );
    }
}
