//! Tools that are no compilers.

pub mod binary;
pub mod trusted;
