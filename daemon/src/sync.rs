//! What threads share in code that `tests/single_flight` checks with every order of
//! events; there it means other types.

pub(crate) use std::sync::{Arc, Mutex, PoisonError};
pub(crate) use tokio::sync::watch;
