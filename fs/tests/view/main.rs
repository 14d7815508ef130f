//! The view on real mounts. Where this process may not mount, each test says
//! `SKIP` and passes.

#![allow(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking, in helpers as well"
)]

#[macro_use]
mod support;

mod behind;
mod concurrency;
mod conformance;
mod limits;
mod listings;
mod lower_files;
mod model;
mod names;
mod projected;
mod surveying;
mod tools;
mod users;
