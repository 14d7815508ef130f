//! What gcc's link-time optimiser has others do where it works in parallel (`-flto=auto`,
//! `-flto=2`, `-flto=jobserver`): `lto-wrapper` writes a makefile of its own, whose rules start
//! the compiler and move files, and gives it to `make` (`run_gcc` in `gcc/lto-wrapper.cc`).

use memchr::memmem;
use zccache_core::{Invocation, OsBytes};

use crate::arguments::{begins, is_one_of};
use crate::environment::TEMPORARY_DIRECTORY;

/// Programs that take part, besides those of compilers.
const HELPERS: &[&str] = &["bash", "dash", "gmake", "make", "mv", "rm", "sh", "touch"];

/// Variables that they read, besides those of compilers, and that can reach what such a
/// makefile makes: GNU make manual, "Special Variables", "Communicating Options to a
/// Sub-make"; `bash(1)`, "Shell Variables". Every other variable is one of the makefile, too,
/// which mentions none ([`is_expanded`]).
const VARIABLES: &[&str] =
    &["BASHOPTS", "GNUMAKEFLAGS", "GPATH", "MAKE", "MAKEFILES", "MAKESHELL", "SHELLOPTS", "VPATH"];

/// Beginnings of further such variables: special ones of `make`, functions of `bash`.
const VARIABLE_PREFIXES: &[&str] = &[".", "BASH_FUNC_"];

/// Whether a program takes part in what `lto-wrapper` has done.
#[must_use]
pub fn is_helper(file_name: &[u8]) -> bool {
    is_one_of(file_name, HELPERS)
}

/// Whether such a program reads a variable.
pub(crate) fn reads(name: &[u8]) -> bool {
    is_one_of(name, VARIABLES) || begins(name, VARIABLE_PREFIXES)
}

/// Whether a link has a word or a directory in which `make` would replace variables: the
/// makefile repeats what the link was told. Words for the linker alone are not in it.
pub(crate) fn is_expanded(invocation: &Invocation, arguments: &[OsBytes]) -> bool {
    let is_variable = |text: &[u8]| text.contains(&b'$') && !text.starts_with(b"-Wl,");
    let directories = TEMPORARY_DIRECTORY.iter().filter_map(|name| invocation.variable(name));
    let words = invocation.argv.first().into_iter().chain(arguments).map(OsBytes::as_bytes);
    words.chain(directories).any(is_variable)
}

/// Ways to name a job server in `MAKEFLAGS`; `lto-wrapper` does not know all of them, and
/// complains of the others.
const JOBSERVERS: [&[u8]; 3] =
    [b"--jobserver-auth=", b"--jobserver-auth=fifo:", b"--jobserver-fds="];

/// In which ways `MAKEFLAGS` names a job server: a bit for each.
pub(crate) fn jobserver(flags: &[u8]) -> u8 {
    let named = |way: &[u8]| memmem::find(flags, way).is_some();
    (0..).zip(JOBSERVERS).map(|(bit, way)| u8::from(named(way)) << bit).sum()
}

/// The words of `MAKEFLAGS` that reach the `make` of a link: all, if they name a job server,
/// and none otherwise. Left out is what changes neither a makefile that says nothing nor what
/// it makes: the job server, the number of jobs, letters on what is told and on failures, and
/// definitions of variables that nobody reads.
pub(crate) fn flags_that_count(flags: &[u8]) -> impl Iterator<Item = &[u8]> {
    let flags = if jobserver(flags) == 0 { b"" } else { flags };
    flags
        .split(|&byte| byte == b' ')
        .enumerate()
        .filter(|&(number, word)| {
            let is_letters = number == 0 && word.iter().all(|letter| b"ksw".contains(letter));
            let is_of_jobs = word.starts_with(b"-j") || word.starts_with(b"--jobserver-");
            let is_nothing = word.is_empty() || word == b"--";
            !(is_letters || is_of_jobs || is_nothing || is_idle_definition(word))
        })
        .map(|(_, word)| word)
}

/// Whether a word of `MAKEFLAGS` defines a variable that such a makefile does not use.
fn is_idle_definition(word: &[u8]) -> bool {
    let mut parts = word.splitn(2, |&byte| byte == b'=');
    let (Some(name), Some(_)) = (parts.next(), parts.next()) else { return false };
    let is_plain = name.iter().all(|&byte| byte.is_ascii_alphanumeric() || byte == b'_');
    is_plain && name != b"SHELL" && !reads(name)
}
