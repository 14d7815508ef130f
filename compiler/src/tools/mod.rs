//! Tools that are no compilers.

pub mod binary;
pub mod checker;
pub mod trusted;
