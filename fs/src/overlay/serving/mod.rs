//! What the kernel asks of a view, one method of the overlay a request.

pub(super) mod behind;
pub(super) mod data;
pub(super) mod listing;
pub(super) mod lookup;
pub(super) mod metadata;
pub(super) mod names;
pub(super) mod open;
pub(super) mod rename;
