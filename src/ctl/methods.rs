//! `notifyctl methods`: the methods there are.

use super::arguments::Arguments;
use super::{Failure, Streams, write_json};
use crate::method::METHODS;
use serde_json::json;

pub(super) fn run(mut arguments: Arguments, streams: &mut Streams<'_>) -> Result<(), Failure> {
    let as_json = arguments.flag("--json");
    if let Some(extra) = arguments.rest()?.first() {
        return Err(Failure::Usage(format!("methods: what is '{extra}'?")));
    }
    for kind in METHODS {
        let (permits, timeout) = (kind.permits, kind.timeout.as_secs());
        if as_json {
            let row = json!({
                "name": kind.name, "about": kind.about, "immediate": kind.immediate, "permits": permits, "timeout": timeout,
            });
            write_json(streams.out, &row)?;
            continue;
        }
        let how = match kind.immediate {
            true => "done at once".to_owned(),
            false => format!("spooled, {permits} at once, {timeout} s each"),
        };
        writeln!(streams.out, "{:<9} {} ({how})", kind.name, kind.about)?;
    }
    Ok(())
}
