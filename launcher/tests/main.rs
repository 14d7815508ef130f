//! The launcher as its users meet it: the real program, real compilers, and a
//! daemon whose answers are scripted.

mod bench;
mod daemon;
mod inputs;
mod outputs;
