//! A mail server that does as it is told: [`Server`]. What it says at each step is a function of the test's; it writes
//! down what it heard, on which connection, and which mails came with their last dot.

use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

/// Where a conversation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Greeting,
    Ehlo,
    StartTls,
    Auth,
    Mail,
    Rcpt,
    Data,
    /// The dot that ends the data.
    End,
    Rset,
    Quit,
    Other,
}

/// A step that has come.
#[derive(Clone, Debug)]
pub(crate) struct At {
    /// The connection's number, from 0.
    pub(crate) connection: usize,
    /// The mail's, from 1, over all connections; 0 before the first.
    pub(crate) mail: usize,
    pub(crate) step: Step,
    /// What was heard.
    pub(crate) line: String,
}

/// What the server does then.
#[derive(Clone, Debug)]
pub(crate) enum Act {
    /// What a server does that is well.
    Well,
    /// Says this.
    Say(&'static str),
    /// Says this, and closes the connection.
    SayAndClose(&'static str),
    /// Closes the connection.
    Close,
    /// Says nothing any more, and hears nothing.
    Hang,
}

/// A mail that came whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Got {
    /// What stood between `MAIL FROM:` and the end of the line.
    pub(crate) from: String,
    /// The same of those recipients who were taken.
    pub(crate) to: Vec<String>,
    /// As it came, without the last dot's line.
    pub(crate) data: Vec<u8>,
    /// Whether the server said yes.
    pub(crate) taken: bool,
}

impl Got {
    /// The value of a field in one line.
    pub(crate) fn field(&self, name: &str) -> Option<String> {
        let text = String::from_utf8_lossy(&self.data);
        let start = format!("{}:", name.to_lowercase());
        let line = text
            .lines()
            .take_while(|line| !line.is_empty())
            .find(|line| line.to_lowercase().starts_with(&start));
        line.map(|line| line[start.len()..].trim().to_owned())
    }
}

/// How the server is made.
pub(crate) struct Plan {
    pub(crate) offers: &'static [&'static str],
    pub(crate) tls: Option<Arc<ServerConfig>>,
    /// TLS from the first byte.
    pub(crate) wrapped: bool,
    pub(crate) address: String,
}

impl Default for Plan {
    fn default() -> Plan {
        Plan {
            offers: &["PIPELINING", "8BITMIME", "SMTPUTF8", "DSN"],
            tls: None,
            wrapped: false,
            address: "127.0.0.1:0".to_owned(),
        }
    }
}

type Script = dyn Fn(&At) -> Act + Send + Sync;

#[derive(Default)]
struct Heard {
    /// For each connection what was heard, in clear and under TLS alike.
    lines: Vec<Vec<String>>,
    mails: Vec<Got>,
    begun: usize,
    sockets: Vec<TcpStream>,
    over: usize,
    closing: bool,
}

/// The server. It ends when it is dropped.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    heard: Arc<Mutex<Heard>>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    pub(crate) fn start(script: impl Fn(&At) -> Act + Send + Sync + 'static) -> Server {
        Server::with(Plan::default(), script)
    }

    pub(crate) fn with(plan: Plan, script: impl Fn(&At) -> Act + Send + Sync + 'static) -> Server {
        let listener = TcpListener::bind(&plan.address).unwrap();
        let address = listener.local_addr().unwrap();
        let heard: Arc<Mutex<Heard>> = Arc::default();
        let (shared, plan, script) = (heard.clone(), Arc::new(plan), Arc::new(script));
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming() {
                let stream = stream.unwrap();
                let mut all = shared.lock().unwrap();
                if all.closing {
                    return;
                }
                all.sockets.push(stream.try_clone().unwrap());
                all.lines.push(Vec::new());
                let talk = Talk {
                    number: all.lines.len() - 1,
                    plan: plan.clone(),
                    script: script.clone(),
                    heard: shared.clone(),
                    got: None,
                };
                drop(all);
                std::thread::spawn(move || talk.serve(stream));
            }
        });
        Server {
            address,
            heard,
            thread: Some(thread),
        }
    }

    /// As `smtp_host` names it.
    pub(crate) fn host(&self) -> String {
        self.address.to_string()
    }

    /// The mails that came whole.
    pub(crate) fn mails(&self) -> Vec<Got> {
        self.heard.lock().unwrap().mails.clone()
    }

    /// What was heard, for each connection.
    pub(crate) fn lines(&self) -> Vec<Vec<String>> {
        self.heard.lock().unwrap().lines.clone()
    }

    /// How many connections are over.
    #[allow(dead_code, reason = "only the transport's own tests ask")]
    pub(crate) fn over(&self) -> usize {
        self.heard.lock().unwrap().over
    }

    /// How often a command was heard that begins so.
    pub(crate) fn count(&self, start: &str) -> usize {
        let lines = self.lines();
        lines
            .iter()
            .flatten()
            .filter(|line| line.starts_with(start))
            .count()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        {
            let mut heard = self.heard.lock().unwrap();
            heard.closing = true;
            for socket in &heard.sockets {
                let _ = socket.shutdown(Shutdown::Both);
            }
        }
        let _ = TcpStream::connect(self.address);
        let _ = self.thread.take().map(JoinHandle::join);
        if std::thread::panicking() {
            eprintln!(
                "--- heard by SMTP\n{:#?}\n{:#?}",
                self.lines(),
                self.mails()
            );
        }
    }
}

trait Stream: Read + Write + Send {}
impl<T: Read + Write + Send> Stream for T {}

struct Talk {
    number: usize,
    plan: Arc<Plan>,
    script: Arc<Script>,
    heard: Arc<Mutex<Heard>>,
    /// The mail that is under way.
    got: Option<Got>,
}

/// The conversation is over.
struct Over;

impl Talk {
    fn serve(mut self, socket: TcpStream) {
        let tls = self.plan.tls.clone();
        let wrapped = self.plan.wrapped;
        let clear = socket.try_clone().unwrap();
        let mut stream: Box<dyn Stream> = match (&tls, wrapped) {
            (Some(config), true) => secure(config, socket),
            _ => Box::new(socket),
        };
        let _ = self.converse(&mut stream, &clear, tls.as_ref());
        let _ = clear.shutdown(Shutdown::Both);
        self.heard.lock().unwrap().over += 1;
    }

    fn converse(
        &mut self,
        stream: &mut Box<dyn Stream>,
        socket: &TcpStream,
        tls: Option<&Arc<ServerConfig>>,
    ) -> Result<(), Over> {
        self.act(stream, Step::Greeting, "", "220 stand-in ESMTP")?;
        loop {
            let line = read_line(stream).ok_or(Over)?;
            self.heard.lock().unwrap().lines[self.number].push(line.clone());
            let upper = line.to_ascii_uppercase();
            let is = |start: &str| upper.starts_with(start);
            if is("EHLO") {
                let mut offers = vec!["stand-in".to_owned()];
                offers.extend(self.plan.offers.iter().map(|offer| (*offer).to_owned()));
                let last = offers.len() - 1;
                let reply: Vec<String> = (offers.iter().enumerate())
                    .map(|(n, offer)| format!("250{}{offer}", if n == last { ' ' } else { '-' }))
                    .collect();
                self.act(stream, Step::Ehlo, &line, &reply.join("\r\n"))?;
            } else if is("STARTTLS") {
                self.act(stream, Step::StartTls, &line, "220 go on")?;
                *stream = secure(tls.expect("a certificate"), socket.try_clone().unwrap());
            } else if is("AUTH") {
                self.act(stream, Step::Auth, &line, "235 2.7.0 welcome")?;
            } else if is("MAIL FROM:") {
                self.heard.lock().unwrap().begun += 1;
                self.got = None;
                if self.act(stream, Step::Mail, &line, "250 2.1.0 Ok")? {
                    self.got = Some(Got {
                        from: line["MAIL FROM:".len()..].to_owned(),
                        to: Vec::new(),
                        data: Vec::new(),
                        taken: false,
                    });
                }
            } else if is("RCPT TO:") && self.got.is_some() {
                if self.act(stream, Step::Rcpt, &line, "250 2.1.5 Ok")?
                    && let Some(got) = &mut self.got
                {
                    got.to.push(line["RCPT TO:".len()..].to_owned());
                }
            } else if is("DATA") && self.got.as_ref().is_some_and(|got| !got.to.is_empty()) {
                if self.act(stream, Step::Data, &line, "354 go on")? {
                    self.data(stream)?;
                }
            } else if is("RSET") {
                self.got = None;
                self.act(stream, Step::Rset, &line, "250 2.0.0 Ok")?;
            } else if is("QUIT") {
                self.act(stream, Step::Quit, &line, "221 2.0.0 Bye")?;
                return Err(Over);
            } else {
                self.act(stream, Step::Other, &line, "503 5.5.1 not now")?;
            }
        }
    }

    /// Reads the data and answers; the mail is written down before the answer goes out.
    fn data(&mut self, stream: &mut Box<dyn Stream>) -> Result<(), Over> {
        let mut got = self.got.take().ok_or(Over)?;
        loop {
            let line = read_line(stream).ok_or(Over)?;
            if line == "." {
                break;
            }
            let line = line.strip_prefix('.').unwrap_or(&line);
            got.data.extend_from_slice(line.as_bytes());
            got.data.push(b'\n');
        }
        let act = (self.script)(&self.at(Step::End, "."));
        got.taken = match &act {
            Act::Well => true,
            Act::Say(text) | Act::SayAndClose(text) => text.starts_with('2'),
            Act::Close | Act::Hang => false,
        };
        self.heard.lock().unwrap().mails.push(got);
        self.perform(stream, act, "250 2.0.0 Ok: queued as 4711")?;
        Ok(())
    }

    fn at(&self, step: Step, line: &str) -> At {
        At {
            connection: self.number,
            mail: self.heard.lock().unwrap().begun,
            step,
            line: line.to_owned(),
        }
    }

    /// Does what the script says; whether that was yes.
    fn act(
        &mut self,
        stream: &mut Box<dyn Stream>,
        step: Step,
        line: &str,
        well: &str,
    ) -> Result<bool, Over> {
        let act = (self.script)(&self.at(step, line));
        self.perform(stream, act, well)
    }

    fn perform(&self, stream: &mut Box<dyn Stream>, act: Act, well: &str) -> Result<bool, Over> {
        let (text, close) = match &act {
            Act::Well => (well, false),
            Act::Say(text) => (*text, false),
            Act::SayAndClose(text) => (*text, true),
            Act::Close => return Err(Over),
            Act::Hang => {
                // Until the other side has had enough, or the test is over.
                while !matches!(stream.read(&mut [0; 512]), Ok(0) | Err(_)) {}
                return Err(Over);
            }
        };
        stream
            .write_all(format!("{text}\r\n").as_bytes())
            .and_then(|()| stream.flush())
            .map_err(|_| Over)?;
        match close {
            true => Err(Over),
            false => Ok(text.starts_with('2') || text.starts_with('3')),
        }
    }
}

fn secure(config: &Arc<ServerConfig>, socket: TcpStream) -> Box<dyn Stream> {
    let connection = ServerConnection::new(config.clone()).unwrap();
    Box::new(StreamOwned::new(connection, socket))
}

/// A line without its CRLF; `None` at the end.
fn read_line(stream: &mut Box<dyn Stream>) -> Option<String> {
    let mut line = Vec::new();
    let mut byte = [0];
    loop {
        match stream.read(&mut byte) {
            Ok(1) => line.push(byte[0]),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            _ => return None,
        }
        if line.ends_with(b"\r\n") {
            line.truncate(line.len() - 2);
            return Some(String::from_utf8_lossy(&line).into_owned());
        }
    }
}

/// A server's certificate for `name`, and the file with the root that vouches for it.
pub(crate) fn certificate(name: &str, root: &Path) -> Arc<ServerConfig> {
    let mut ca = rcgen::CertificateParams::new(Vec::new()).unwrap();
    ca.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let ca_key = rcgen::KeyPair::generate().unwrap();
    let ca = ca.self_signed(&ca_key).unwrap();
    std::fs::write(root, pem(ca.der())).unwrap();
    let key = rcgen::KeyPair::generate().unwrap();
    let leaf = rcgen::CertificateParams::new(vec![name.to_owned()]).unwrap();
    let leaf = leaf.signed_by(&key, &ca, &ca_key).unwrap();
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let config =
        ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![leaf.der().clone()], key)
            .unwrap();
    Arc::new(config)
}

/// RFC 7468.
fn pem(der: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::from("-----BEGIN CERTIFICATE-----\n");
    for line in der.chunks(48) {
        for three in line.chunks(3) {
            let bits = three
                .iter()
                .fold(0u32, |bits, byte| bits << 8 | u32::from(*byte));
            let bits = bits << (8 * (3 - three.len()));
            for n in 0..4 {
                let digit = DIGITS[(bits >> (18 - 6 * n) & 63) as usize];
                text.push(if n <= three.len() {
                    char::from(digit)
                } else {
                    '='
                });
            }
        }
        text.push('\n');
    }
    text + "-----END CERTIFICATE-----\n"
}

/// How long a condition may take to come true.
pub(crate) const LIMIT: Duration = Duration::from_secs(15);

/// Asks again and again until it is so.
pub(crate) fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let end = std::time::Instant::now() + LIMIT;
    while !is_so() {
        assert!(std::time::Instant::now() < end, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}
