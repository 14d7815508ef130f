//! Forms of C and C++ commands: which are cached, and under which conditions.

pub(crate) mod clocks;
mod emscripten;
mod failing;
mod input;
mod memory;
mod precompiled;
mod table;
