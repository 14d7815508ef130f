//! Values that every part of zccache shares: digests, keys, traces, limits,
//! settings, numbered reasons, and the protocol with its one codec.
//!
//! This crate never touches the file system, starts no thread and knows no
//! async runtime; it can be reasoned about as plain data.

pub mod codec;
pub mod digest;
pub mod entry;
pub mod identity;
pub mod invocation;
pub mod limits;
pub mod os_bytes;
pub mod protocol;
pub mod reason;
pub mod report;
pub mod root;
pub mod settings;

pub use digest::{Digest, InvocationKey, SmallFile, TaggedHasher};
pub use entry::{CompileResult, Content, Entry, Expected, Observation, Outline, Output, Trace};
pub use identity::{ExecuteBits, Identity, Stamp};
pub use invocation::Invocation;
pub use os_bytes::OsBytes;
pub use reason::Reason;
pub use root::{Root, Rooted, Template};
