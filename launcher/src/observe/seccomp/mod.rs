//! Seccomp user notification (`seccomp_unotify(2)`): which system calls stop,
//! the filter that stops them, and the descriptor through which they go on.

pub(crate) mod filter;
pub(crate) mod listener;
pub(crate) mod table;

pub(crate) use filter::Filter;
pub(crate) use listener::{Listener, Notification};
