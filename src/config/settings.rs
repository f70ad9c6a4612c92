//! The options that we use, typed: [`Settings`].
//!
//! Reads imapd.conf through [`ImapdConf`](super::ImapdConf) and fills in what Cyrus fills in outside
//! of its parser: the host's name for `servername` (`config_read` in `lib/libconfig.c`), the syslog
//! ident and facility and the octal `umask` (`cyrus_init` in `imap/global.c`), the user
//! (`cyrus_user` in `lib/util.c`), the form of `notifysocket` (`notify` in `imap/notify.c`).
//!
//! What can go wrong: only what [`ConfigError`](super::ConfigError) says. A syslog facility that does
//! not exist is a warning, as in Cyrus.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use super::choices::{ContentInclusion, Facility, NotifySocket, SmtpBackend};
use super::error::ConfigError;
use super::files::read_regular;
use super::imapd_conf::ImapdConf;
use super::secret::Secret;
use super::toml::{Known, Own};

/// The file that Cyrus reads when no `-C` names another.
pub const DEFAULT_FILE: &str = "/etc/imapd.conf";

/// The user that Debian's Cyrus runs as when nobody says otherwise.
pub const DEFAULT_USER: &str = "cyrus";

/// The syslog prefix of Debian's Cyrus when nobody says otherwise.
const DEFAULT_PREFIX: &[u8] = b"cyrus";

/// What the environment says about the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Context {
    /// CYRUS_SERVICE: the name before service-specific options, and the syslog ident.
    pub service: OsString,
    /// CYRUS_PREFIX: put before the name of each configuration file and tried first.
    pub cyrus_prefix: Option<OsString>,
    /// CYRUS_SYSLOG_PREFIX: beats `syslog_prefix`.
    pub syslog_prefix: Option<OsString>,
    /// CYRUS_USER: beats `cyrus_user`.
    pub user: Option<OsString>,
    /// Only warn of a value that does not fit, where the option does not concern us: a newer
    /// Cyrus than 3.6.1 may take it, and its notifications shall flow.
    pub lenient: bool,
}

impl Default for Context {
    /// Service `notify` in an empty environment.
    fn default() -> Context {
        Context {
            service: "notify".into(),
            cyrus_prefix: None,
            syslog_prefix: None,
            user: None,
            lenient: false,
        }
    }
}

impl Context {
    /// The syslog ident as long as no imapd.conf is read.
    #[must_use]
    pub fn syslog_ident(&self) -> Vec<u8> {
        let prefix = self
            .syslog_prefix
            .as_deref()
            .map_or(DEFAULT_PREFIX, OsStr::as_bytes);
        [prefix, b"/", self.service.as_bytes()].concat()
    }

    /// Reads the process's environment; the service is `notify` when CYRUS_SERVICE is not set.
    #[must_use]
    pub fn from_env() -> Context {
        Context {
            service: std::env::var_os("CYRUS_SERVICE").unwrap_or_else(|| "notify".into()),
            cyrus_prefix: std::env::var_os("CYRUS_PREFIX"),
            syslog_prefix: std::env::var_os("CYRUS_SYSLOG_PREFIX"),
            user: std::env::var_os("CYRUS_USER"),
            lenient: false,
        }
    }

    /// Reads `file` (default [`DEFAULT_FILE`]) and what it includes from the disk.
    pub fn read(&self, file: Option<&Path>) -> Result<ImapdConf, ConfigError> {
        let file = file.unwrap_or(Path::new(DEFAULT_FILE));
        self.read_with(file, &mut read_file)
    }

    fn read_with(
        &self,
        file: &Path,
        read: &mut dyn FnMut(&Path) -> io::Result<Vec<u8>>,
    ) -> Result<ImapdConf, ConfigError> {
        ImapdConf::read(
            file,
            self.service.as_bytes(),
            self.cyrus_prefix.as_deref(),
            self.lenient,
            read,
        )
    }
}

/// Most bytes of imapd.conf, and of each file that it includes. Cyrus knows no limit; the largest that people have published
/// has 60 KB.
const LONGEST: u64 = 16 << 20;

/// What is in a file. As for Cyrus, a directory reads as an empty file; Cyrus would wait at a pipe for ever.
fn read_file(path: &Path) -> io::Result<Vec<u8>> {
    if path.is_dir() {
        return Ok(Vec::new());
    }
    read_regular(path, LONGEST)
}

/// What the emitting side of Cyrus is set to: who sends us what. The methods' names may be absent,
/// then that kind of notification is not sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Emitters {
    /// `event_notifier`
    pub event_notifier: Option<Vec<u8>>,
    /// `mailnotifier`
    pub mailnotifier: Option<Vec<u8>>,
    /// `sievenotifier`
    pub sievenotifier: Option<Vec<u8>>,
    /// `imipnotifier`
    pub imipnotifier: Option<Vec<u8>>,
    /// `event_groups`, as Cyrus' words: `message`, `quota`, `flags` …
    pub event_groups: Vec<&'static str>,
    /// `event_extra_params`, as Cyrus' words: `timestamp`, `vnd.cmu.envelope` …
    pub event_extra_params: Vec<&'static str>,
    /// `event_content_inclusion_mode`
    pub event_content_inclusion_mode: ContentInclusion,
    /// `event_content_size` in bytes; 0 for no limit.
    pub event_content_size: i64,
    /// `event_exclude_flags`: flags, separated by white space.
    pub event_exclude_flags: Option<Vec<u8>>,
    /// `event_exclude_specialuse`: special-use attributes, separated by white space.
    pub event_exclude_specialuse: Option<Vec<u8>>,
}

/// What imapd.conf means for us: typed, with defaults filled in and `{configdirectory}` replaced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The service's name: CYRUS_SERVICE, default `notify`.
    pub service: Vec<u8>,
    /// `configdirectory`.
    pub configdirectory: PathBuf,
    /// `notifysocket`, default `{configdirectory}/socket/notify`.
    pub notifysocket: NotifySocket,
    /// `notify_external`: the program of method `external`.
    pub notify_external: Option<PathBuf>,
    /// `sendmail`: the program of method `mailto`.
    pub sendmail: PathBuf,
    /// `postmaster`: the address in From.
    pub postmaster: Vec<u8>,
    /// `servername`, or the host's name.
    pub servername: Vec<u8>,
    /// `defaultdomain`.
    pub defaultdomain: Vec<u8>,
    /// CYRUS_SYSLOG_PREFIX, else `syslog_prefix`; put before the ident with a slash.
    pub syslog_prefix: Option<Vec<u8>>,
    /// `syslog_facility`; MAIL, as Debian builds Cyrus, when unset or unknown.
    pub syslog_facility: Facility,
    /// `debug`: whether messages of level debug are logged.
    pub debug: bool,
    /// `umask`, as umask(2) takes it.
    pub umask: u32,
    /// CYRUS_USER, else `cyrus_user`, else `cyrus`.
    pub cyrus_user: Vec<u8>,
    /// `cyrus_group`; the user's own group when unset.
    pub cyrus_group: Option<Vec<u8>>,
    /// `smtp_backend`
    pub smtp_backend: SmtpBackend,
    /// `smtp_host`: where SMTP connects, as it stands in the file.
    pub smtp_host: Vec<u8>,
    /// `smtp_auth_authname`
    pub smtp_auth_authname: Option<Vec<u8>>,
    /// `smtp_auth_password`
    pub smtp_auth_password: Option<Secret>,
    /// `smtp_auth_realm`
    pub smtp_auth_realm: Option<Vec<u8>>,
    /// What Cyrus is set to send.
    pub emitters: Emitters,
    /// What the administrator should be told; nothing here stops anything.
    pub warnings: Vec<String>,
    /// Our own notifyd.toml; all defaults until [`Settings::with_own`] reads it.
    pub own: Own,
    conf: ImapdConf,
}

impl Settings {
    /// Reads `file` (default [`DEFAULT_FILE`]) and what it includes.
    pub fn load(file: Option<&Path>, context: &Context) -> Result<Settings, ConfigError> {
        Ok(Settings::new(context.read(file)?, context))
    }

    /// Takes `text` for the contents of imapd.conf. Includes are read from the disk.
    pub fn parse(text: &[u8], context: &Context) -> Result<Settings, ConfigError> {
        let mut first = Some(text.to_vec());
        let mut read = |path: &Path| first.take().map_or_else(|| read_file(path), Ok);
        let conf = context.read_with(Path::new("imapd.conf"), &mut read)?;
        Ok(Settings::new(conf, context))
    }

    /// The settings of a file that says nothing but where Cyrus keeps its state; for tests.
    #[must_use]
    pub fn for_tests(configdirectory: &Path) -> Settings {
        let text = [b"configdirectory: ", configdirectory.as_os_str().as_bytes()].concat();
        Settings::parse(&text, &Context::default()).expect("a directory without white space")
    }

    /// The value of a key that Cyrus does not know: `notify_KEY` (with the service's name) first,
    /// then `KEY`. This is where our own key `notifyd_config` is found.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&[u8]> {
        self.conf.unknown(key)
    }

    /// Reads notifyd.toml, too, which `notifyd_config` names. What is wrong in it is in `own.problems`.
    #[must_use]
    pub fn with_own(mut self, context: &Context, methods: &[Known]) -> Settings {
        let prefix = context.cyrus_prefix.as_deref();
        self.own = Own::load(self.get("notifyd_config"), prefix, methods);
        self
    }

    /// The folder of the spool.
    #[must_use]
    pub fn spool(&self) -> PathBuf {
        self.own.config.spool.path.with(&self.configdirectory)
    }

    /// All options, for those that have no field here.
    #[must_use]
    pub fn conf(&self) -> &ImapdConf {
        &self.conf
    }

    /// The ident in syslog lines: `PREFIX/SERVICE`. Debian's Cyrus takes `cyrus` when nobody names a prefix.
    #[must_use]
    pub fn syslog_ident(&self) -> Vec<u8> {
        let prefix = self.syslog_prefix.as_deref().unwrap_or(DEFAULT_PREFIX);
        [prefix, b"/", &self.service].concat()
    }

    fn new(conf: ImapdConf, context: &Context) -> Settings {
        let text = |name: &str| conf.text(name).map(<[u8]>::to_vec);
        let or_empty = |name: &str| text(name).unwrap_or_default();
        let env = |variable: &Option<OsString>| variable.clone().map(OsString::into_vec);
        let mut warnings = conf.warnings().to_vec();
        let facility = facility(conf.text("syslog_facility"), &mut warnings);
        Settings {
            service: context.service.as_bytes().to_vec(),
            configdirectory: path(&or_empty("configdirectory")),
            notifysocket: NotifySocket::from_value(&or_empty("notifysocket")),
            notify_external: conf.text("notify_external").map(path),
            sendmail: path(&or_empty("sendmail")),
            postmaster: or_empty("postmaster"),
            servername: text("servername").unwrap_or_else(host_name),
            defaultdomain: or_empty("defaultdomain"),
            syslog_prefix: env(&context.syslog_prefix).or_else(|| text("syslog_prefix")),
            syslog_facility: facility,
            debug: conf.switch("debug").unwrap_or(false),
            umask: umask(&or_empty("umask")),
            cyrus_user: env(&context.user)
                .or_else(|| text("cyrus_user"))
                .unwrap_or_else(|| DEFAULT_USER.into()),
            cyrus_group: text("cyrus_group"),
            smtp_backend: match conf.text("smtp_backend") {
                Some(b"host") => SmtpBackend::Host,
                _ => SmtpBackend::Sendmail,
            },
            smtp_host: or_empty("smtp_host"),
            smtp_auth_authname: text("smtp_auth_authname"),
            smtp_auth_password: text("smtp_auth_password").map(Secret::new),
            smtp_auth_realm: text("smtp_auth_realm"),
            emitters: Emitters::new(&conf),
            warnings,
            own: Own::default(),
            conf,
        }
    }
}

impl Emitters {
    fn new(conf: &ImapdConf) -> Emitters {
        let text = |name: &str| conf.text(name).map(<[u8]>::to_vec);
        let inclusion = conf.words("event_content_inclusion_mode");
        Emitters {
            event_notifier: text("event_notifier"),
            mailnotifier: text("mailnotifier"),
            sievenotifier: text("sievenotifier"),
            imipnotifier: text("imipnotifier"),
            event_groups: conf.words("event_groups"),
            event_extra_params: conf.words("event_extra_params"),
            event_content_inclusion_mode: match inclusion.first() {
                Some(&"message") => ContentInclusion::Message,
                Some(&"header") => ContentInclusion::Header,
                Some(&"body") => ContentInclusion::Body,
                Some(&"headerbody") => ContentInclusion::HeaderBody,
                _ => ContentInclusion::Standard,
            },
            event_content_size: conf.int("event_content_size").unwrap_or(0),
            event_exclude_flags: text("event_exclude_flags"),
            event_exclude_specialuse: text("event_exclude_specialuse"),
        }
    }
}

fn path(bytes: &[u8]) -> PathBuf {
    PathBuf::from(OsStr::from_bytes(bytes))
}

fn facility(name: Option<&[u8]>, warnings: &mut Vec<String>) -> Facility {
    let Some(name) = name else {
        return Facility::Mail;
    };
    Facility::named(name).unwrap_or_else(|| {
        let name = String::from_utf8_lossy(name);
        warnings.push(format!("config error: syslog name {name} not recognised"));
        Facility::Mail
    })
}

/// Octal; other characters than 0 to 7 are passed over, as Cyrus does.
fn umask(text: &[u8]) -> u32 {
    let digits = text.iter().filter(|b| (b'0'..=b'7').contains(b));
    digits.fold(0, |mask: u32, b| mask << 3 | u32::from(b - b'0')) & 0o777
}

fn host_name() -> Vec<u8> {
    rustix::system::uname().nodename().to_bytes().to_vec()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn settings(text: &str) -> Settings {
        let text = format!("configdirectory: /var/lib/cyrus\n{text}");
        Settings::parse(text.as_bytes(), &Context::default()).unwrap()
    }

    #[test]
    fn defaults() {
        let ours = Settings::for_tests(Path::new("/var/lib/cyrus"));
        assert_eq!(
            ours.notifysocket,
            NotifySocket::Datagram("/var/lib/cyrus/socket/notify".into())
        );
        assert_eq!(ours.notify_external, None);
        assert_eq!(ours.sendmail, Path::new("/usr/lib/sendmail"));
        assert_eq!(ours.postmaster, b"postmaster");
        assert_eq!(ours.defaultdomain, b"internal");
        assert!(!ours.servername.is_empty());
        assert_eq!(ours.umask, 0o077);
        assert_eq!(ours.cyrus_user, b"cyrus");
        assert_eq!(ours.syslog_facility, Facility::Mail);
        assert_eq!(ours.syslog_ident(), b"cyrus/notify");
        assert_eq!(ours.smtp_backend, SmtpBackend::Sendmail);
        assert_eq!(ours.smtp_host, b"localhost:587");
        assert_eq!(ours.emitters.event_groups, ["message", "mailbox"]);
        assert_eq!(ours.emitters.event_extra_params, ["timestamp"]);
        assert_eq!(
            ours.emitters.event_exclude_specialuse.as_deref(),
            Some(b"\\Junk".as_slice())
        );
        assert_eq!(ours.get("notifyd_config"), None);
        assert!(ours.warnings.is_empty());
    }

    #[test]
    fn set_values() {
        let ours = settings(
            "notifysocket: dlist:{configdirectory}/n\nnotify_external: {ConfigDirectory}/x\n\
             notify_debug: on\numask: 0o27x\nsyslog_facility: local6\nsmtp_backend: host\n\
             event_groups: quota calendar\nevent_content_inclusion_mode: headerbody\n\
             notify_notifyd_config: /a\nnotifyd_config: /b\nimipnotifier: log\n",
        );
        // Only the start of a value is replaced.
        assert_eq!(
            ours.notifysocket,
            NotifySocket::Dlist("{configdirectory}/n".into())
        );
        assert_eq!(
            ours.notify_external.as_deref(),
            Some(Path::new("/var/lib/cyrus/x"))
        );
        assert!(ours.debug);
        assert_eq!(ours.umask, 0o027);
        assert_eq!(ours.syslog_facility.code(), 22);
        assert_eq!(ours.smtp_backend, SmtpBackend::Host);
        assert_eq!(ours.emitters.event_groups, ["quota", "calendar"]);
        assert_eq!(
            ours.emitters.event_content_inclusion_mode,
            ContentInclusion::HeaderBody
        );
        assert_eq!(
            ours.emitters.imipnotifier.as_deref(),
            Some(b"log".as_slice())
        );
        assert_eq!(ours.get("notifyd_config"), Some(b"/a".as_slice()));
    }

    #[test]
    fn the_environment_wins() {
        let context = Context {
            syslog_prefix: Some("lab".into()),
            user: Some("imap".into()),
            ..Context::default()
        };
        let text = b"configdirectory: /v\nsyslog_prefix: cyrus\ncyrus_user: other\n";
        let ours = Settings::parse(text, &context).unwrap();
        assert_eq!(ours.syslog_ident(), b"lab/notify");
        assert_eq!(ours.cyrus_user, b"imap");
    }

    #[test]
    fn what_a_newer_cyrus_may_know_is_a_warning_when_asked_so() {
        let text = b"configdirectory: /v\nevent_groups: message jmap\nmaxmessagesize: 10M\n";
        assert!(Settings::parse(text, &Context::default()).is_err());
        let lenient = Context {
            lenient: true,
            ..Context::default()
        };
        let ours = Settings::parse(text, &lenient).unwrap();
        assert_eq!(ours.warnings.len(), 2, "{:?}", ours.warnings);
        assert!(Settings::parse(b"configdirectory: /v\ndebug: maybe\n", &lenient).is_err());
    }

    #[test]
    fn an_unknown_facility_is_a_warning() {
        let ours = settings("syslog_facility: kernel\n");
        assert_eq!(ours.syslog_facility, Facility::Mail);
        assert_eq!(
            ours.warnings,
            ["config error: syslog name kernel not recognised"]
        );
    }
}
