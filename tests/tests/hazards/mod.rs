//! Ways in which compiler caches have been seen to be wrong, by class, each as
//! a sequence of edits and commands whose every result equals the bare one.

mod changes;
mod comments;
mod dependencies;
mod environment;
mod idle;
mod keys;
mod machine;
mod misses;
mod named;
mod outputs;
mod search;
mod tools;
