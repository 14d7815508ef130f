//! What `zccache why` tells of the compile that made a file.

use serde::{Deserialize, Serialize};

use crate::entry::Stream;
use crate::{InvocationKey, OsBytes, Reason, Stamp};

/// The last verdict on a command that made a file.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Explanation {
    /// When the daemon decided.
    pub at: Stamp,
    /// The command, the compiler's name included.
    pub command: Vec<OsBytes>,
    /// Its working directory.
    pub cwd: OsBytes,
    /// What was decided, and why.
    pub told: Told,
}

/// A verdict and its grounds.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Told {
    /// A result was served.
    Hit(Origin),
    /// The compiler was run under observation.
    Miss {
        /// Why no result could be served.
        cause: Cause,
        /// What became of the new one; none while that is open.
        fate: Option<Fate>,
    },
    /// A result could have been served; the compiler was run to compare with it.
    Verified {
        /// The result that could have been served.
        origin: Origin,
        /// What the comparison found; none while that is open.
        fate: Option<Fate>,
    },
    /// The compiler was run unobserved.
    Bypass {
        /// Why.
        reason: Reason,
        /// Why no result could be served, where one was looked for.
        cause: Option<Cause>,
    },
}

impl Told {
    /// In a word: what was done, or the reason for a bypass.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Hit(_) => "hit",
            Self::Miss { .. } => "miss",
            Self::Verified { .. } => "verified",
            Self::Bypass { reason, .. } => reason.slug(),
        }
    }
}

/// Where a result that was served comes from.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Origin {
    /// The key of its entry.
    pub key: InvocationKey,
    /// When the run ended that made it.
    pub made: Stamp,
    /// The checkout that it was made in, if that is another one.
    pub checkout: Option<OsBytes>,
    /// How long the compiler ran, in microseconds.
    pub cost: u64,
    /// Length of its outputs, in bytes.
    pub bytes: u64,
}

/// Why no result could be served.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Cause {
    /// `ZCCACHE_RECACHE` is set.
    Recache,
    /// There was one, which could not be put in place as the compiler would have.
    Undeliverable {
        /// When it was made.
        made: Stamp,
    },
    /// One holds in another checkout only: a source uses its own path (`__FILE__`).
    OwnPath {
        /// When it was made.
        made: Stamp,
        /// The checkout it was made in.
        checkout: OsBytes,
    },
    /// Each trace would be observed otherwise now.
    Observation {
        /// How many there are.
        traces: u32,
        /// When the nearest one was made.
        made: Stamp,
        /// Its first observation that differs.
        difference: Difference,
    },
    /// The environment has changed: all of it counts where a program whose
    /// variables are not known took part in the nearest run, else the variables
    /// that the run asked for by name.
    Environment {
        /// How many traces there are.
        traces: u32,
        /// When the nearest one was made.
        made: Stamp,
        /// What has changed since the last command that made the file.
        changes: Vec<InvocationChange>,
    },
    /// No result of this invocation is kept.
    NoTrace(Earlier),
}

/// The command that made the same file before.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Earlier {
    /// None is remembered.
    Unknown,
    /// An equal one, whose result is not there.
    Same {
        /// When it was decided on.
        at: Stamp,
        /// What became of its result, as far as is known.
        fate: Option<Fate>,
    },
    /// Another one.
    Changed {
        /// When it was decided on.
        at: Stamp,
        /// What has changed since.
        changes: Vec<InvocationChange>,
    },
}

/// What became of the result of a run.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Fate {
    /// It can be served from now on.
    Kept,
    /// It cannot.
    NotKept(Refusal),
    /// It equals the one that could have been served.
    Confirmed,
    /// It differs from the one that could have been served, which is removed.
    Differed(Deviation),
}

/// Why a result is not kept.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Refusal {
    /// The reason.
    pub reason: Reason,
    /// The file that is to blame, where it is one.
    pub path: Option<OsBytes>,
}

impl From<Reason> for Refusal {
    fn from(reason: Reason) -> Self {
        Self { reason, path: None }
    }
}

impl Reason {
    /// The reason, with the file that is to blame.
    #[must_use]
    pub fn at(self, path: &OsBytes) -> Refusal {
        Refusal { reason: self, path: Some(path.clone()) }
    }
}

/// In what a result differs from one that was made from the same inputs.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub struct Deviation {
    /// The exit status differs.
    pub status: bool,
    /// What was written to the streams differs.
    pub streams: bool,
    /// Files that differ in content or mode, or that only one run left behind.
    pub paths: Vec<OsBytes>,
}

impl Deviation {
    /// Whether there is no difference.
    #[must_use]
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }
}

/// An observation that would not be made again.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Difference {
    /// Absolute path.
    pub path: OsBytes,
    /// What is different there.
    pub change: Change,
    /// For a path at which nothing was: the file of the same name that was found
    /// further on in the search path.
    pub hides: Option<OsBytes>,
}

/// How a path differs from what was observed.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Change {
    /// Something of another kind is there, or something where nothing was, or the reverse.
    Kind {
        /// What was there.
        before: Kind,
        /// What is there now.
        now: Kind,
    },
    /// The file has another content.
    Content,
    /// The file can be executed now, or no longer.
    Executable {
        /// Whether it can be now.
        now: bool,
    },
    /// The file, which the run changes, has other permission bits.
    Mode {
        /// Those it had.
        before: u32,
        /// Those it has now.
        now: u32,
    },
    /// The content of the file cannot be told.
    Untold(Reason),
    /// The directory has other names in it.
    Listing,
    /// The link leads elsewhere.
    Target {
        /// Where it led.
        before: OsBytes,
        /// Where it leads now.
        now: OsBytes,
    },
    /// It was looked at above the other checkout, in a directory that is not above this one.
    Elsewhere,
    /// The file names this checkout, and prefixes of paths are mapped.
    NamesCheckout,
    /// The file has another time stamp, which the run may have told.
    Age,
    /// Whether this file and another of the same content would be taken for one
    /// has changed.
    Kinship {
        /// The other.
        other: OsBytes,
    },
}

/// What is at a path.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Kind {
    /// Nothing.
    Nothing,
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink,
    /// A device, fifo or socket.
    Special,
    /// An error: this `errno`.
    Error(i32),
}

/// In what an invocation differs from another.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum InvocationChange {
    /// At one place in the command, these arguments stand instead of those.
    Arguments {
        /// Those before.
        before: Vec<OsBytes>,
        /// These now.
        now: Vec<OsBytes>,
    },
    /// A variable of the environment.
    Variable {
        /// Its name.
        name: OsBytes,
        /// What it was; none if not set.
        before: Option<Value>,
        /// What it is; none if not set.
        now: Option<Value>,
    },
    /// The working directory.
    Directory {
        /// That before.
        before: OsBytes,
        /// This now.
        now: OsBytes,
    },
    /// The root of the checkout.
    Checkout {
        /// That before.
        before: OsBytes,
        /// This now.
        now: OsBytes,
    },
    /// The file mode creation mask.
    Umask {
        /// That before.
        before: u32,
        /// This now.
        now: u32,
    },
    /// What a stream is.
    Terminal {
        /// The stream.
        stream: Stream,
        /// Columns of the terminal that it was; none for anything else.
        before: Option<u16>,
        /// Columns of the terminal that it is; none for anything else.
        now: Option<u16>,
    },
    /// Something that is not remembered, such as the processor with `-march=native`.
    Other,
}

/// The value of a variable.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Value {
    /// As it is: of a variable that compilers are known to read.
    Shown(OsBytes),
    /// A hash of it: others may hold secrets, and are not written down.
    Hidden(u64),
}
