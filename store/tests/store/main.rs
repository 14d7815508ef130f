//! The store as its callers use it.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod crash;
mod damage;
mod eviction;
mod faults;
mod hashes;
mod kit;
mod opening;
mod power;
mod publishing;
mod random;
mod room;
