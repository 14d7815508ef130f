//! Tools that are no compilers.

pub mod binary;
pub mod checker;
pub mod emscripten;
pub mod lto;
pub mod trusted;
