//! The view: a FUSE overlay of one directory, in which a file is either the
//! real one underneath (*lower*) or the bytes of a blob under a name, mode,
//! owner and time of its own (*projected*).
//!
//! This crate knows neither compilers nor the store; the bytes of projected
//! files come through [`Content`]. It never opens the mount that it serves.

mod content;
mod errno;
mod fuse;
mod journal;
mod lower;
mod overlay;
mod view;

pub use content::{Content, ProjectedBytes, Projection};
pub use journal::{Change, Journal, NoJournal, Shown};
pub use lower::Listed;
pub use overlay::{Look, ProjectError, Settle, Settled, Unsettled};
pub use view::{View, ViewDirectory, ViewOptions};
