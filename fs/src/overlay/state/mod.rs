//! What a view knows: projected files and their names, and what the kernel knows.

pub(super) mod attributes;
pub(super) mod kernel;
pub(super) mod nodes;
pub(super) mod open_files;
pub(super) mod projected;
pub(super) mod told;
pub(super) mod tree;
mod untold;
