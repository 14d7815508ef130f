//! The zccache daemon: looks up, verifies, publishes, evicts and serves views.
//! It never runs a compiler, and writes into a user's tree only through views.

mod chronicle;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod keep;
mod ledger;
#[cfg(test)]
#[path = "../../core/tests/decoding/mutant.rs"]
mod mutant;
mod options;
mod rights;
mod serve;
mod sync;
mod views;
mod world;

pub use options::{Options, OptionsError};
pub use serve::{DaemonError, decline, log_file, run, run_on};
pub use views::ViewJournal;
