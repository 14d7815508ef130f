//! What redb reports, sorted by what has to be done about it.

use std::io::ErrorKind;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::StoreError;

/// A failed use of the index.
#[derive(Debug)]
pub(crate) enum Fault {
    /// The file holds what no version of this program wrote.
    Damaged(String),
    /// It may work when tried again, after opening the file anew.
    Failed(String),
}

impl Fault {
    /// What callers are told.
    pub(crate) fn into_error(self) -> StoreError {
        let (Self::Damaged(what) | Self::Failed(what)) = self;
        StoreError::Index(what)
    }
}

impl<E: Into<redb::Error>> From<E> for Fault {
    fn from(error: E) -> Self {
        let error = error.into();
        let text = error.to_string();
        match error {
            redb::Error::Corrupted(_)
            | redb::Error::UpgradeRequired(_)
            | redb::Error::RepairAborted
            | redb::Error::TableTypeMismatch { .. }
            | redb::Error::TableIsMultimap(_)
            | redb::Error::TableDoesNotExist(_)
            | redb::Error::TypeDefinitionChanged { .. } => Self::Damaged(text),
            redb::Error::Io(error) if is_about_content(error.kind()) => Self::Damaged(text),
            _ => Self::Failed(text),
        }
    }
}

/// redb reports a foreign file as invalid data and a short one as its end.
fn is_about_content(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::InvalidData | ErrorKind::UnexpectedEof)
}

/// Runs something on a file that may hold anything: redb panics on some damage,
/// and that is damage too.
pub(crate) fn guarded<T>(run: impl FnOnce() -> Result<T, Fault>) -> Result<T, Fault> {
    let outcome = catch_unwind(AssertUnwindSafe(run));
    outcome.unwrap_or_else(|_| Err(Fault::Damaged("reading it panicked".to_owned())))
}
