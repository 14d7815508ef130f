//! What was decided lately on the commands that make files, for those who ask
//! why. Nothing here decides anything.

mod account;
mod book;
mod changes;
mod explain;
mod shelf;

pub(crate) use account::Account;
pub(crate) use book::Chronicle;
pub(crate) use explain::{explain, nearest};
#[cfg(feature = "fuzzing")]
pub(crate) use shelf::any as any_verdicts;
