//! The system calls that are observed, as data: when one stops, and what it does.
//!
//! `readlink` is among them only where it is asked for. A compiler makes hundreds
//! of such calls to find the canonical names of what it opens anyway, and each
//! symbolic link on the way to a sighted file is sighted with it
//! (`record::links`).

use libc::c_long;
use zccache_core::Reason;

/// Shells save their streams to numbers from here on while they redirect a
/// command of their own (`dash`, `bash` and `zsh` alike).
pub(crate) const FIRST_SAVED: libc::c_int = 10;

/// One observed system call.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rule {
    /// Its number.
    pub number: c_long,
    /// When it stops.
    pub when: When,
    /// What it does.
    pub call: Call,
}

/// When a system call stops; decided by the filter, on arguments in registers.
#[derive(Clone, Copy, Debug)]
pub(crate) enum When {
    /// Always.
    Always,
    /// When this argument is descriptor 1 or 2, or from [`FIRST_SAVED`] on.
    OnStream(u8),
    /// When this argument is descriptor 0.
    OnInput(u8),
    /// When the first argument is descriptor 0, or the second one as with `OnStream`.
    FromInput(u8, u8),
    /// When it is a duplicate of descriptor 0 or of one as with `OnStream`.
    Duplicates,
    /// When it is `fcntl` that makes such a duplicate.
    DuplicatesStream,
    /// When it is `mmap` of descriptor 0.
    MapsInput,
    /// When this argument, a word of flags, lacks `AT_EMPTY_PATH`, or argument 0 is `AT_FDCWD`.
    Names(u8),
    /// When argument 0 is not `AF_UNIX`.
    NotUnix,
}

/// A path argument: the argument with the directory it is relative to, if there
/// is one, and the argument that points to the path.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct At {
    /// Argument with the directory descriptor; the working directory if none.
    pub directory: Option<u8>,
    /// Argument with the address of the path.
    pub path: u8,
}

/// Whether a look-up follows a symbolic link at the end of a path.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Follow {
    /// It does.
    Yes,
    /// It does not.
    No,
    /// It does unless this argument has `AT_SYMLINK_NOFOLLOW`.
    Unless(u8),
}

/// Where an open finds its flags.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum OpenFlags {
    /// In this argument; the mode follows in the next.
    Argument(u8),
    /// Nowhere: it is `creat(2)`, with the mode in this argument.
    Creat(u8),
    /// In the `struct open_how` to which this argument points.
    How(u8),
}

/// What an observed system call does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Call {
    /// Opens, and perhaps creates, a file.
    Open(At, OpenFlags),
    /// Asks about a path.
    Look(At, Follow),
    /// Asks for the extended attribute of a path whose name is at this argument.
    Attribute(At, Follow, u8),
    /// Asks for that of the descriptor in argument 0, by the name at argument 1.
    AttributeOfDescriptor,
    /// Asks which extended attributes a path has.
    Attributes(At, Follow),
    /// Asks which the descriptor in argument 0 has.
    AttributesOfDescriptor,
    /// Asks whether something is there; of a link, where it leads.
    Probe(At),
    /// Executes a file.
    Execute(At, Follow),
    /// Removes a name, of a file or a directory.
    Remove(At),
    /// Renames; flags in the argument, if any.
    Rename(At, At, Option<u8>),
    /// Makes a hard link from the first path to the second.
    Link(At, At),
    /// Makes a directory, symbolic link or special file.
    Make(At),
    /// Changes the length of a file.
    Truncate(At),
    /// Changes the permission bits of a file.
    ChangeMode(At),
    /// Changes owner or attributes of a file; it follows or not.
    Touch(At),
    /// Changes the time stamps of a file; it follows or not.
    Stamp(At),
    /// Changes permission bits, owner or attributes through the descriptor in argument 0.
    TouchDescriptor,
    /// Changes the working directory to a path.
    ChangeDirectory(At),
    /// Changes the working directory to a descriptor.
    Move,
    /// Writes to a stream: address and length in arguments 1 and 2.
    Write,
    /// Writes to a stream: vector and its count in arguments 1 and 2.
    WriteVector,
    /// Writes to the stream in this argument, in a way that is not recorded.
    HandOn(u8),
    /// Takes from standard input, if this argument is that, in a way that is not
    /// recorded.
    TakeIn(u8),
    /// Moves bytes from the descriptor in the first argument to that in the second.
    Pass(u8, u8),
    /// Duplicates the stream in argument 0 to any number.
    DuplicateAnywhere,
    /// Duplicates the stream in argument 0 to the number in argument 1.
    Duplicate,
    /// Duplicates the stream in argument 0 to the first free number from argument 2 on.
    Save,
    /// Connects to the address in argument 1, of the length in argument 2.
    Connect,
    /// Does what cannot be observed.
    Foreign(Reason),
}

const fn cwd(path: u8) -> At {
    At { directory: None, path }
}

const fn at(directory: u8) -> At {
    At { directory: Some(directory), path: directory + 1 }
}

const fn always(number: c_long, call: Call) -> Rule {
    Rule { number, when: When::Always, call }
}

const fn names(number: c_long, flags: u8, call: Call) -> Rule {
    Rule { number, when: When::Names(flags), call }
}

const fn stream(number: c_long, argument: u8, call: Call) -> Rule {
    Rule { number, when: When::OnStream(argument), call }
}

const fn input(number: c_long) -> Rule {
    Rule { number, when: When::OnInput(0), call: Call::TakeIn(0) }
}

const fn pass(number: c_long, from: u8, to: u8) -> Rule {
    Rule { number, when: When::FromInput(from, to), call: Call::Pass(from, to) }
}

const fn duplicate(number: c_long, call: Call) -> Rule {
    Rule { number, when: When::Duplicates, call }
}

/// Calls that ask whether something is there and, if it is no link, tell nothing
/// else; stopped for tools that do so.
pub(crate) const PROBES: &[Rule] = &[
    always(libc::SYS_readlinkat, Call::Probe(at(0))),
    #[cfg(target_arch = "x86_64")]
    always(libc::SYS_readlink, Call::Probe(cwd(0))),
];

/// Calls that every architecture has.
const COMMON: &[Rule] = &[
    always(libc::SYS_openat, Call::Open(at(0), OpenFlags::Argument(2))),
    always(libc::SYS_openat2, Call::Open(at(0), OpenFlags::How(2))),
    names(libc::SYS_newfstatat, 3, Call::Look(at(0), Follow::Unless(3))),
    names(libc::SYS_statx, 2, Call::Look(at(0), Follow::Unless(2))),
    always(libc::SYS_faccessat, Call::Look(at(0), Follow::Yes)),
    always(libc::SYS_faccessat2, Call::Look(at(0), Follow::Unless(3))),
    always(libc::SYS_execve, Call::Execute(cwd(0), Follow::Yes)),
    always(libc::SYS_execveat, Call::Execute(at(0), Follow::Unless(4))),
    always(libc::SYS_statfs, Call::Look(cwd(0), Follow::Yes)),
    always(libc::SYS_getxattr, Call::Attribute(cwd(0), Follow::Yes, 1)),
    always(libc::SYS_lgetxattr, Call::Attribute(cwd(0), Follow::No, 1)),
    always(libc::SYS_fgetxattr, Call::AttributeOfDescriptor),
    always(SYS_GETXATTRAT, Call::Attribute(at(0), Follow::Unless(2), 3)),
    always(libc::SYS_listxattr, Call::Attributes(cwd(0), Follow::Yes)),
    always(libc::SYS_llistxattr, Call::Attributes(cwd(0), Follow::No)),
    always(libc::SYS_flistxattr, Call::AttributesOfDescriptor),
    always(SYS_LISTXATTRAT, Call::Attributes(at(0), Follow::Unless(2))),
    always(libc::SYS_name_to_handle_at, Call::Look(at(0), Follow::No)),
    always(libc::SYS_unlinkat, Call::Remove(at(0))),
    always(libc::SYS_renameat2, Call::Rename(at(0), at(2), Some(4))),
    always(libc::SYS_linkat, Call::Link(at(0), at(2))),
    always(libc::SYS_symlinkat, Call::Make(at(1))),
    always(libc::SYS_mkdirat, Call::Make(at(0))),
    always(libc::SYS_mknodat, Call::Make(at(0))),
    always(libc::SYS_truncate, Call::Truncate(cwd(0))),
    always(libc::SYS_fchmodat, Call::ChangeMode(at(0))),
    always(libc::SYS_fchmodat2, Call::ChangeMode(at(0))),
    always(libc::SYS_fchownat, Call::Touch(at(0))),
    always(libc::SYS_utimensat, Call::Stamp(at(0))),
    always(libc::SYS_setxattr, Call::Touch(cwd(0))),
    always(libc::SYS_lsetxattr, Call::Touch(cwd(0))),
    always(libc::SYS_removexattr, Call::Touch(cwd(0))),
    always(libc::SYS_lremovexattr, Call::Touch(cwd(0))),
    always(SYS_SETXATTRAT, Call::Touch(at(0))),
    always(SYS_REMOVEXATTRAT, Call::Touch(at(0))),
    always(SYS_FILE_SETATTR, Call::Touch(at(0))),
    always(libc::SYS_fchmod, Call::TouchDescriptor),
    always(libc::SYS_fchown, Call::TouchDescriptor),
    always(libc::SYS_fsetxattr, Call::TouchDescriptor),
    always(libc::SYS_fremovexattr, Call::TouchDescriptor),
    always(libc::SYS_chdir, Call::ChangeDirectory(cwd(0))),
    always(libc::SYS_fchdir, Call::Move),
    stream(libc::SYS_write, 0, Call::Write),
    stream(libc::SYS_writev, 0, Call::WriteVector),
    stream(libc::SYS_pwrite64, 0, Call::HandOn(0)),
    stream(libc::SYS_pwritev, 0, Call::HandOn(0)),
    stream(libc::SYS_pwritev2, 0, Call::HandOn(0)),
    pass(libc::SYS_sendfile, 1, 0),
    pass(libc::SYS_splice, 0, 2),
    pass(libc::SYS_tee, 0, 1),
    pass(libc::SYS_vmsplice, 0, 0),
    pass(libc::SYS_copy_file_range, 0, 2),
    stream(libc::SYS_sendto, 0, Call::HandOn(0)),
    stream(libc::SYS_sendmsg, 0, Call::HandOn(0)),
    stream(libc::SYS_sendmmsg, 0, Call::HandOn(0)),
    stream(libc::SYS_ftruncate, 0, Call::HandOn(0)),
    duplicate(libc::SYS_dup, Call::DuplicateAnywhere),
    duplicate(libc::SYS_dup3, Call::Duplicate),
    input(libc::SYS_read),
    input(libc::SYS_pread64),
    input(libc::SYS_readv),
    input(libc::SYS_preadv),
    input(libc::SYS_preadv2),
    input(libc::SYS_recvfrom),
    input(libc::SYS_recvmsg),
    input(libc::SYS_recvmmsg),
    Rule { number: libc::SYS_mmap, when: When::MapsInput, call: Call::TakeIn(4) },
    Rule { number: libc::SYS_fcntl, when: When::DuplicatesStream, call: Call::Save },
    Rule { number: libc::SYS_socket, when: When::NotUnix, call: Call::Foreign(Reason::Network) },
    always(libc::SYS_connect, Call::Connect),
    always(libc::SYS_bind, Call::Foreign(Reason::Network)),
    always(libc::SYS_io_uring_setup, Call::Foreign(Reason::IoUring)),
    always(libc::SYS_chroot, Call::Foreign(Reason::ForeignOperation)),
    always(libc::SYS_mount, Call::Foreign(Reason::ForeignOperation)),
    always(libc::SYS_umount2, Call::Foreign(Reason::ForeignOperation)),
    always(libc::SYS_move_mount, Call::Foreign(Reason::ForeignOperation)),
    always(libc::SYS_open_tree, Call::Foreign(Reason::ForeignOperation)),
    always(libc::SYS_pivot_root, Call::Foreign(Reason::ForeignOperation)),
    always(libc::SYS_unshare, Call::Foreign(Reason::ForeignOperation)),
    always(libc::SYS_setns, Call::Foreign(Reason::ForeignOperation)),
    always(libc::SYS_ptrace, Call::Foreign(Reason::ForeignOperation)),
    always(libc::SYS_pidfd_getfd, Call::Foreign(Reason::ForeignOperation)),
    always(libc::SYS_open_by_handle_at, Call::Foreign(Reason::ForeignOperation)),
    always(libc::SYS_shmget, Call::Foreign(Reason::ForeignOperation)),
    always(libc::SYS_mq_open, Call::Foreign(Reason::ForeignOperation)),
];

/// Calls younger than the C library's table; one number on every architecture.
const SYS_SETXATTRAT: c_long = 463;
const SYS_GETXATTRAT: c_long = 464;
const SYS_LISTXATTRAT: c_long = 465;
const SYS_REMOVEXATTRAT: c_long = 466;
const SYS_FILE_SETATTR: c_long = 469;

/// Calls that only x86-64 still has.
#[cfg(target_arch = "x86_64")]
const LEGACY: &[Rule] = &[
    always(libc::SYS_open, Call::Open(cwd(0), OpenFlags::Argument(1))),
    always(libc::SYS_creat, Call::Open(cwd(0), OpenFlags::Creat(1))),
    always(libc::SYS_stat, Call::Look(cwd(0), Follow::Yes)),
    always(libc::SYS_lstat, Call::Look(cwd(0), Follow::No)),
    always(libc::SYS_access, Call::Look(cwd(0), Follow::Yes)),
    always(libc::SYS_unlink, Call::Remove(cwd(0))),
    always(libc::SYS_rmdir, Call::Remove(cwd(0))),
    always(libc::SYS_rename, Call::Rename(cwd(0), cwd(1), None)),
    always(libc::SYS_renameat, Call::Rename(at(0), at(2), None)),
    always(libc::SYS_link, Call::Link(cwd(0), cwd(1))),
    always(libc::SYS_symlink, Call::Make(cwd(1))),
    always(libc::SYS_mkdir, Call::Make(cwd(0))),
    always(libc::SYS_mknod, Call::Make(cwd(0))),
    always(libc::SYS_chmod, Call::ChangeMode(cwd(0))),
    always(libc::SYS_chown, Call::Touch(cwd(0))),
    always(libc::SYS_lchown, Call::Touch(cwd(0))),
    always(libc::SYS_utime, Call::Stamp(cwd(0))),
    always(libc::SYS_utimes, Call::Stamp(cwd(0))),
    always(libc::SYS_futimesat, Call::Stamp(at(0))),
    duplicate(libc::SYS_dup2, Call::Duplicate),
];

/// Calls that only this architecture has.
#[cfg(not(target_arch = "x86_64"))]
const LEGACY: &[Rule] = &[];

/// All rules, the frequent calls first.
pub(crate) fn rules() -> impl Iterator<Item = &'static Rule> {
    COMMON.iter().chain(LEGACY)
}

/// The rule for a system call number.
pub(crate) fn rule(number: c_long) -> Option<&'static Rule> {
    rules().chain(PROBES).find(|rule| rule.number == number)
}
