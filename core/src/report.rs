//! What a launcher tells the daemon about a run it observed.

use serde::{Deserialize, Serialize};

use crate::entry::{Chunk, Manner};
use crate::{ExecuteBits, Identity, OsBytes, Reason, Stamp};

/// Everything observed of one run.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Report {
    /// How the compiler ended.
    pub ended: Ended,
    /// What it wrote to its streams, in order.
    pub streams: Vec<Chunk>,
    /// Each path it looked at, with what was there just before the first look.
    pub sightings: Vec<Sighting>,
    /// Each file it left behind.
    pub outputs: Vec<WrittenFile>,
    /// Each of these that was there before, and that it had read when it changed it.
    pub revised: Vec<Revised>,
    /// Why the run cannot be kept, when something unobservable happened.
    pub unobservable: Option<Reason>,
    /// The path that is to blame for that, where it is one.
    pub culprit: Option<OsBytes>,
    /// How long the compiler ran, in microseconds.
    pub cost: u64,
    /// Whether it had descriptors of its caller besides the three streams and
    /// those of a job server.
    pub inherits: bool,
}

/// How a process ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Ended {
    /// By `exit(3)` with this code.
    Exit(u8),
    /// By this signal.
    Signal(i32),
}

/// One path and what was there when the tool first looked.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Sighting {
    /// Absolute path, spelled as the tool spelled it.
    pub path: OsBytes,
    /// Whether a symbolic link at its end was followed.
    pub follow: bool,
    /// What was there.
    pub seen: Seen,
    /// When (`CLOCK_REALTIME_COARSE`, which file stamps follow), just before the look.
    pub at: Stamp,
    /// Whether the tool asked for its status by this path, and so for its age.
    pub asked: bool,
    /// When the tool opened it for reading, or executed it, by this path.
    pub reads: Reads,
}

/// When a file was opened for reading or executed.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub struct Reads {
    /// How often.
    pub count: u32,
    /// How many sightings of the run had begun when it was for the last time.
    pub last: u32,
}

impl Reads {
    /// Notes another one, when so many sightings have begun.
    pub fn add(&mut self, begun: u32) {
        *self = Self { count: self.count.saturating_add(1), last: begun };
    }

    /// Whether it never was.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }
}

impl Sighting {
    /// Which regular file was there, if one was.
    #[must_use]
    pub fn file(&self) -> Option<&Identity> {
        match &self.seen {
            Seen::File { identity, .. } => Some(identity),
            _ => None,
        }
    }

    /// Whether a file was there, and the tool executed it.
    #[must_use]
    pub fn is_executed(&self) -> bool {
        matches!(self.seen, Seen::File { executed: true, .. })
    }
}

/// What was at a path.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Seen {
    /// Nothing.
    Absent,
    /// A regular file.
    File {
        /// Which, and in which state.
        identity: Identity,
        /// By whom it may be executed.
        executable: ExecuteBits,
        /// Whether the tool executed it.
        executed: bool,
    },
    /// A directory.
    Directory {
        /// Which, and in which state.
        identity: Identity,
        /// How many times the tool opened it for reading, and so may have listed it.
        listings: u32,
    },
    /// A symbolic link that was not followed.
    Symlink(OsBytes),
    /// A device, fifo or socket.
    Special {
        /// `st_mode & S_IFMT`.
        kind: u32,
        /// `st_rdev`.
        device: u64,
    },
    /// The look-up failed with this `errno`.
    Unreachable(i32),
}

/// One file that the run left behind.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct WrittenFile {
    /// Absolute path.
    pub path: OsBytes,
    /// Permission bits after the run.
    pub mode: u32,
    /// Identity after the run.
    pub identity: Identity,
    /// How it came to its path.
    pub manner: Manner,
    /// How its bytes reach the daemon.
    pub bytes: Bytes,
}

/// A file that a run read and then changed or replaced, as it was before that.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Revised {
    /// Absolute path, spelled as the tool spelled it.
    pub path: OsBytes,
    /// Its permission bits.
    pub mode: u32,
    /// Which file, and in which state.
    pub identity: Identity,
    /// When it was first looked at.
    pub at: Stamp,
    /// How its bytes reach the daemon; descriptors travel behind those of outputs.
    pub bytes: Bytes,
}

/// How the bytes of a file reach the daemon.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Bytes {
    /// Within the report: those of a small file, which a build tool may remove or
    /// rename at once, as `ninja` removes depfiles.
    Carried(#[serde(with = "crate::os_bytes::plain")] Vec<u8>),
    /// Through a descriptor of the file that travels with the report.
    Attached,
    /// Not at all: the file is in a view.
    InView,
}

impl Report {
    /// How many files are attached: outputs, and behind them what was revised.
    #[must_use]
    pub fn attached(&self) -> usize {
        let outputs = self.outputs.iter().map(|output| &output.bytes);
        let revised = self.revised.iter().map(|file| &file.bytes);
        outputs.chain(revised).filter(|bytes| **bytes == Bytes::Attached).count()
    }
}
