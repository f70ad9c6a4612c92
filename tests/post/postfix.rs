//! A private Postfix in a private Cyrus' namespaces: it takes mail by `sendmail` and by SMTP, and has nowhere to bring it but
//! to that Cyrus' lmtpd.
//!
//! Its configuration lies over /etc/postfix in the mount namespace, so that the programs which trust no other folder
//! (`postdrop` is setgid) find it there. It logs to the same /dev/log, and ends with all that lives in the network namespace.

use super::server::Server;
use super::stage::{LIMIT, wait_for};
use std::fs;
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::fs::chown;
use std::path::Path;
use std::process::Command;

/// Where it takes mail by SMTP, on 127.0.0.1.
pub(super) const PORT: u16 = 2525;
/// Domains whose users live in the Cyrus. It takes those in the second one for strangers.
pub(super) const DOMAINS: [&str; 2] = ["cyr.test", "out.test"];

/// Strict where that shows a mistake of ours, and with nothing done for the sender that other servers would not do.
const MAIN_CF: &str = "\
compatibility_level = 3.6
queue_directory = {dir}/postfix/queue
data_directory = {dir}/postfix/data
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
myhostname = mx.cyr.test
myorigin = cyr.test
mydestination = {domains}
mynetworks = 127.0.0.0/8
local_transport = lmtp:unix:{dir}/sockets/lmtp
local_recipient_maps =
alias_maps =
alias_database =
default_transport = error:this Postfix brings mail to its Cyrus only
relay_transport = error:this Postfix brings mail to its Cyrus only
disable_dns_lookups = yes
smtpd_peername_lookup = no
smtpd_relay_restrictions = permit_mynetworks, reject
smtpd_helo_required = yes
smtpd_forbid_bare_newline = yes
strict_rfc821_envelopes = yes
local_header_rewrite_clients =
biff = no
";

const MASTER_CF: &str = "\
127.0.0.1:{port} inet n - n - - smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
lmtp unix - - n - - lmtp
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
";

/// Makes one, starts it, and waits until it takes mail.
pub(super) fn install(server: &Server) {
    furnish(&server.path(""));
    run(server, r#"mount --bind "$1/postfix/etc" /etc/postfix"#);
    start(server);
}

/// Starts it, and waits until it takes mail.
pub(super) fn start(server: &Server) {
    run(server, "postfix start");
    wait_for("Postfix' greeting", LIMIT, || Client::new(server).ok());
}

/// Stops it, and waits for its end.
pub(super) fn stop(server: &Server) {
    run(server, "postfix stop");
}

/// Runs a command in the server's namespaces; `$1` is the server's folder.
fn run(server: &Server, command: &str) {
    let master = server.master.id().to_string();
    let output = Command::new("nsenter")
        .args([
            "-t", &master, "-m", "-n", "--", "bash", "-ec", command, "bash",
        ])
        .arg(server.path(""))
        .env_clear()
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .output()
        .expect("nsenter");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command}: {said}");
}

fn furnish(dir: &Path) {
    let user = nix::unistd::User::from_name("postfix")
        .expect("passwd")
        .expect("user postfix: run tests/run");
    for below in ["postfix", "postfix/etc", "postfix/queue", "postfix/data"] {
        fs::create_dir(dir.join(below)).expect("mkdir");
    }
    let owner = Some(user.uid.as_raw());
    chown(dir.join("postfix/data"), owner, None).expect("chown");
    let dir_text = dir.to_str().expect("UTF-8 path").trim_end_matches('/');
    let write = |name: &str, text: &str| {
        let text = text
            .replace("{dir}", dir_text)
            .replace("{domains}", &DOMAINS.join(", "))
            .replace("{port}", &PORT.to_string());
        fs::write(dir.join("postfix/etc").join(name), text).expect("write");
    };
    write("main.cf", MAIN_CF);
    write("master.cf", MASTER_CF);
    // What its start makes sure of: folders of the queue, and who owns what.
    let list = "postfix-files";
    fs::copy(
        Path::new("/etc/postfix").join(list),
        dir.join("postfix/etc").join(list),
    )
    .expect("/etc/postfix/postfix-files: run tests/run");
}

/// How many mails are in its queue. A mail goes through the folders in this order, so none is overlooked.
pub(super) fn queued(server: &Server) -> usize {
    let queue = server.path("postfix/queue");
    ["maildrop", "incoming", "active", "deferred"]
        .iter()
        .map(|folder| files(&queue.join(folder)))
        .sum()
}

/// Files below a folder; Postfix hashes `deferred` into folders.
fn files(folder: &Path) -> usize {
    let Ok(entries) = fs::read_dir(folder) else {
        return 0;
    };
    entries
        .filter_map(Result::ok)
        .map(|entry| match entry.file_type() {
            Ok(kind) if kind.is_dir() => files(&entry.path()),
            Ok(_) => 1,
            Err(_) => 0,
        })
        .sum()
}

/// An SMTP session.
pub(super) struct Client {
    stream: BufReader<std::net::TcpStream>,
}

impl Client {
    pub(super) fn new(server: &Server) -> io::Result<Client> {
        let stream = BufReader::new(server.connect(PORT)?);
        let mut client = Client { stream };
        client.reply()?;
        client.say("EHLO sender.test\r\n")?;
        Ok(client)
    }

    /// Hands over a message with this envelope. Its lines end in CRLF and begin with no dot.
    pub(super) fn send(&mut self, from: &str, to: &str, message: &str) -> io::Result<()> {
        self.say(&format!("MAIL FROM:<{from}>\r\n"))?;
        self.say(&format!("RCPT TO:<{to}>\r\n"))?;
        self.say("DATA\r\n")?;
        self.say(&format!("{message}.\r\n"))
    }

    fn say(&mut self, text: &str) -> io::Result<()> {
        self.stream.get_mut().write_all(text.as_bytes())?;
        self.reply()
    }

    fn reply(&mut self) -> io::Result<()> {
        loop {
            let mut text = String::new();
            if self.stream.read_line(&mut text)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            if text.as_bytes().get(3) != Some(&b'-') {
                return match text.starts_with(['2', '3']) {
                    true => Ok(()),
                    false => Err(io::Error::other(text)),
                };
            }
        }
    }
}
