use super::kernel::Backing;

/// How all open files of one node are read and written. The kernel refuses to
/// mix the two ways, or two backing files, on one node.
#[derive(Default, Debug)]
pub(crate) enum OpenFiles {
    /// It was never open.
    #[default]
    Undecided,
    /// The kernel reads and writes the lower file itself.
    Passthrough {
        /// The file it uses, for all.
        backing: Backing,
        /// How many.
        opens: u64,
    },
    /// None is open, and what the kernel has cached from before passes for nothing.
    Closed,
    /// The kernel asks for what it has not cached; so it stays until `FORGET`.
    Cached,
}

/// How an open file is read and written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Transfer {
    /// By the kernel, from the registered file of this number.
    Passthrough(u32),
    /// By requests.
    Cached {
        /// Whether what the kernel has cached is still true.
        keep: bool,
    },
}
