//! Tools that are no compilers.

pub mod binary;
pub mod checker;
pub mod lto;
pub mod trusted;
