//! Programs by name: which are compilers, and whose environment is known.

use crate::clock::contains;

/// Drivers that are cached, without target prefix and version suffix.
const DRIVERS: &[&str] = &["cc", "c++", "clang", "clang++", "g++", "gcc"];

/// Programs that drivers start and whose variables the list of
/// [`crate::environment`] covers (GCC manual, "Environment Variables Affecting
/// GCC"; binutils manuals; `clang(1)`).
const HELPERS: &[&str] =
    &["as", "cc1", "cc1plus", "collect2", "ld", "ld.bfd", "ld.gold", "lld", "lto-wrapper", "lto1"];

/// Whether the file name is that of a C or C++ compiler driver, such as
/// `x86_64-linux-gnu-g++-12` or `clang-14`.
#[must_use]
pub fn is_driver(file_name: &[u8]) -> bool {
    names_one_of(file_name, DRIVERS)
}

/// Whether the variables that a program of this name reads are known, provided
/// it is a binary and not a script.
#[must_use]
pub fn has_known_environment(file_name: &[u8]) -> bool {
    names_one_of(file_name, DRIVERS) || names_one_of(file_name, HELPERS)
}

/// What programs of GCC, of the binutils and of LLVM hold: a variable by which
/// GCC's parts find each other, the line on copyright that `--version` shows,
/// the names of what is called in LLVM's libraries.
const MAKERS: &[&[u8]] = &[b"COLLECT_GCC", b"Free Software Foundation", b"LLVM"];

/// Bytes of one piece of a binary to be seen again with the next.
pub const SEAM: usize = 24;

const _: () = assert!(SEAM == MAKERS[1].len());

/// Whether a piece of a binary says that it is of GCC, the binutils or LLVM. A
/// wrapper that merely bears the name of a compiler does not.
#[must_use]
pub fn is_of_toolchain(piece: &[u8]) -> bool {
    MAKERS.iter().any(|name| contains(piece, name))
}

fn names_one_of(file_name: &[u8], names: &[&str]) -> bool {
    let base = without_version(file_name);
    names.iter().any(|name| base.strip_suffix(name.as_bytes()).is_some_and(is_target_prefix))
}

/// `gcc-12`, `clang-14`, `g++-4.8` without the number.
fn without_version(name: &[u8]) -> &[u8] {
    match name.iter().rposition(|&byte| byte == b'-') {
        Some(dash) if is_version(&name[dash + 1..]) => &name[..dash],
        _ => name,
    }
}

fn is_version(text: &[u8]) -> bool {
    text.first().is_some_and(u8::is_ascii_digit)
        && text.iter().all(|byte| byte.is_ascii_digit() || *byte == b'.')
}

/// Nothing, or a GNU target such as `x86_64-linux-gnu-`: at least two dashes,
/// so that `my-gcc` is not taken for a compiler.
fn is_target_prefix(prefix: &[u8]) -> bool {
    prefix.is_empty()
        || (prefix.ends_with(b"-")
            && prefix.iter().filter(|&&byte| byte == b'-').count() >= 2
            && prefix.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.')))
}
