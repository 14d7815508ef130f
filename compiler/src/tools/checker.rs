//! Tools that read sources as clang does and say what they think of them.

use zccache_core::{OsBytes, Reason};

use crate::arguments::{
    LOADS_CODE, Traits, begins, is_one_of, refuse_private, refuse_unrepeatable,
};
use crate::program::names_one_of;

const CHECKERS: &[&str] = &["clang-tidy", "include-what-you-use", "iwyu"];

/// Variables that they read, besides those of compilers: who is to do what remains to be
/// done (`clang-tidy/ClangTidyOptions.cpp`).
pub(crate) const VARIABLES: &[&str] = &["USER", "USERNAME"];

/// Whether a program of this file name is one of them.
#[must_use]
pub fn is_checker(file_name: &[u8]) -> bool {
    names_one_of(file_name, CHECKERS)
}

/// Reads the expanded arguments of such a tool.
///
/// # Errors
/// The reason why the result cannot be kept.
pub(crate) fn examine(arguments: &[OsBytes]) -> Result<Traits, Reason> {
    // A compilation database may ask for the features of this processor.
    let mut traits = Traits { native: true, ..Traits::default() };
    let mut names_file = false;
    for argument in arguments.iter().map(OsBytes::as_bytes) {
        refuse_private(argument)?;
        refuse_unrepeatable(argument)?;
        if is_one_of(argument, &["--help", "-help", "--version", "-version"]) {
            return Err(Reason::NotACompile);
        }
        if begins(argument, &["--enable-check-profile", "-enable-check-profile"]) {
            return Err(Reason::UnsupportedOption);
        }
        traits.loads_code |= begins(argument, LOADS_CODE) || begins(argument, &["--load"]);
        names_file |= !argument.starts_with(b"-");
    }
    if names_file { Ok(traits) } else { Err(Reason::NoSource) }
}
