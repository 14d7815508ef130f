//! The view itself: what is where, and every operation on it, on types of its
//! own. It knows no kernel interface; see [`Kernel`] for what it asks of one.
//!
//! Locks are taken in this order and never across a call to
//! [`Content`](crate::Content) or a notification, but for the first, which is
//! there to be held while bytes are copied: copying of an object → tree → nodes
//! → state of an object.

mod copy_up;
mod core;
mod project;
mod restore;
mod serving;
mod settle;
mod state;
mod survey;

pub(crate) use core::Overlay;
pub use project::ProjectError;
pub(crate) use serving::data::Data;
pub(crate) use serving::listing::Slot;
pub(crate) use serving::lookup::Entry;
pub(crate) use serving::names::{Caller, Created, Creation};
pub(crate) use serving::open::Opened;
pub use settle::{Settle, Settled, Unsettled};
pub(crate) use state::attributes::{Attributes, Change, Moment, NodeId};
pub(crate) use state::kernel::{Invalidation, Kernel, Refusal};
pub(crate) use state::open_files::Transfer;
pub use survey::Look;
