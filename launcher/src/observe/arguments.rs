//! The arguments of stopped calls.

use zccache_core::Reason;

use super::process::tracee::Tracee;
use super::record::Opening;
use super::seccomp::Notification;
use super::seccomp::table::{Follow, OpenFlags};

/// An argument of a call.
pub(super) fn argument_of(call: &Notification, argument: u8) -> u64 {
    call.arguments.get(usize::from(argument)).copied().unwrap_or(0)
}

/// The low half of a register, in which the kernel looks for an `int`.
#[expect(clippy::cast_possible_truncation, reason = "that is what the kernel does")]
pub(super) fn low(register: u64) -> i32 {
    register as u32 as i32
}

/// How a call opens a file.
pub(super) fn open_arguments(call: &Notification, flags: OpenFlags) -> Result<Opening, Reason> {
    match flags {
        OpenFlags::Argument(argument) => Ok(Opening {
            flags: low(argument_of(call, argument)),
            mode: low(argument_of(call, argument + 1)).cast_unsigned(),
        }),
        OpenFlags::Creat(argument) => Ok(Opening {
            flags: libc::O_CREAT | libc::O_WRONLY | libc::O_TRUNC,
            mode: low(argument_of(call, argument)).cast_unsigned(),
        }),
        OpenFlags::How(argument) => {
            let mut how = Vec::with_capacity(16);
            Tracee(call.thread).append_all(argument_of(call, argument), 16, &mut how)?;
            let word = |at: usize| how[at..at + 8].try_into().map_or(0, u64::from_ne_bytes);
            Ok(Opening { flags: low(word(0)), mode: low(word(8)).cast_unsigned() })
        }
    }
}

/// That the extended attribute whose name is at this argument is one of which every tool asks
/// that copies modes: an access list, a capability, a label (`xattr(7)`). What programs keep in
/// those of users is not observed.
pub(super) fn is_attribute_of_the_system(call: &Notification, argument: u8) -> Result<(), Reason> {
    let mut name = Vec::new();
    Tracee(call.thread).append_text(argument_of(call, argument), &mut name)?;
    let of_system = name.starts_with(b"system.") || name.starts_with(b"security.");
    if of_system { Ok(()) } else { Err(Reason::ForeignOperation) }
}

/// Whether a call follows a symbolic link at the end of its path.
pub(super) fn follows(call: &Notification, follow: Follow) -> bool {
    match follow {
        Follow::Yes => true,
        Follow::No => false,
        Follow::Unless(argument) => {
            low(argument_of(call, argument)) & libc::AT_SYMLINK_NOFOLLOW == 0
        }
    }
}
