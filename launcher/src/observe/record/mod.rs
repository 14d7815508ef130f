//! What a run looked at, changed and wrote, and what follows from it.

mod caches;
mod changes;
mod image;
mod jobserver;
mod ledger;
mod links;
mod prior;
mod private;
mod settle;
mod streams;
mod writers;

pub(crate) use changes::Opening;
pub(crate) use jobserver::Jobserver;
pub(crate) use ledger::{Ledger, Purpose};
pub(crate) use private::{Privacy, is_told_by_the_kernel, privacy};
pub(crate) use settle::{Outputs, Settled};
pub(crate) use streams::Streams;
