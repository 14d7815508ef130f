//! The durable store of zccache: blobs named by their content, and an index
//! from invocation keys to entries.
//!
//! The store is private to one user, belongs to one process at a time, and
//! survives that process being killed at any moment: it then opens again,
//! having lost at most what was in flight. What it hands out has been compared
//! with its checksum; what fails is an error, and so a miss. The bytes on disk
//! and the crash cases are described in `docs/FORMAT.md`.
//!
//! This crate knows no async runtime, no FUSE and no compiler. Everything that
//! changes the store on disk, except staging a blob, happens on one thread, the
//! index writer.

mod blobs;
mod cache;
mod disk;
mod error;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod hashes;
mod index;
mod limits;
mod observations;
mod shared;
mod store;
mod writer;

pub use blobs::{Blob, Pin, Staged};
pub use disk::{FORMAT_DIRECTORY, Gate, Gauge, Room, Seam, Step};
pub use error::StoreError;
pub use store::{Options, Store, Usage};
pub use writer::{Collected, Done, Publication};
