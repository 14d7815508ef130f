//! The view itself: what is where, and every operation on it, on types of its
//! own. It knows no kernel interface; see [`Kernel`] for what it asks of one.
//!
//! Locks are taken in this order and never across a call to [`Content`] or a
//! notification: copying of an object → tree → nodes → state of an object.

mod attributes;
mod copy_up;
mod core;
mod data;
mod kernel;
mod listing;
mod lookup;
mod metadata;
mod names;
mod nodes;
mod open;
mod project;
mod projected;
mod rename;
mod settle;
mod survey;
mod tree;

pub(crate) use attributes::{Attributes, Change, Moment, NodeId};
pub(crate) use core::Overlay;
pub(crate) use kernel::{Invalidation, Kernel, Refusal};
pub(crate) use listing::Slot;
pub(crate) use lookup::Entry;
pub(crate) use names::{Caller, Created, Creation};
pub(crate) use open::{Opened, Transfer};
pub use project::ProjectError;
pub use settle::{Settle, Settled, Unsettled};
pub use survey::Look;
