//! What zccache knows of compilers: enough to say which invocations can be kept
//! and what, beyond observations, their results depend on.
//!
//! Pure: values in, values out. A gap in this knowledge costs a needless miss;
//! the one list that deserves distrust is [`environment`].

pub mod arguments;
pub mod clock;
pub mod comments;
mod cpu;
pub mod environment;
pub mod failure;
pub mod outputs;
pub mod plan;
pub mod program;
pub mod relocation;
pub mod response;
pub mod rust;
pub mod source;
pub mod tools;

pub use clock::time_words::TimeWords;
pub use plan::{Anywhere, Plan, plan};

#[cfg(test)]
mod tests;
