//! The launcher as its users meet it: the real program, real compilers, and a
//! daemon whose answers are scripted.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod bench;
mod daemon;
mod inputs;
mod launching;
mod outputs;
mod placing;
mod processes;
mod standard_input;
mod starting;
mod streams;
mod troubles;
