//! What feeds a Cyrus: IMAP, LMTP, ManageSieve, CalDAV, and its notify socket; a few lines each.

use super::server::Server;
use super::setup::Form;
use super::stage::{LIMIT, Note, note};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::{UnixDatagram, UnixStream};

impl Server {
    /// A connection to a port of the server.
    pub(super) fn connect(&self, port: u16) -> io::Result<TcpStream> {
        let stream = self.in_network(|| TcpStream::connect(("127.0.0.1", port)))?;
        stream.set_read_timeout(Some(LIMIT))?;
        Ok(stream)
    }

    /// An IMAP session of `user`.
    pub(super) fn imap(&self, user: &str) -> Imap {
        self.try_imap(user)
            .unwrap_or_else(|error| panic!("IMAP login of {user}: {error}"))
    }

    pub(super) fn try_imap(&self, user: &str) -> io::Result<Imap> {
        let mut imap = Imap {
            stream: BufReader::new(self.connect(1143)?),
        };
        line(&mut imap.stream)?;
        imap.try_command(&format!("LOGIN {user} {user}"))?;
        Ok(imap)
    }

    /// An LMTP session.
    pub(super) fn lmtp(&self) -> io::Result<Lmtp> {
        let stream = UnixStream::connect(self.path("sockets/lmtp"))?;
        stream.set_read_timeout(Some(LIMIT))?;
        let mut lmtp = Lmtp {
            stream: BufReader::new(stream),
        };
        reply(&mut lmtp.stream)?;
        lmtp.say("LHLO cyr.test\r\n")?;
        Ok(lmtp)
    }

    /// Makes `script` the active Sieve script of `user`.
    pub(super) fn sieve(&self, user: &str, script: &str) {
        let mut stream = BufReader::new(self.connect(4190).expect("timsieved"));
        let auth = base64(format!("\0{user}\0{user}").as_bytes());
        let commands = [
            String::new(), // the greeting
            format!("AUTHENTICATE \"PLAIN\" \"{auth}\"\r\n"),
            format!("PUTSCRIPT \"s\" {{{}+}}\r\n{script}\r\n", script.len()),
            "SETACTIVE \"s\"\r\n".to_owned(),
            // timsieved 3.6.1 dies of a segmentation fault when the client just goes.
            "LOGOUT\r\n".to_owned(),
        ];
        for command in commands {
            stream
                .get_mut()
                .write_all(command.as_bytes())
                .expect("write");
            let answer = loop {
                let answer = line(&mut stream).expect("an answer");
                if ["OK", "NO", "BYE"]
                    .iter()
                    .any(|word| answer.starts_with(word))
                {
                    break answer;
                }
            };
            assert!(answer.starts_with("OK"), "{command}: {answer}");
        }
    }

    /// An HTTP request of `user`, as CalDAV makes it; the status.
    pub(super) fn dav(
        &self,
        user: &str,
        method: &str,
        path: &str,
        fields: &str,
        body: &str,
    ) -> u16 {
        let mut stream = BufReader::new(self.connect(8080).expect("httpd"));
        let auth = base64(format!("{user}:{user}").as_bytes());
        let length = body.len();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: cyr.test\r\nConnection: close\r\nAuthorization: Basic {auth}\r\n\
             {fields}Content-Length: {length}\r\n\r\n{body}"
        );
        stream
            .get_mut()
            .write_all(request.as_bytes())
            .expect("write");
        let status = line(&mut stream).expect("a status line");
        stream.read_to_end(&mut Vec::new()).expect("an answer");
        status
            .split(' ')
            .nth(1)
            .and_then(|code| code.parse().ok())
            .unwrap_or_else(|| panic!("{status}"))
    }

    /// Sends a notification as Cyrus' notify() does, blocking; an error when a dlist client gets another answer than OK.
    pub(super) fn notify(
        &self,
        method: &str,
        class: &str,
        option: Option<&str>,
        message: &str,
    ) -> io::Result<()> {
        let socket = self.path("sockets/notify");
        if self.form == Form::Datagram {
            let plain: Note = note(method).class(class).message(message);
            let full = option
                .into_iter()
                .fold(plain, |note, option| note.option(option));
            UnixDatagram::unbound()?.send_to(&full.bytes(), socket)?;
            return Ok(());
        }
        let mut stream = UnixStream::connect(socket)?;
        stream.set_read_timeout(Some(LIMIT))?;
        let option = option
            .map(|option| format!("\"{option}\""))
            .unwrap_or_default();
        let request = format!(
            "NOTIFY %(METHOD {method} CLASS {class} PRIORITY \"\" USER \"\" MAILBOX \"\" OPTIONS ({option}) \
             MESSAGE \"{message}\" FILEPATH NIL)\r\n"
        );
        stream.write_all(request.as_bytes())?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        if answer == "OK %()\r\n" {
            Ok(())
        } else {
            Err(io::Error::other(format!("answer {answer:?}")))
        }
    }
}

/// A message to `user` with this subject.
pub(super) fn message(user: &str, subject: &str) -> String {
    format!(
        "From: Sender <sender@example.net>\r\nTo: {user}@cyr.test\r\nSubject: {subject}\r\n\
         Date: Mon, 03 Aug 2026 10:00:00 +0000\r\nMessage-ID: <{subject}@example.net>\r\n\r\nbody of {subject}\r\n"
    )
}

/// Answers of imapd: lines, and literals, each with the line that it follows.
type Answers = (Vec<String>, Vec<(String, Vec<u8>)>);

/// An IMAP session.
pub(super) struct Imap {
    stream: BufReader<TcpStream>,
}

impl Imap {
    /// A command that must succeed; its answers but the last.
    pub(super) fn command(&mut self, command: &str) -> Vec<String> {
        self.try_command(command)
            .unwrap_or_else(|error| panic!("{command}: {error}"))
    }

    /// The literals in the answers to a command, each with the text before it; an error when it does not succeed.
    #[allow(dead_code, reason = "tests/post reads mails")]
    pub(super) fn literals(&mut self, command: &str) -> io::Result<Vec<(String, Vec<u8>)>> {
        self.exchange(command).map(|(_, literals)| literals)
    }

    fn try_command(&mut self, command: &str) -> io::Result<Vec<String>> {
        self.exchange(command).map(|(answers, _)| answers)
    }

    fn exchange(&mut self, command: &str) -> io::Result<Answers> {
        self.stream
            .get_mut()
            .write_all(format!("t {command}\r\n").as_bytes())?;
        let (mut answers, mut literals) = (Vec::new(), Vec::new());
        loop {
            let answer = line(&mut self.stream)?;
            let size = answer
                .strip_suffix('}')
                .and_then(|answer| answer.rsplit_once('{')?.1.parse().ok());
            if let Some(size) = size {
                let mut literal = vec![0; size];
                self.stream.read_exact(&mut literal)?;
                literals.push((answer.clone(), literal));
            }
            match answer.strip_prefix("t ") {
                Some(status) if status.starts_with("OK") => return Ok((answers, literals)),
                Some(status) => return Err(io::Error::other(status.to_owned())),
                None => answers.push(answer),
            }
        }
    }

    /// Puts a message into a mailbox.
    pub(super) fn append(&mut self, mailbox: &str, message: &str) {
        self.command(&format!(
            "APPEND {mailbox} {{{}+}}\r\n{message}",
            message.len()
        ));
    }
}

/// An LMTP session.
pub(super) struct Lmtp {
    stream: BufReader<UnixStream>,
}

impl Lmtp {
    /// Delivers one message with this subject to `user`; when it returns, the server has taken it.
    pub(super) fn deliver(&mut self, user: &str, subject: &str) -> io::Result<()> {
        self.say("MAIL FROM:<sender@example.net>\r\n")?;
        self.say(&format!("RCPT TO:<{user}>\r\n"))?;
        self.say("DATA\r\n")?;
        self.say(&format!("{}.\r\n", message(user, subject)))
    }

    /// Delivers messages with these subjects to these users without waiting for a reply in between (RFC 2920), as a mail server
    /// does that has many.
    #[allow(dead_code, reason = "tests/post has no use for it")]
    pub(super) fn deliver_pipelined(&mut self, mails: &[(&str, String)]) -> io::Result<()> {
        let text: String = mails
            .iter()
            .map(|(user, subject)| {
                format!(
                    "MAIL FROM:<sender@example.net>\r\nRCPT TO:<{user}>\r\nDATA\r\n{}.\r\n",
                    message(user, subject)
                )
            })
            .collect();
        let mut writer = self.stream.get_ref().try_clone()?;
        std::thread::scope(|scope| {
            let written = scope.spawn(move || writer.write_all(text.as_bytes()));
            for _ in 0..4 * mails.len() {
                reply(&mut self.stream)?;
            }
            written.join().expect("the writer")
        })
    }

    fn say(&mut self, text: &str) -> io::Result<()> {
        self.stream.get_mut().write_all(text.as_bytes())?;
        reply(&mut self.stream)
    }
}

/// Reads an LMTP reply; an error when it is none of success.
fn reply(stream: &mut impl BufRead) -> io::Result<()> {
    loop {
        let text = line(stream)?;
        if text.as_bytes().get(3) != Some(&b'-') {
            return if text.starts_with(['2', '3']) {
                Ok(())
            } else {
                Err(io::Error::other(text))
            };
        }
    }
}

fn line(stream: &mut impl BufRead) -> io::Result<String> {
    let mut text = String::new();
    if stream.read_line(&mut text)? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(text.trim_end().to_owned())
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digits = |chunk: &[u8]| {
        let bits = (0..3).fold(0usize, |bits, i| {
            bits << 8 | usize::from(chunk.get(i).copied().unwrap_or(0))
        });
        let digit = |i: usize| {
            if i <= chunk.len() {
                DIGITS[bits >> (18 - 6 * i) & 63]
            } else {
                b'='
            }
        };
        [0, 1, 2, 3].map(|i| char::from(digit(i)))
    };
    bytes.chunks(3).flat_map(digits).collect()
}
