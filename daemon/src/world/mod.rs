//! The file system as launchers see it.

mod atlas;
mod contents;
mod grain;
mod mounts;
mod namespace;
mod verify;

pub(crate) use atlas::Atlas;
pub(crate) use contents::{Contents, Traits, ignore_lease_signals, now};
pub(crate) use grain::{WHOLE_SECONDS, is_of_whole_seconds};
pub(crate) use namespace::{Found, FoundFile, Located, Namespace};
pub(crate) use verify::{Verifier, agrees, digest_of_names, kinship};
