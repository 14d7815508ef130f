//! What was remarkable in what a compiler read.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use zccache_compiler::TimeWords;
use zccache_compiler::comments::Regard;
use zccache_compiler::relocation::path_words::PathWords;
use zccache_core::{Invocation, Root};

use super::given::for_each_given_text;
use crate::world::Traits;

/// What was remarkable in the inputs of a run.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Remarks {
    /// What they, the arguments and standard input say of times.
    pub(crate) time_words: TimeWords,
    /// One is a precompiled header, whose sources are not among the inputs.
    pub(crate) is_precompiled: bool,
    /// By which words they may use their own paths.
    pub(crate) path_words: PathWords,
    /// What they and the arguments make of comments.
    pub(crate) regard: Regard,
    /// A symbolic link below the root was looked at.
    pub(crate) link_below_root: bool,
}

impl Remarks {
    /// What is remarkable in what a command is given besides files.
    pub(super) fn of_given_text(invocation: &Invocation) -> Self {
        let mut remarks = Self::default();
        for_each_given_text(invocation, |text| {
            remarks.time_words = remarks.time_words | TimeWords::of(text);
            remarks.path_words = remarks.path_words | PathWords::of(text);
            remarks.regard = remarks.regard | Regard::of(text);
        });
        remarks
    }

    /// Takes notice of an input. Returns what it says of times.
    pub(super) fn note(&mut self, traits: &Traits, owner: Owner) -> TimeWords {
        self.is_precompiled |= traits.is_precompiled;
        let words = match owner {
            Owner::Somebody => traits.time_words,
            Owner::System | Owner::Toolchain => traits.time_words.whole(),
        };
        self.time_words = self.time_words | words;
        self.regard = self.regard
            | match owner {
                Owner::Somebody => traits.regard,
                Owner::System | Owner::Toolchain => traits.regard.of_the_system(),
            };
        self.path_words = self.path_words
            | match owner {
                Owner::Somebody => traits.path_words,
                Owner::System => traits.path_words.whole(),
                Owner::Toolchain => PathWords::default(),
            };
        words
    }

    /// Weighs the words for paths together, once all have been noted: the names of types
    /// hold paths with some compilers only, and pasted underscores may make any word.
    pub(super) fn weigh(&mut self, types_show_paths: impl FnOnce() -> bool) {
        if self.time_words.have_edge() {
            self.path_words = PathWords::ALL;
        }
        if self.path_words.have_types() && !types_show_paths() {
            self.path_words = self.path_words.without_types();
        }
    }
}

/// Whose a file is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Owner {
    /// Of the compilers and the C library: of its macros `assert(3)` uses the path, and shows it.
    Toolchain,
    /// Of other parts of the operating system, which knows nothing of checkouts.
    System,
    /// Of anybody else.
    Somebody,
}

impl Owner {
    /// The owner of a file, seen from a checkout.
    pub(super) fn of(path: &Path, root: &Root) -> Self {
        const SYSTEM: [&str; 6] = ["/bin", "/etc", "/lib", "/lib64", "/sbin", "/usr"];
        const TOOLCHAIN: [&str; 4] =
            ["/usr/include/assert.h", "/usr/include/c++", "/usr/lib/gcc", "/usr/lib/llvm"];
        let bytes = path.as_os_str().as_bytes();
        if !SYSTEM.iter().any(|directory| path.starts_with(directory))
            || root.strip(bytes).is_some()
        {
            Self::Somebody
        } else if TOOLCHAIN.iter().any(|start| bytes.starts_with(start.as_bytes()))
            || is_of_target(path)
        {
            Self::Toolchain
        } else {
            Self::System
        }
    }
}

/// Whether a file is of the part of the C++ library that is made for one kind of machine.
fn is_of_target(path: &Path) -> bool {
    let below = path.strip_prefix("/usr/include").map(Path::components);
    below.is_ok_and(|mut names| names.nth(1).is_some_and(|name| name.as_os_str() == "c++"))
}

/// Whether a file belongs to the operating system, which knows nothing of checkouts.
pub(crate) fn is_of_the_system(path: &Path, root: &Root) -> bool {
    Owner::of(path, root) != Owner::Somebody
}
