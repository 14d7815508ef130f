//! Telling what is known of the compile that makes a file.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep};
use zccache_core::invocation::Place;
use zccache_core::protocol::explanation::Explanation;
use zccache_core::{OsBytes, limits};

use super::daemon::Daemon;
use crate::chronicle::{Account, explain};
use crate::world::Namespace;

/// How long a report may be on its way from a launcher that has ended.
const REPORT_WITHIN: Duration = Duration::from_millis(100);

/// How often to look whether a result has arrived.
const STEP: Duration = Duration::from_millis(10);

impl Daemon {
    /// What was decided last on a command that made the file at an absolute path.
    /// A result on its way to the disk is waited for, a running compiler hardly: its
    /// report may be on its way to us.
    pub(super) async fn why(&self, file: &OsBytes, place: Place) -> Option<Box<Explanation>> {
        let began = Instant::now();
        loop {
            let (latest, before) = self.recall(file, place)?;
            let patience = match self.publisher.in_flight() {
                0 => REPORT_WITHIN,
                _ => limits::EXPLAIN_WITHIN,
            };
            if !latest.is_open() || began.elapsed() > patience {
                return Some(Box::new(explain(&latest, before.as_ref())));
            }
            self.store.expedite();
            sleep(STEP).await;
        }
    }

    /// The last account of a command that made a file, and the one before,
    /// however the commands spelled its path.
    fn recall(&self, file: &OsBytes, place: Place) -> Option<(Arc<Account>, Option<Arc<Account>>)> {
        let namespace = self.atlas.namespace(place);
        let real = |path: &Path| namespace.as_ref().and_then(|known| real_paths(known, path));
        let wanted = real(file.as_path());
        let paths = wanted.iter().flatten().map(PathBuf::as_path).chain([file.as_path()]);
        let names: Vec<OsBytes> =
            paths.filter_map(Path::file_name).map(|name| OsBytes::from(Path::new(name))).collect();
        let is_meant = |path: &OsBytes| {
            let same = || {
                let found = real(path.as_path());
                found.iter().flatten().any(|path| wanted.iter().flatten().any(|w| w == path))
            };
            path == file || same()
        };
        let found = self.chronicle.named(&names).into_iter().filter(|(path, _)| is_meant(path));
        let mut accounts: Vec<Arc<Account>> =
            found.flat_map(|(_, recent)| recent.into_accounts()).collect();
        accounts.sort_by_key(|account| account.at);
        accounts.dedup_by(|one, other| Arc::ptr_eq(one, other));
        let latest = accounts.pop()?;
        Some((latest, accounts.pop()))
    }
}

/// The path of a file without links on the way; and without one at its end, if
/// there is one and it leads somewhere.
fn real_paths(namespace: &Namespace, path: &Path) -> Option<Vec<PathBuf>> {
    let parent = namespace.real_path(path.parent()?).ok()?;
    let itself = parent.join(path.file_name()?);
    let target = namespace.real_path(&itself).ok().filter(|target| *target != itself);
    Some([Some(itself), target].into_iter().flatten().collect())
}
