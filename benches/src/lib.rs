//! Measuring: samples of alternatives taken in turn, their medians, what a build
//! takes beside time, and a report that is printed and written as JSON.

pub mod entries;
pub mod report;
pub mod samples;
pub mod usage;

pub use report::{Report, Unit};
pub use samples::Samples;
pub use usage::Usage;
