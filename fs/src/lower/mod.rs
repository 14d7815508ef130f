//! The real directory under a view: reached through descriptors only, never
//! through a path that could lead into the view itself.

mod clock;
mod directory;
mod place;
mod staged_file;
mod xattr;

pub(crate) use clock::Clock;
pub use directory::Listed;
pub(crate) use directory::{Directory, LowerId};
pub(crate) use place::{Name, Place, descriptor_path};
pub(crate) use staged_file::{StagedFile, StagedMetadata};
pub(crate) use xattr::{get_xattr, list_xattr, remove_xattr, set_xattr};
