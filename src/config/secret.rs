//! What must not be shown: passwords and secrets that stand in imapd.conf. They go where they are used and nowhere else;
//! everywhere else, [`HIDDEN`] stands for them.

use std::borrow::Cow;
use std::fmt;

/// What is shown instead.
pub const HIDDEN: &str = "***";

/// A value that nobody gets to see.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Vec<u8>);

impl Secret {
    /// Keeps `value`.
    #[must_use]
    pub fn new(value: Vec<u8>) -> Secret {
        Secret(value)
    }

    /// The value itself, for where it is used.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HIDDEN)
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HIDDEN)
    }
}

/// Whether the option `name`, with or without a service's name before it, holds a secret. Cyrus takes options that it does
/// not know for other libraries, such as `sasl_sql_passwd` and `sasl_ldapdb_pw`, so the name must tell.
#[must_use]
pub fn is_secret(name: &[u8]) -> bool {
    let name = name.to_ascii_lowercase();
    let contains = |part: &[u8]| name.windows(part.len()).any(|window| window == part);
    let ends = [
        b"_pw".as_slice(),
        b"_pass",
        b"_token",
        b"_apikey",
        b"_api_key",
    ];
    let parts = [b"password".as_slice(), b"passwd", b"passphrase", b"secret"];
    parts.iter().any(|part| contains(part)) || ends.iter().any(|end| name.ends_with(end))
}

/// Options that name a file with a private key.
pub const KEY_FILES: [&str; 3] = ["tls_server_key", "tls_client_key", "ldap_client_key"];

/// `value` of the option `name` as it may be shown: a secret is hidden, and so is a password in a URL.
#[must_use]
pub fn masked<'v>(name: &[u8], value: &'v [u8]) -> Cow<'v, [u8]> {
    if value.is_empty() {
        return Cow::Borrowed(value);
    }
    if is_secret(name) {
        return Cow::Borrowed(HIDDEN.as_bytes());
    }
    if !value.windows(3).any(|window| window == b"://") {
        return Cow::Borrowed(value);
    }
    let words: Vec<Cow<'_, [u8]>> = value.split(|&byte| byte == b' ').map(url).collect();
    Cow::Owned(words.join(&b' '))
}

/// A URL without its password (RFC 3986 section 3.2.1).
fn url(word: &[u8]) -> Cow<'_, [u8]> {
    let password = || {
        let authority = word.windows(3).position(|window| window == b"://")? + 3;
        let rest = word.get(authority..)?;
        let ends = |byte: &u8| matches!(byte, b'/' | b'?' | b'#');
        let end = rest.iter().position(ends).unwrap_or(rest.len());
        let at = rest.get(..end)?.iter().rposition(|&byte| byte == b'@')?;
        let colon = rest.get(..at)?.iter().position(|&byte| byte == b':')?;
        Some((word.get(..=authority + colon)?, rest.get(at..)?))
    };
    match password() {
        Some((before, after)) => Cow::Owned([before, HIDDEN.as_bytes(), after].concat()),
        None => Cow::Borrowed(word),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(name: &str, value: &str) -> String {
        String::from_utf8_lossy(&masked(name.as_bytes(), value.as_bytes())).into_owned()
    }

    #[test]
    fn secrets_are_known_by_their_names() {
        for name in [
            "smtp_auth_password",
            "notify_smtp_auth_password",
            "ldap_password",
            "LDAP_Password",
            "sql_passwd",
            "sasl_sql_passwd",
            "sasl_ldapdb_pw",
            "srs_secrets",
            "sync_password",
        ] {
            assert_eq!(shown(name, "geheim"), HIDDEN, "{name}");
        }
        for name in [
            "sasl_pwcheck_method",
            "postmaster",
            "tls_server_key",
            "sasl_mech_list",
        ] {
            assert_eq!(shown(name, "value"), "value", "{name}");
        }
        assert_eq!(shown("sync_password", ""), "");
    }

    #[test]
    fn passwords_in_urls_are_hidden() {
        for (value, text) in [
            ("ldap://u:p@h/ ldap://h", "ldap://u:***@h/ ldap://h"),
            ("ldaps://u:p@a@h:636", "ldaps://u:***@h:636"),
            ("ldap://u@h/x:y@z", "ldap://u@h/x:y@z"),
            ("a://", "a://"),
            ("a:b@c", "a:b@c"),
        ] {
            assert_eq!(shown("ldap_uri", value), text);
        }
    }

    #[test]
    fn nothing_prints_it() {
        let secret = Secret::new(b"geheim".to_vec());
        assert_eq!(
            format!("{secret} {secret:?} {:?}", Some(&secret)),
            "*** *** Some(***)"
        );
        assert_eq!(secret.expose(), b"geheim");
    }
}
