//! One command, as its caller gave it.

use serde::{Deserialize, Serialize};

use crate::OsBytes;
use crate::settings::{Written, is_on};

/// argv, directory, environment, umask and streams of one command.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Invocation {
    /// The compiler as named by the caller, and its arguments.
    pub argv: Vec<OsBytes>,
    /// The working directory, as `getcwd(2)` tells it.
    pub cwd: OsBytes,
    /// The environment, `NAME=value` each, in its order.
    pub environment: Vec<OsBytes>,
    /// Settings in front of the command, `NAME=value` each, as if the environment said so: the
    /// command does not see them.
    pub flags: Vec<OsBytes>,
    /// What files say of settings, the nearest first. Nor does the command see those.
    #[serde(skip)]
    pub written: Vec<Written>,
    /// The file mode creation mask.
    pub umask: u32,
    /// What the process sees as `/`.
    pub place: Place,
    /// Standard output and standard error, when they are terminals.
    pub terminals: [Option<Terminal>; 2],
    /// Standard input.
    pub input: Input,
    /// The controlling terminal (`tty(4)`), which some tools ask for its width.
    pub console: Option<Terminal>,
    /// Whether the environment names a job server that cannot be reached, of which
    /// some tools complain.
    pub jobserver_is_broken: bool,
    /// The effective capabilities of a process of root (`capabilities(7)`), a bit each.
    pub capabilities: u64,
}

impl Invocation {
    /// An invocation in the directory `/b` that nothing is special about: the usual mask, no
    /// terminal, no input, nothing that its process may not do. For tests and measurements.
    #[must_use]
    pub fn plain(argv: Vec<OsBytes>, environment: Vec<OsBytes>) -> Self {
        Self {
            argv,
            cwd: "/b".into(),
            environment,
            flags: Vec::new(),
            written: Vec::new(),
            umask: 0o022,
            place: Place { namespace: 1, root_device: 1, root_inode: 1 },
            terminals: [None, None],
            input: Input::Null,
            console: None,
            jobserver_is_broken: false,
            capabilities: u64::MAX,
        }
    }

    /// The value of an environment variable; the last one wins nothing: as in
    /// `getenv(3)`, the first is taken.
    #[must_use]
    pub fn variable(&self, name: &[u8]) -> Option<&[u8]> {
        value(&self.environment, name)
    }

    /// All that is said of a setting, by the name of its variable; what counts comes first.
    pub fn settings<'s>(&'s self, name: &'s str) -> impl Iterator<Item = &'s [u8]> {
        let set = [&self.flags, &self.environment].into_iter();
        let set = set.filter_map(move |entries| value(entries, name.as_bytes()));
        set.chain(self.written.iter().filter_map(move |file| Some(file.value(name)?.as_bytes())))
    }

    /// What counts of a setting.
    #[must_use]
    pub fn setting<'s>(&'s self, name: &'s str) -> Option<&'s [u8]> {
        self.settings(name).next()
    }

    /// Whether a setting that is a switch is on.
    #[must_use]
    pub fn is_on(&self, name: &str) -> bool {
        is_on(self.setting(name))
    }
}

fn value<'e>(entries: &'e [OsBytes], name: &[u8]) -> Option<&'e [u8]> {
    entries.iter().find_map(|entry| entry.as_bytes().strip_prefix(name)?.strip_prefix(b"="))
}

/// The mount namespace and root of a process: within one place a path means
/// one thing.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct Place {
    /// Inode of `/proc/self/ns/mnt` (`mount_namespaces(7)`).
    pub namespace: u64,
    /// `st_dev` of `/`.
    pub root_device: u64,
    /// `st_ino` of `/`.
    pub root_inode: u64,
}

/// What standard input is.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Input {
    /// `/dev/null`: reading it tells nothing.
    Null,
    /// A terminal.
    Terminal,
    /// A regular file that has not been read from.
    File,
    /// A pipe.
    Pipe,
    /// Anything else.
    Other,
    /// All of a file or pipe, which the launcher has read; the compiler finds it
    /// on its standard input.
    Text {
        /// What was read.
        #[serde(with = "crate::os_bytes::plain")]
        bytes: Vec<u8>,
        /// When it was last modified, in seconds since the epoch.
        modified: i64,
    },
}

impl Input {
    /// Whether the launcher can read it before the compiler does.
    #[must_use]
    pub fn can_be_read(&self) -> bool {
        matches!(self, Self::File | Self::Pipe)
    }

    /// Whether what a program reads there is known.
    #[must_use]
    pub fn is_known(&self) -> bool {
        matches!(self, Self::Null | Self::Text { .. })
    }
}

/// A terminal that messages are laid out for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Terminal {
    /// Columns, as `TIOCGWINSZ` tells them (`ioctl_tty(2)`).
    pub columns: u16,
}
