//! Where the spool and the templates are, for the commands that look into them.

use super::arguments::Arguments;
use super::{CONFIG, Failure, UNAVAILABLE};
use crate::config::{Context, Settings};
use crate::mail::template::{Templates, Wrong};
use crate::method;
use crate::spool::queue::Queue;
use crate::system::user;
use std::io::{self, Write};
use std::path::Path;

/// The settings of `-C FILE`, read as the daemon reads them.
pub(super) fn settings(arguments: &mut Arguments) -> Result<Settings, Failure> {
    settings_of(arguments.file().as_deref())
}

/// The settings of `file`, or of Cyrus' usual one.
pub(super) fn settings_of(file: Option<&str>) -> Result<Settings, Failure> {
    let context = Context {
        lenient: true,
        ..Context::from_env()
    };
    let settings = Settings::load(file.map(Path::new), &context)
        .map_err(|error| Failure::Fatal([b"fatal error: ", error.message()].concat(), CONFIG))?;
    let settings = settings.with_own(&context, &method::known());
    for complaint in settings.own.complaints() {
        // Beside what the command prints: the spool in force may be another one than the operator thinks.
        let _ = writeln!(io::stderr(), "warning: {complaint}"); // nobody is left to tell
    }
    Ok(settings)
}

/// What is wrong with the templates of `[templates] folder`.
pub(super) fn bad_templates(settings: &Settings) -> Vec<Wrong> {
    let templates = &settings.own.config.templates;
    let folder = templates.folder.0.as_ref();
    let folder = folder.map(|folder| folder.with(&settings.configdirectory));
    Templates::open(folder.as_deref(), &templates.language.0).1
}

/// The spool, or `None` when there is none yet. Root becomes the Cyrus user first, so that no file of the
/// spool ever belongs to root.
pub(super) fn queue(settings: &Settings) -> Result<Option<Queue>, Failure> {
    become_cyrus(settings)?;
    Queue::open(&settings.spool()).map_err(failed)
}

/// Root becomes the Cyrus user.
pub(super) fn become_cyrus(settings: &Settings) -> Result<(), Failure> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let group = settings.cyrus_group.as_deref().map(text);
    user::become_user(&text(&settings.cyrus_user), group.as_deref()).map_err(failed)
}

/// The spool cannot be used, because of this.
pub(super) fn failed(error: std::io::Error) -> Failure {
    Failure::Fatal(format!("notifyctl: {error}").into_bytes(), UNAVAILABLE)
}
