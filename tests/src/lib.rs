//! The harness of the end-to-end tests: a sandbox with a store of its own, and
//! the differential primitive by which every promise is tested. The truth is
//! always the same command run bare, in the same path, at the same moment.
//!
//! A trouble of the harness itself is a panic: a test has no better answer.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

pub mod command;
pub mod confine;
pub mod counters;
pub mod dice;
pub mod programs;
pub mod project;
pub mod rust;
pub mod sandbox;
pub mod scenario;
pub mod tree;
pub mod trial;

pub use command::{Command, Outcome};
pub use counters::Counters;
pub use programs::Programs;
pub use sandbox::Sandbox;
pub use tree::Tree;
pub use trial::{Compiler, Place, Step, Trial};
