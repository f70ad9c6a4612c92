//! `notifyctl owner`: on whose behalf a mail was sent, by the `owner-token` in its Auto-Submitted field (RFC 5436
//! section 5: a complaint must be traceable).

use super::arguments::Arguments;
use super::{Failure, NOT_FOUND, Streams, place, write_json};
use crate::method;
use serde_json::json;

pub(super) fn run(mut arguments: Arguments, streams: &mut Streams<'_>) -> Result<(), Failure> {
    let as_json = arguments.flag("--json");
    let settings = place::settings(&mut arguments)?;
    let tokens = arguments.rest()?;
    if tokens.is_empty() {
        return Err(Failure::Usage("owner: which token?".into()));
    }
    place::become_cyrus(&settings)?;
    let mut all_known = true;
    for token in &tokens {
        let user = method::owner_of(&settings.spool(), token).map_err(place::failed)?;
        let user = user.map(|user| String::from_utf8_lossy(&user).into_owned());
        match (&user, as_json) {
            (_, true) => write_json(streams.out, &json!({ "token": token, "user": user }))?,
            (Some(user), false) => writeln!(streams.out, "{user}")?,
            (None, false) => writeln!(streams.err, "notifyctl: nobody is known by '{token}'")?,
        }
        all_known &= user.is_some();
    }
    match all_known {
        true => Ok(()),
        false => Err(Failure::Quiet(NOT_FOUND)),
    }
}
