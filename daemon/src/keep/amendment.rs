//! Keeping an entry once more, when more is known of whom it serves.

use std::os::fd::AsFd;

use zccache_core::entry::Scope;
use zccache_core::{Content, Entry, InvocationKey};
use zccache_store::{Publication, Staged, Store, StoreError};

/// Has an entry that is in the store serve others from now on. What becomes of that
/// concerns nobody: it would be found out again.
pub(crate) fn amend(store: &Store, key: InvocationKey, entry: &Entry, scope: Scope) {
    let done = Box::new(|outcome: Result<(), StoreError>| {
        if let Err(error) = outcome {
            tracing::info!(%error, "whom a result serves is not kept");
        }
    });
    match blobs(store, entry) {
        Ok(blobs) => {
            let entry = Entry { scope, ..entry.clone() };
            store.publish(Publication { key, entry, blobs, done });
        }
        Err(error) => done(Err(error)),
    }
}

/// The blobs of an entry, staged again; the store has them already.
fn blobs(store: &Store, entry: &Entry) -> Result<Vec<Staged>, StoreError> {
    let digests = entry.result.outputs.iter().filter_map(|output| match output.content {
        Content::Blob { digest, .. } => Some(digest),
        Content::Inline(_) | Content::Depfile { .. } => None,
    });
    let staged = |digest| {
        let blob = store.open_blob(&digest)?;
        store.stage(blob.file.as_fd(), blob.length)
    };
    digests.map(staged).collect()
}
