//! Measuring: samples of alternatives taken in turn, their medians, and a
//! report that is printed and written as JSON.

pub mod report;
pub mod samples;

pub use report::{Report, Unit};
pub use samples::Samples;
