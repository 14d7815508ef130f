//! From accounts to what is told.

use std::sync::Arc;

use zccache_core::protocol::explanation::{
    Cause, Change, Difference, Earlier, Explanation, Kind, Told,
};
use zccache_core::{Entry, Expected, OsBytes, Root};

use super::account::Account;
use super::changes;
use crate::world::Divergence;

/// What is told of an account, seen beside the one before.
pub(crate) fn explain(latest: &Account, before: Option<&Arc<Account>>) -> Explanation {
    let mut told = latest.told.clone();
    match &mut told {
        Told::Miss { cause, fate } => {
            *fate = latest.fate().cloned();
            complete(cause, latest, before);
        }
        Told::Verified { fate, .. } => *fate = latest.fate().cloned(),
        Told::Bypass { cause: Some(cause), .. } => complete(cause, latest, before),
        Told::Hit(_) | Told::Bypass { cause: None, .. } => {}
    }
    let (command, cwd) = (latest.summary.arguments(), latest.summary.cwd.clone());
    Explanation { at: latest.at, command, cwd, told }
}

/// Adds what only a comparison with the account before tells.
fn complete(cause: &mut Cause, latest: &Account, before: Option<&Arc<Account>>) {
    match (cause, before) {
        (Cause::NoTrace(earlier), Some(before)) => {
            let at = before.at;
            let same = latest.summary.key.is_some() && before.summary.key == latest.summary.key;
            *earlier = match same {
                true => Earlier::Same { at, fate: before.fate().cloned() },
                false => Earlier::Changed { at, changes: changes::between(before, latest) },
            };
        }
        (Cause::Environment { changes, .. }, Some(before)) => {
            *changes = changes::around(before, latest);
        }
        _ => {}
    }
}

/// What is different from the nearest of several traces: the one of which most
/// was observed again.
pub(crate) fn nearest(entry: &Entry, divergence: Divergence, root: &Root) -> Difference {
    let Divergence { path, change, .. } = divergence;
    let appeared = matches!(change, Change::Kind { before: Kind::Nothing, .. });
    let hides = appeared.then(|| found_instead(entry, &path, root)).flatten();
    Difference { path, change, hides }
}

/// The file that a run found further on when nothing was at a path: the first
/// that is called the same.
fn found_instead(entry: &Entry, path: &OsBytes, root: &Root) -> Option<OsBytes> {
    let name = path.as_path().file_name()?;
    let mut files = entry
        .trace
        .observations
        .iter()
        .filter(|observation| matches!(observation.expected, Expected::File { .. }))
        .map(|observation| observation.path.at(root));
    files.find(|file| file.as_path().file_name() == Some(name)).map(std::borrow::Cow::into_owned)
}
