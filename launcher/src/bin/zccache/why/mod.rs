//! `zccache why FILE`: what was last decided on the compile that makes a file,
//! and on what grounds.

mod json;
mod text;

use std::path::{Path, PathBuf, absolute};
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use zccache_core::OsBytes;
use zccache_core::protocol::{Reply, Request};
use zccache_launcher::launch::surroundings;

use crate::client::{Client, CommandError};
use crate::show;
use text::Reader;

/// Explains a file; fails if nothing is known of it.
pub(crate) fn why(file: &Path, as_json: bool) -> Result<ExitCode, CommandError> {
    let place = surroundings::place().ok_or_else(|| {
        let text = "which files this process sees cannot be told: /proc is not mounted here";
        CommandError::Refused(text.to_owned())
    })?;
    let path = absolute(file).map_err(CommandError::System)?;
    let request = Request::Why { file: OsBytes::from(path.as_path()), place };
    let Reply::Explained(found) = Client::connect_or_start()?.ask(&request, &[])? else {
        return Err(CommandError::Confused);
    };
    let known = found.is_some();
    match (found, as_json) {
        (Some(explanation), true) => show::print_json(&json::explanation(&path, &explanation)),
        (Some(explanation), false) => {
            let here = std::env::current_dir().unwrap_or_else(|_| PathBuf::from("/"));
            let reader = Reader { here: &here, now: seconds() };
            print!("{}", reader.explanation(file, &explanation));
        }
        (None, true) => show::print_json(&json::unknown(&path)),
        (None, false) => print!("{}", text::unknown(file)),
    }
    Ok(if known { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Seconds since the epoch.
fn seconds() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}
