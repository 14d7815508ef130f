//! What is remembered of a run: its trace, its result, and the two as an entry.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{
    Digest, ExecuteBits, Identity, Invocation, OsBytes, Rooted, SmallFile, Stamp, Template,
};

/// The observations of one run, and how its files relate to each other.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Trace {
    /// Each path at most twice: followed and not followed. Many are those of other traces, too.
    pub observations: Vec<Arc<Observation>>,
    /// Pairs of files with equal content: whether a compiler takes two for one
    /// depends on their inodes and mtimes.
    pub twins: Vec<Twins>,
    /// The observations of directories that are the same as an earlier one, each with
    /// that: compilers search no directory twice. All others are different ones.
    pub same_directories: Vec<(u32, u32)>,
    /// The observations of files whose age the run may have told, each with that.
    pub ages: Vec<(u32, Age)>,
    /// What the run may have read of its environment, besides what is in the key.
    pub environment: Environment,
    /// Digest of how messages are laid out, if the run wrote any: without them, the
    /// terminal that they would have been for does not matter.
    pub display: Option<Digest>,
}

/// What a run may have read of its environment.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Environment {
    /// These variables, where a tool tells for which it asked.
    Asked(Vec<Variable>),
    /// A program that reads what nobody knows took part: any variable, so that this
    /// is the digest of all.
    Whole(Digest),
    /// Code of others took part that asks for variables by name.
    Named {
        /// Those whose names it may know.
        known: Vec<Variable>,
        /// The names of the rest, sorted: it does not know them, as it may know
        /// any other.
        unknown: Vec<OsBytes>,
    },
}

impl Environment {
    /// The variables that were, or may have been, asked for by name.
    #[must_use]
    pub fn by_name(&self) -> &[Variable] {
        match self {
            Self::Asked(variables) | Self::Named { known: variables, .. } => variables,
            Self::Whole(_) => &[],
        }
    }

    /// Whether programs took part of which nobody knows what they read.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        matches!(self, Self::Whole(_))
    }
}

/// One environment variable and what it was.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Variable {
    /// Its name.
    pub name: OsBytes,
    /// The digest of its value; none if it was not set, which is not the same as empty.
    pub value: Option<Digest>,
}

impl Variable {
    /// The variable of this name as an invocation has it.
    #[must_use]
    pub fn of(invocation: &Invocation, name: &[u8]) -> Self {
        Self { name: name.into(), value: invocation.variable(name).map(Digest::of) }
    }

    /// Whether an invocation has the variable as it was.
    #[must_use]
    pub fn holds(&self, invocation: &Invocation) -> bool {
        *self == Self::of(invocation, self.name.as_bytes())
    }
}

/// One path and what was seen there.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct Observation {
    /// Absolute path, as the tool spelled it after joining the directory it was in.
    pub path: Rooted,
    /// Whether a symbolic link at the end of the path was followed.
    pub follow: bool,
    /// What has to be there again.
    pub expected: Expected,
}

/// What a trace expects at a path.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum Expected {
    /// Nothing: `ENOENT`.
    Absent,
    /// A regular file with this content.
    File {
        /// Digest of the content.
        digest: Digest,
        /// By whom it may be executed.
        executable: ExecuteBits,
        /// What else than the content will do.
        outline: Option<Outline>,
    },
    /// A regular file with this content and these permission bits, which the tool may have
    /// passed on: it changed the file, or copies modes.
    WithMode {
        /// Digest of the content.
        digest: Digest,
        /// The permission bits.
        mode: u32,
    },
    /// A directory, looked at but not listed.
    Directory,
    /// A directory with this set of names; the digest of the sorted, tagged names and
    /// their types.
    Listing(Digest),
    /// A directory with these files of crates: of the names in it only those
    /// count that are named like a crate which this trace has read.
    Crates {
        /// The digest of these names, sorted and tagged.
        names: Digest,
        /// Whether the run linked, so that the library beside a crate's metadata
        /// counts as well.
        linked: bool,
    },
    /// A symbolic link with this target, not followed.
    Symlink(Rooted),
    /// A device, fifo or socket: `st_mode & S_IFMT` and `st_rdev`.
    Special {
        /// The file type bits.
        kind: u32,
        /// The device it names.
        device: u64,
    },
    /// The look-up fails with this `errno`.
    Unreachable(i32),
}

/// What has to be left of a text without what reaches no result: its comments, and what
/// macros stand for that nobody mentions.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct Outline {
    /// Digest of what is left, but for the empty lines at its end.
    pub digest: Digest,
    /// Which of the plain definitions are of such macros: their numbers, ascending.
    pub idle: Box<[u32]>,
    /// How many of those there are, if that may show (debug information).
    pub empty_lines: Option<u32>,
}

/// What a run may have told of the age of a file (`statx(2)`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Age {
    /// When it was last modified.
    Modified(Stamp),
    /// When it was made as well: only the same file tells that again.
    Made(Identity),
}

impl Age {
    /// Whether a file with this identity is of this age.
    #[must_use]
    pub fn is_of(self, identity: &Identity) -> bool {
        match self {
            Self::Modified(stamp) => identity.mtime == stamp,
            Self::Made(file) => *identity == file,
        }
    }
}

/// Two files of a trace that have the same content.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Twins {
    /// Index of the first observation.
    pub first: u32,
    /// Index of the second observation.
    pub second: u32,
    /// How the two relate.
    pub relation: Kinship,
}

/// How two files with the same content relate.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Kinship {
    /// One inode under two paths.
    SameFile,
    /// Two inodes with mtimes in the same second; gcc takes these for one file.
    SameTime,
    /// Two inodes with mtimes in different seconds.
    Apart,
    /// Two inodes, neither of which asks to be included once: clang, which knows
    /// files by inode, tells them apart, and nobody looks at their mtimes.
    Distinct,
}

/// What a run produced.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct CompileResult {
    /// Exit code, 0 to 255.
    pub status: u8,
    /// What was written to the streams, in order.
    pub streams: Vec<Message>,
    /// Files left behind.
    pub outputs: Vec<Output>,
}

/// What a run wrote to a stream.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Message {
    /// The stream written to.
    pub stream: Stream,
    /// The text.
    pub text: Template,
}

/// One write to a stream.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Chunk {
    /// The stream written to.
    pub stream: Stream,
    /// The bytes.
    #[serde(with = "crate::os_bytes::plain")]
    pub bytes: Vec<u8>,
}

/// A standard stream.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Stream {
    /// Descriptor 1.
    Stdout,
    /// Descriptor 2.
    Stderr,
}

/// One file that a run left behind.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Output {
    /// Absolute path.
    pub path: Rooted,
    /// Permission bits, `st_mode & 07777`; the umask is part of the key.
    pub mode: u32,
    /// How the tool brought the file to its path.
    pub manner: Manner,
    /// What is in the file.
    pub content: Content,
}

/// How a tool brought an output to its path.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Manner {
    /// Written elsewhere and renamed to the path.
    Renamed,
    /// Opened at the path and written.
    InPlace,
}

/// The content of an output.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Content {
    /// A small file, within the entry.
    Inline(SmallFile),
    /// A depfile that names the root, within the entry.
    Depfile {
        /// The text.
        text: Template,
        /// How its lines are broken, if that depends on their length.
        breaks: Option<LineBreaks>,
    },
    /// A blob of the store.
    Blob {
        /// Digest, and name, of the blob.
        digest: Digest,
        /// Length in bytes.
        length: u64,
    },
}

/// How a compiler breaks the lines of a depfile.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum LineBreaks {
    /// As gcc does.
    Gcc,
    /// As clang does.
    Clang,
}

/// A trace and the result it led to.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Entry {
    /// What was observed.
    pub trace: Trace,
    /// What was produced.
    pub result: CompileResult,
    /// When the run ended.
    pub made: Stamp,
    /// How long the compiler ran, in microseconds; what a hit saves.
    pub cost: u64,
    /// The root of the checkout in which it ran; empty if there was none.
    pub checkout: OsBytes,
    /// Whether it may be served: of a tool of which nothing is known another run has to have
    /// come to the same before.
    pub confirmed: bool,
    /// In which checkouts it may be served.
    pub scope: Scope,
}

/// In which checkouts a result holds, of all whose invocations have its key.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Scope {
    /// In all of them.
    All,
    /// In the one that it was made in; in all once the preprocessor has shown that no
    /// source uses its own path.
    Unproven,
    /// In the one that it was made in: a source uses its own path.
    Own,
}
