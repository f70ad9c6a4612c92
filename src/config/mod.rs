//! What the operator said: Cyrus' imapd.conf and cyrus.conf, read exactly as Cyrus 3.6.1 reads them, and our own [`toml`].
//!
//! From the file to the values that we use:
//!
//! | step | where | what can go wrong |
//! |---|---|---|
//! | bytes to logical lines | `lines.rs` | nothing |
//! | includes | `files.rs` | a file that is missing or read twice |
//! | lines to keys and values, includes | [`ImapdConf`] | all that is fatal in Cyrus, in its words: [`ConfigError`] |
//! | text to typed value | [`value`] | the same |
//! | the table of options | [`keys`] | – |
//! | our typed view, defaults filled in | [`Settings`] | warnings only |
//! | cyrus.conf, for `notifyctl check` | [`cyrus_conf`] | what master ends with |
//! | the way back, in the lines of `cyr_info conf` | `show.rs` | nothing |

mod choices;
pub mod cyrus_conf;
mod error;
mod files;
mod imapd_conf;
pub mod keys;
mod lines;
mod options_1;
mod options_2;
mod options_3;
pub mod secret;
mod settings;
mod show;
pub mod toml;
pub mod value;

pub use choices::{ContentInclusion, Facility, NotifySocket, SmtpBackend};
pub use error::ConfigError;
pub use files::ReadFile;
pub use imapd_conf::{ImapdConf, Place};
pub use secret::Secret;
pub use settings::{Context, DEFAULT_FILE, DEFAULT_USER, Emitters, Settings};
pub use show::defaults;
