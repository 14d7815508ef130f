//! The compiler as a process: starting it, reading from it, signals, its end.

mod board;
pub(crate) mod child;
pub(crate) mod inherited;
pub(crate) mod keeper;
pub(crate) mod numbers;
pub(crate) mod programs;
pub(crate) mod signals;
pub(crate) mod tick;
pub(crate) mod tracee;
