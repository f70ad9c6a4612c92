//! Names, paths, modes and addresses.
//!
//! What can go wrong: a path that is not absolute (the daemon's working directory is nobody's business), an address
//! that others than this machine can reach.

use super::form::{Complain, Form, quoted, read_or};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use toml::Spanned;
use toml::de::DeValue;

/// A name without blanks and control characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name(pub String);

impl Form for Name {
    const FORM: &'static str = "name";

    fn read(value: &Spanned<DeValue<'_>>, complain: Complain<'_>) -> Option<Self> {
        read_or(
            value,
            complain,
            "a name of printable ASCII characters, up to 255",
            |value| {
                let text = value.as_str()?;
                let fits = (1..=255).contains(&text.len())
                    && text.bytes().all(|byte| byte.is_ascii_graphic());
                fits.then(|| Name(text.to_owned()))
            },
        )
    }

    fn show(&self) -> Option<String> {
        Some(quoted(&self.0))
    }
}

/// What `{configdirectory}` stands for is known to imapd.conf only.
const CONFIGDIRECTORY: &str = "{configdirectory}";

/// An absolute path of a folder, which may begin with `{configdirectory}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Folder(String);

impl Folder {
    /// The path.
    #[must_use]
    pub fn with(&self, configdirectory: &Path) -> PathBuf {
        match self.0.strip_prefix(CONFIGDIRECTORY) {
            Some(rest) => configdirectory.join(rest.trim_start_matches('/')),
            None => PathBuf::from(&self.0),
        }
    }
}

impl Form for Folder {
    const FORM: &'static str = "path";

    fn read(value: &Spanned<DeValue<'_>>, complain: Complain<'_>) -> Option<Self> {
        read_or(value, complain, "an absolute path of a folder", |value| {
            let text = value.as_str()?;
            let rest = text.strip_prefix(CONFIGDIRECTORY).unwrap_or(text);
            let fits = rest.starts_with('/') && rest.len() > 1 && !text.contains('\0');
            fits.then(|| Folder(text.to_owned()))
        })
    }

    fn show(&self) -> Option<String> {
        Some(quoted(&self.0))
    }
}

/// A [`Folder`], or none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MaybeFolder(pub Option<Folder>);

impl Form for MaybeFolder {
    const FORM: &'static str = "path";

    fn read(value: &Spanned<DeValue<'_>>, complain: Complain<'_>) -> Option<Self> {
        if value.get_ref().as_str() == Some("") {
            return Some(MaybeFolder(None));
        }
        Folder::read(value, complain).map(|folder| MaybeFolder(Some(folder)))
    }

    fn show(&self) -> Option<String> {
        let shown = self.0.as_ref().and_then(Form::show);
        Some(shown.unwrap_or_else(|| quoted("")))
    }
}

/// Permission bits, as chmod(1) takes them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mode(pub u32);

impl Form for Mode {
    const FORM: &'static str = "mode";

    fn read(value: &Spanned<DeValue<'_>>, complain: Complain<'_>) -> Option<Self> {
        read_or(
            value,
            complain,
            "a mode in octal, such as \"0660\"",
            |value| {
                let mode = match value {
                    DeValue::String(text) if text.bytes().all(|byte| byte.is_ascii_digit()) => {
                        u32::from_str_radix(text, 8).ok()?
                    }
                    DeValue::Integer(number) if number.radix() == 8 => {
                        u32::from_str_radix(number.as_str(), 8).ok()?
                    }
                    _ => return None,
                };
                (mode <= 0o777).then_some(Mode(mode))
            },
        )
    }

    fn show(&self) -> Option<String> {
        Some(quoted(&format!("{:04o}", self.0)))
    }
}

/// Where something can be fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listen {
    /// Nowhere.
    Off,
    /// At an address of this machine's own loopback.
    Tcp(SocketAddr),
    /// At a Unix socket.
    Unix(PathBuf),
}

impl Form for Listen {
    const FORM: &'static str = "address";

    fn read(value: &Spanned<DeValue<'_>>, complain: Complain<'_>) -> Option<Self> {
        let right = "empty, a loopback address with a port such as \"127.0.0.1:9095\", or \"unix:/absolute/path\"";
        read_or(value, complain, right, |value| match value.as_str()? {
            "" => Some(Listen::Off),
            text => match text.strip_prefix("unix:") {
                Some(path) => (path.starts_with('/') && !path.contains('\0'))
                    .then(|| Listen::Unix(path.into())),
                None => {
                    let address: SocketAddr = text.parse().ok()?;
                    address.ip().is_loopback().then_some(Listen::Tcp(address))
                }
            },
        })
    }

    fn show(&self) -> Option<String> {
        Some(match self {
            Listen::Off => quoted(""),
            Listen::Tcp(address) => quoted(&address.to_string()),
            Listen::Unix(path) => quoted(&format!("unix:{}", path.display())),
        })
    }
}
