//! What launcher, control command and daemon say to each other. The bytes are
//! described in `docs/PROTOCOL.md`.

pub mod explanation;
pub mod frame;
pub mod metrics;
pub mod socket;
pub mod stats;

use serde::{Deserialize, Serialize};

use crate::entry::{Chunk, Manner};
use crate::report::Report;
use crate::{Invocation, OsBytes, Reason};
use explanation::Explanation;
use stats::Counters;

/// Grows with every change of a message. Both sides must have the same.
pub const VERSION: u16 = 15;

/// A message to the daemon.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum Request {
    /// May this invocation be served? Answered by a [`Verdict`], which ends the
    /// connection unless something is to follow.
    Lookup(Box<Invocation>),
    /// The files of a hit cannot be put in place: how else? Asked on a new connection.
    /// Answered by a [`Verdict`] that is no hit.
    Undeliverable(Box<Invocation>),
    /// The compiler of a ticket has ended. Not answered: the socket keeps the
    /// report and its descriptors when the launcher is gone. Carries a descriptor
    /// for each output that is attached, in order, and at the end what the launcher
    /// has no time to close.
    Finished(Box<Report>),
    /// What the preprocessor said, after [`Verdict::Preprocess`]. Answered by another
    /// [`Verdict`].
    Preprocessed(Preprocessed),
    /// A compiler runs without having been looked up, for this reason. Not answered.
    Bypassed {
        /// The `ZCCACHE_SESSION` it belongs to.
        session: Option<OsBytes>,
        /// Why.
        reason: Reason,
    },
    /// What is the daemon doing? Answered by [`Reply::Status`].
    Status,
    /// The counters; optionally set back to zero after reading. Answered by [`Reply::Stats`].
    Stats {
        /// The session asked for; everything if none.
        session: Option<OsBytes>,
        /// Whether to start counting anew.
        zero: bool,
    },
    /// What was last decided on the compile that makes this file, and why?
    /// Answered by [`Reply::Explained`].
    Why {
        /// The file: an absolute path.
        file: OsBytes,
        /// The place in which the path is meant.
        place: crate::invocation::Place,
    },
    /// Serve a view. Carries four descriptors: the directory below (`O_PATH`),
    /// the opened `/dev/fuse`, `/` of the mounting process (`O_PATH`) and its
    /// `/proc/self/mountinfo`. Answered by [`Reply::Done`]; the connection then
    /// stands for the view: it ends when the view does.
    Serve(ViewRequest),
    /// Make the files of a view real, or drop them, before it is unmounted.
    /// Answered by [`Reply::Settled`].
    Settle {
        /// The mount point; none for the view that this connection stands for.
        directory: Option<OsBytes>,
        /// Drop the projected files instead of writing them.
        discard: bool,
    },
    /// Remove every entry. Answered by [`Reply::Done`].
    Clear,
    /// Evict until the store is within its bound. Answered by [`Reply::Done`].
    Collect,
    /// Verify every entry and blob. Answered by [`Reply::Checked`].
    Check {
        /// Remove what is damaged.
        repair: bool,
    },
    /// Finish what is in flight and exit. Answered by [`Reply::Done`].
    Stop,
}

/// A view to serve.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ViewRequest {
    /// The mount point in the namespace of the mounting process.
    pub directory: OsBytes,
    /// The place of the mounting process.
    pub place: crate::invocation::Place,
    /// Whether other users may use the view (`allow_other`).
    pub shared: bool,
}

/// An answer of the daemon.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum Reply {
    /// How to go on with an invocation.
    Verdict(Verdict),
    /// It is done.
    Done,
    /// It failed; the text says what and what to do.
    Failed(String),
    /// What the daemon is doing.
    Status(Box<Status>),
    /// The counters.
    Stats(Box<Counters>),
    /// What is known of the compile that makes a file, if anything.
    Explained(Option<Box<Explanation>>),
    /// A view is ready to be unmounted.
    Settled(Settled),
    /// What a check found.
    Checked(Checked),
}

/// How to go on with an invocation.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Verdict {
    /// It is known: put the files in place, replay the streams, exit.
    Hit(Hit),
    /// It is not: run it under observation and report.
    Run {
        /// Device numbers of the views; files on them need no descriptor.
        views: Vec<u64>,
        /// What the tool has for itself.
        own: Own,
        /// Whether to wait for [`Reply::Done`] after the report: the build works on
        /// the outputs as soon as it goes on, and they have to be read before.
        awaited: bool,
    },
    /// Replace the launcher by the compiler.
    Bypass(Reason),
    /// An equal invocation is running; another verdict follows, or this one again
    /// every [`crate::limits::WAIT_AGAIN`].
    Wait,
    /// The source is on standard input: read it, and look up again with it.
    ReadInput,
    /// A result of another checkout may hold here: run the preprocessor, and say
    /// [`Request::Preprocessed`].
    Preprocess(Preprocess),
}

/// How to run the preprocessor, and what to look for in what it writes.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Preprocess {
    /// The arguments that follow the compiler's name.
    pub arguments: Vec<OsBytes>,
    /// What to look for.
    pub words: Vec<Word>,
}

/// A text that is looked for.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Word {
    /// The text; not empty.
    pub text: OsBytes,
    /// It does not count where one of these follows.
    pub unless: Vec<OsBytes>,
}

/// What a run of the preprocessor showed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Preprocessed {
    /// It wrote none of the words.
    Without,
    /// It wrote one of them.
    With,
    /// It failed.
    Failed,
}

/// What the observer has to know of a command: absolute paths that are neither
/// input nor output, and how the tool looks for what is.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub struct Own {
    /// Files that no result depends on.
    pub ignored: Vec<OsBytes>,
    /// Directories in which the tool keeps a cache for each of its products. A
    /// run counts only if it found none for its own, and leaves one behind.
    pub caches: Vec<OsBytes>,
    /// Whether it may ask by `readlink(2)` whether something is there, as the C
    /// library's `realpath(3)` does, and do without if not.
    pub probes_links: bool,
}

impl Own {
    /// Whether a path is one of these itself.
    #[must_use]
    pub fn is(&self, path: &[u8]) -> bool {
        self.ignored.iter().chain(&self.caches).any(|own| own.as_bytes() == path)
    }
}

/// A result to replay.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Hit {
    /// Exit code.
    pub status: u8,
    /// What to write to the streams, in order.
    pub streams: Vec<Chunk>,
    /// Files to put in place; empty when a view shows them already.
    pub files: Vec<Delivery>,
}

/// A file to put in place.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Delivery {
    /// Absolute path.
    pub path: OsBytes,
    /// Permission bits it will have.
    pub mode: u32,
    /// How the tool brought it there.
    pub manner: Manner,
    /// Its bytes.
    pub source: Source,
}

/// Where the bytes of a delivered file come from.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Source {
    /// From the message.
    Inline(#[serde(with = "crate::os_bytes::plain")] Vec<u8>),
    /// From the next descriptor of the message, this many bytes.
    Descriptor(u64),
}

/// What the daemon is doing.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Status {
    /// Process id.
    pub pid: u32,
    /// Version of the program.
    pub version: String,
    /// The store.
    pub store: OsBytes,
    /// Whether results are used and none is kept.
    pub read_only: bool,
    /// Mounted views.
    pub views: Vec<ViewStatus>,
    /// Results on their way to the disk.
    pub publications_in_flight: u64,
    /// Compilers running under a ticket.
    pub running: u64,
    /// Entries in the store.
    pub entries: u64,
    /// Bytes in the store.
    pub bytes: u64,
    /// Resident memory of the daemon, in bytes.
    pub resident: u64,
    /// Seconds since the daemon started.
    pub uptime: u64,
}

/// A mounted view.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ViewStatus {
    /// The mount point.
    pub directory: OsBytes,
    /// Device number.
    pub device: u64,
    /// Projected files.
    pub projected: u64,
    /// Their bytes.
    pub projected_bytes: u64,
    /// How often something was opened that others had changed below the view.
    pub changed_below: u64,
    /// Whether the kernel reads blobs without the daemon.
    pub passthrough: bool,
    /// Whether the view is in a private mount namespace.
    pub private: bool,
}

/// What settling a view did.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Settled {
    /// Files written to the directory below.
    pub written: u64,
    /// Files dropped.
    pub dropped: u64,
}

/// What a check found.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub struct Checked {
    /// Entries looked at.
    pub entries: u64,
    /// Blobs looked at.
    pub blobs: u64,
    /// Entries or blobs that are damaged.
    pub damaged: u64,
    /// Damaged ones that were removed.
    pub removed: u64,
}
