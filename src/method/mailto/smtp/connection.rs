//! A connection to the mail server: TCP (see [`super::addresses`]), greeting, EHLO, TLS (see [`super::trust`]), AUTH.
//!
//! What goes wrong here is an administrator's to mend, on his server or in his imapd.conf, and nobody has the mail yet:
//! whatever the server answers, it is tried again later.

use super::super::office::NO_DOMAIN;
use super::addresses::{in_order, look_up, share};
use super::offers::Offers;
use super::place::{Place, Tls};
use super::reply::{Reply, io_why, why};
use super::secrets::Secrets;
use super::trust::{self, Trust};
use crate::config::{Secret, Settings};
use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::{SmtpConnection, TlsParameters};
use lettre::transport::smtp::commands::Ehlo;
use lettre::transport::smtp::extension::ClientId;
use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long a reply may take before there are data. RFC 5321 section 4.5.3.2 has five minutes, which all of an
/// attempt has by default: so a server that hangs leaves time for the others.
const REPLY: Duration = Duration::from_secs(60);
/// How long a server that is left may take to say goodbye.
const GOODBYE: Duration = Duration::from_millis(100);

/// The mail server, as imapd.conf describes it.
pub(super) struct Server {
    place: Result<Place, String>,
    hello: ClientId,
    /// The domain of users who are named without one: an SMTP server need not know any (RFC 5321 section 2.3.5).
    pub(super) domain: String,
    login: Option<Result<Credentials, String>>,
    /// What is not to be told of what it says.
    pub(super) secrets: Secrets,
    trust: Mutex<Trust>,
    /// The address that worked last.
    good: Mutex<Option<SocketAddr>>,
    /// Finds the addresses of the server.
    pub(super) look_up: LookUp,
}

/// Finds the addresses of a mail server, or tells why there are none.
pub(super) type LookUp = Box<dyn Fn(&Place) -> Result<Vec<SocketAddr>, String> + Send + Sync>;

/// Why there is no connection.
struct Failure {
    /// For the log.
    why: String,
    /// Whether the server's certificate is not trusted.
    is_certificate: bool,
}

impl From<String> for Failure {
    fn from(why: String) -> Failure {
        Failure {
            why,
            is_certificate: false,
        }
    }
}

/// The times of an attempt.
#[derive(Clone, Copy)]
pub(super) struct Clock {
    /// Until here everything but the data: half of the time. The rest is the server's, to take the mail in.
    pub(super) ready: Instant,
    /// Until here everything.
    pub(super) end: Instant,
}

impl Clock {
    /// The times of an attempt that begins now.
    pub(super) fn new(limit: Duration) -> Clock {
        let now = Instant::now();
        Clock {
            ready: now + limit / 2,
            end: now + limit,
        }
    }

    /// How long the next reply may take, before there are data.
    pub(super) fn reply(&self) -> Result<Duration, String> {
        let left = self.ready.saturating_duration_since(Instant::now());
        match left.is_zero() {
            true => Err("too slow for the time limit".into()),
            false => Ok(left.min(REPLY)),
        }
    }
}

/// A connection that is ready for mail.
pub(super) struct Connection {
    pub(super) smtp: SmtpConnection,
    pub(super) offers: Offers,
    /// When it was last used.
    pub(super) used: Instant,
}

impl Connection {
    /// Says goodbye.
    pub(super) fn quit(mut self) {
        let _ = self.smtp.set_timeout(Some(GOODBYE));
        let _ = self.smtp.quit(); // whatever he answers, we are gone
    }
}

impl Server {
    /// The one that imapd.conf names.
    pub(super) fn new(settings: &Settings) -> Server {
        let place = Place::parse(&settings.smtp_host);
        let wanted = place.as_ref().is_ok_and(|place| place.auth);
        let name = settings.smtp_auth_authname.as_ref();
        let mut secrets = Secrets::default();
        let login = name.filter(|_| wanted).map(|name| {
            let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec());
            let password = settings.smtp_auth_password.as_ref();
            let password = password.map(Secret::expose).unwrap_or_default();
            match (text(name), text(password)) {
                (Ok(name), Ok(password)) => {
                    secrets = Secrets::of(&name, &password);
                    Ok(Credentials::new(name, password))
                }
                _ => Err("smtp_auth_authname or smtp_auth_password is not UTF-8".to_owned()),
            }
        });
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let domain = match settings.defaultdomain.as_slice() {
            b"" | NO_DOMAIN => &settings.servername,
            domain => domain,
        };
        Server {
            place,
            hello: ClientId::Domain(text(&settings.servername)),
            domain: text(domain),
            login,
            secrets,
            trust: Mutex::default(),
            good: Mutex::default(),
            look_up: Box::new(look_up),
        }
    }

    /// Its name for the log.
    pub(super) fn name(&self) -> String {
        self.place
            .as_ref()
            .map(Place::to_string)
            .unwrap_or_default()
    }

    /// Connects. When the server's certificate is not trusted, once more with the roots as they are now.
    ///
    /// # Errors
    /// Why there is no connection, for the log.
    pub(super) fn connect(&self, clock: &Clock) -> Result<Connection, String> {
        let connected = match self.try_connect(clock) {
            Err(failure) if failure.is_certificate && lock(&self.trust).renew(Instant::now()) => {
                self.try_connect(clock)
            }
            other => other,
        };
        connected.map_err(|failure| failure.why)
    }

    fn try_connect(&self, clock: &Clock) -> Result<Connection, Failure> {
        let place = self.place.as_ref().map_err(String::clone)?;
        let named = |why: String| format!("{place}: {why}");
        let found = (self.look_up)(place).map_err(named)?;
        let mut smtp = self.reach(place, &found, clock)?;
        let is_here = found.iter().all(|address| address.ip().is_loopback());
        let offered = Offered {
            tls: smtp.can_starttls(),
            login: can_log_in(&smtp),
        };
        if starts_tls(place.tls, self.login.is_some(), is_here, offered)
            .map_err(|why| named(why.into()))?
        {
            self.start_tls(place, &mut smtp, clock)?;
        }
        if let Some(login) = &self.login {
            log_in(
                place,
                &mut smtp,
                login.as_ref().map_err(String::clone)?,
                clock,
            )?;
        }
        set_timeout(&mut smtp, clock.reply().map_err(named)?).map_err(named)?;
        // lettre has said EHLO already, and keeps what it knows; the rest is for us.
        let hello = smtp.command(Ehlo::new(self.hello.clone()));
        let hello = hello.map_err(|error| told(place, &error, "EHLO"))?;
        Ok(Connection {
            smtp,
            offers: Offers::of(&hello),
            used: Instant::now(),
        })
    }

    /// A connection to one of the addresses, as far as the reply to EHLO.
    fn reach(
        &self,
        place: &Place,
        found: &[SocketAddr],
        clock: &Clock,
    ) -> Result<SmtpConnection, Failure> {
        let named = |why: String| format!("{place}: {why}");
        let wrapped = match place.tls {
            Tls::FromStart => Some(self.trust(place).map_err(named)?),
            _ => None,
        };
        let order = in_order(found, *lock(&self.good));
        let (mut whys, mut is_certificate) = (Vec::new(), false);
        for (n, address) in order.iter().enumerate() {
            let limit = share(clock.reply().map_err(named)?, order.len() - n);
            let connected =
                SmtpConnection::connect(address, Some(limit), &self.hello, wrapped.as_ref(), None);
            match connected {
                Ok(smtp) => {
                    *lock(&self.good) = Some(*address);
                    return Ok(smtp);
                }
                Err(error) => {
                    is_certificate |= trust::is_certificate(&error);
                    whys.push(told(place, &error, "the connection"));
                }
            }
        }
        whys.dedup();
        Err(Failure {
            why: whys.join("; "),
            is_certificate,
        })
    }

    fn start_tls(
        &self,
        place: &Place,
        smtp: &mut SmtpConnection,
        clock: &Clock,
    ) -> Result<(), Failure> {
        let named = |why: String| format!("{place}: {why}");
        let trust = self.trust(place).map_err(named)?;
        set_timeout(smtp, clock.reply().map_err(named)?).map_err(named)?;
        smtp.starttls(&trust, &self.hello).map_err(|error| Failure {
            why: told(place, &error, "STARTTLS"),
            is_certificate: trust::is_certificate(&error),
        })
    }

    fn trust(&self, place: &Place) -> Result<TlsParameters, String> {
        lock(&self.trust).of(&place.host)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What a server offers as long as nothing is encrypted.
#[derive(Clone, Copy, Debug)]
struct Offered {
    tls: bool,
    login: bool,
}

/// Whether STARTTLS is the next command; an error when nothing may be sent. On this machine a password needs it only
/// when the server says so: its certificate is rarely one that anybody could verify.
fn starts_tls(
    wanted: Tls,
    has_password: bool,
    is_here: bool,
    offered: Offered,
) -> Result<bool, &'static str> {
    match wanted {
        Tls::FromStart => Ok(false),
        Tls::Required if offered.tls => Ok(true),
        Tls::Required => {
            Err("does not offer STARTTLS, which smtp_host asks for: nothing is sent in clear")
        }
        Tls::ForPassword if !has_password => Ok(false),
        Tls::ForPassword if is_here => Ok(offered.tls && !offered.login),
        Tls::ForPassword if offered.tls => Ok(true),
        Tls::ForPassword => Err("does not offer STARTTLS, and a password is not sent in clear"),
    }
}

const MECHANISMS: &[Mechanism] = &[Mechanism::Plain, Mechanism::Login];

fn can_log_in(smtp: &SmtpConnection) -> bool {
    smtp.server_info().get_auth_mechanism(MECHANISMS).is_some()
}

fn log_in(
    place: &Place,
    smtp: &mut SmtpConnection,
    credentials: &Credentials,
    clock: &Clock,
) -> Result<(), String> {
    let named = |why: String| format!("{place}: {why}");
    if !can_log_in(smtp) {
        return Err(named(
            "offers neither AUTH PLAIN nor AUTH LOGIN, and smtp_auth_authname is set".into(),
        ));
    }
    set_timeout(smtp, clock.reply().map_err(named)?).map_err(named)?;
    match smtp.auth(MECHANISMS, credentials) {
        Ok(_) => Ok(()),
        Err(error) => Err(told(place, &error, "AUTH")),
    }
}

/// Sets how long the next read or write may take.
pub(super) fn set_timeout(smtp: &mut SmtpConnection, limit: Duration) -> Result<(), String> {
    smtp.set_timeout(Some(limit))
        .map_err(|error| io_why(&error))
}

/// What went wrong while connecting, for the log. A reply is told as Postfix tells it.
fn told(place: &Place, error: &Error, step: &str) -> String {
    match error.status() {
        None => format!("{place}: {}", why(error)),
        Some(_) => said(&place.to_string(), &Reply::of_error(error), step),
    }
}

/// A reply that is not yes, for the log.
pub(super) fn said(name: &str, reply: &Reply, step: &str) -> String {
    format!("{name} said: {} (in reply to {step})", reply.text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_never_goes_in_clear_to_another_machine() {
        for tls in [Tls::ForPassword, Tls::Required] {
            for offers_tls in [false, true] {
                for login in [false, true] {
                    let offered = Offered {
                        tls: offers_tls,
                        login,
                    };
                    assert_eq!(starts_tls(tls, true, false, offered).is_ok(), offers_tls);
                    assert_ne!(starts_tls(tls, true, false, offered), Ok(false));
                }
            }
        }
    }

    #[test]
    fn tls_begins_when_it_must() {
        let offered = |tls, login| Offered { tls, login };
        for is_here in [false, true] {
            let all = offered(true, true);
            assert_eq!(starts_tls(Tls::ForPassword, false, is_here, all), Ok(false));
            assert_eq!(starts_tls(Tls::FromStart, true, is_here, all), Ok(false));
            assert_eq!(starts_tls(Tls::Required, false, is_here, all), Ok(true));
            let none = offered(false, true);
            assert!(starts_tls(Tls::Required, false, is_here, none).is_err());
        }
        let here = |tls, login| starts_tls(Tls::ForPassword, true, true, offered(tls, login));
        assert_eq!(here(true, true), Ok(false));
        assert_eq!(here(true, false), Ok(true), "AUTH only within TLS");
        assert_eq!(here(false, true), Ok(false));
    }
}
