//! The kernel interface of today: the FUSE protocol over `/dev/fuse`, by way of
//! the `fuser` crate. Nothing outside this folder knows of it.

mod adapter;
mod answer;
mod convert;
mod link;
mod notices;
mod session;
mod workers;

pub(crate) use session::serve;
