//! The file system as launchers see it.

mod atlas;
mod contents;
mod grain;
mod mounts;
mod namespace;
mod verify;
mod walk;

pub(crate) use atlas::Atlas;
pub(crate) use contents::{Contents, Traits, ignore_lease_signals, now};
pub(crate) use namespace::{Found, FoundFile, Located, Namespace};
pub(crate) use verify::{Divergence, Scene, Verifier, digest_of_names, kinship};
