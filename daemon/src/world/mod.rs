//! The file system as launchers see it.

mod atlas;
mod contents;
mod crates;
mod grain;
mod mounts;
mod namespace;
mod pieces;
mod sight;
mod verify;
mod walk;
mod watch;
mod words;

pub(crate) use atlas::Atlas;
pub(crate) use contents::{Contents, Depth, Traits, ignore_lease_signals, now};
pub(crate) use crates::{CratesUsed, digest_of_crates};
pub(crate) use grain::{WHOLE_SECONDS, is_of_whole_seconds};
pub(crate) use namespace::{Found, FoundFile, Located, Namespace};
pub(crate) use pieces::for_each_piece;
pub(crate) use sight::Sight;
pub(crate) use verify::{
    Divergence, SameDirectories, Scene, Survey, Verifier, agrees, digest_of_listing, kind_of,
    kinship,
};
pub(crate) use words::{Search, Words};
