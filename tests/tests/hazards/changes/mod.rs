//! Inputs that change: between compiles, while one runs, while they are watched.

mod races;
mod replaced;
mod watched;
