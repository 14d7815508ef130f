//! Programs by name: which are compilers, and whose environment is known.

use memchr::memmem;
use zccache_core::Invocation;

use crate::tools::{binary, checker, emscripten, trusted};

/// A kind of compilers that take the same arguments and read the same variables.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Family {
    /// gcc and clang.
    C,
    /// Linkers, archivers and what rewrites objects.
    Binary,
    /// Emscripten's drivers, and its scripts around archivers.
    Emscripten,
    /// Tools that check sources.
    Checker,
    /// Tools that a project says are deterministic, whatever they are.
    Trusted,
    /// rustc and the tools that are rustc in all but name.
    Rust,
}

/// The family of a compiler, by its file name.
#[must_use]
pub fn family(file_name: &[u8]) -> Option<Family> {
    if RUST.iter().any(|name| name.as_bytes() == file_name) {
        return Some(Family::Rust);
    }
    if is_driver(file_name) {
        return Some(Family::C);
    }
    if checker::is_checker(file_name) {
        return Some(Family::Checker);
    }
    if emscripten::is_tool(file_name) {
        return Some(Family::Emscripten);
    }
    binary::tool(file_name).map(|_| Family::Binary)
}

/// The family of the compiler that an invocation names.
#[must_use]
pub fn family_of(invocation: &Invocation) -> Option<Family> {
    family(name_of(invocation))
        .or_else(|| trusted::is_trusted(invocation).then_some(Family::Trusted))
}

/// rustc, and clippy's driver, which is rustc with more lints.
const RUST: &[&str] = &["clippy-driver", "rustc"];

/// Drivers that are cached, without target prefix and version suffix.
const DRIVERS: &[&str] = &["cc", "c++", "clang", "clang++", "g++", "gcc"];

/// Programs that drivers start and whose variables the list of
/// [`crate::environment`] covers (GCC manual, "Environment Variables Affecting
/// GCC"; binutils manuals; `clang(1)`).
const HELPERS: &[&str] =
    &["as", "cc1", "cc1plus", "collect2", "lld", "lto-wrapper", "lto1", "rust-lld", "rust-objcopy"];

/// Whether the file name is that of a C or C++ compiler driver, such as
/// `x86_64-linux-gnu-g++-12` or `clang-14`.
#[must_use]
pub fn is_driver(file_name: &[u8]) -> bool {
    names_one_of(file_name, DRIVERS)
}

/// Whether the program at a canonical path calls a type without a name `(lambda at PATH)`,
/// as clang does in `__PRETTY_FUNCTION__`, and gcc does not.
#[must_use]
pub fn names_types_by_path(path: &[u8]) -> bool {
    memmem::find(base_name(path), b"clang").is_some()
}

/// Whether a program of this name is one that preprocesses: of gcc, or clang.
#[must_use]
pub fn is_preprocessor(file_name: &[u8]) -> bool {
    let name = without_version(file_name);
    [&b"cc1"[..], b"cc1plus", b"clang", b"clang++"].contains(&name)
}

/// Whether a program of this name is the assembler of the binutils.
#[must_use]
pub fn is_assembler(file_name: &[u8]) -> bool {
    names_one_of(file_name, &["as"])
}

/// What a program, by its canonical path, makes of `SOURCE_DATE_EPOCH`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Epoch {
    /// It expands no macros.
    Unconcerned,
    /// `__DATE__` and `__TIME__` are of that time (GCC manual, "Environment
    /// Variables Affecting the Preprocessor", since gcc 7; clang's release notes
    /// of 16).
    Obeyed,
    /// Not known to be obeyed.
    Unknown,
}

/// The first versions that obey `SOURCE_DATE_EPOCH`.
const GCC_OBEYS: u32 = 7;
const CLANG_OBEYS: u32 = 16;

/// What the program at a canonical path makes of `SOURCE_DATE_EPOCH`. The version
/// of gcc is the directory of its programs, that of clang is in its name or its
/// prefix (`/usr/lib/llvm-16/bin/clang`).
#[must_use]
pub fn epoch(path: &[u8]) -> Epoch {
    let mut names = path.rsplit(|&byte| byte == b'/');
    let (name, directory) = (names.next().unwrap_or_default(), names.next().unwrap_or_default());
    let prefix = names.next().unwrap_or_default();
    let since = |version: Option<u32>, first: u32| match version {
        Some(version) if version >= first => Epoch::Obeyed,
        _ => Epoch::Unknown,
    };
    match without_version(name) {
        b"cc1" | b"cc1plus" => since(leading_number(directory), GCC_OBEYS),
        b"clang" | b"clang++" => {
            let suffix = name.strip_prefix(b"clang-").and_then(leading_number);
            let llvm = prefix.strip_prefix(b"llvm-").and_then(leading_number);
            since(suffix.or(llvm), CLANG_OBEYS)
        }
        _ if has_known_environment(name) => Epoch::Unconcerned,
        _ => Epoch::Unknown,
    }
}

fn leading_number(text: &[u8]) -> Option<u32> {
    let digits = text.split(|byte| !byte.is_ascii_digit()).next()?;
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// Whether the variables that a program of this name reads are known, provided
/// it is a binary and not a script.
#[must_use]
pub fn has_known_environment(file_name: &[u8]) -> bool {
    family(file_name).is_some() || names_one_of(file_name, HELPERS)
}

/// What programs of GCC, of the binutils, of LLVM and of Rust hold: a variable by
/// which GCC's parts find each other, the line on copyright that `--version` shows,
/// the names of what is called in libraries, that of the linker which Rust's stand-in for
/// `ld` starts; and what a shell says of its words ([`crate::tools::lto`]).
const MAKERS: &[&[u8]] = &[
    b"COLLECT_GCC",
    b"Free Software Foundation",
    b"rust-lld",
    b"rustc_driver",
    b" is a shell keyword",
];

/// Bytes of one piece of a binary to be seen again with the next.
pub const SEAM: usize = 24;

const _: () = assert!(SEAM == MAKERS[1].len());

/// Whether a piece of a binary says whose it is. A wrapper that merely bears the
/// name of a compiler does not.
#[must_use]
pub fn is_of_toolchain(piece: &[u8]) -> bool {
    MAKERS.iter().any(|name| memmem::find(piece, name).is_some()) || is_of_llvm(piece)
}

/// Whether LLVM is named, but not as what rustc made a program with (`DW_AT_producer`).
fn is_of_llvm(piece: &[u8]) -> bool {
    const BY_RUSTC: &[u8] = b" (rustc";
    memmem::find_iter(piece, b"LLVM").any(|at| {
        // What is cut off is in the next piece.
        piece.get(at + 4..at + 4 + BY_RUSTC.len()).is_some_and(|behind| behind != BY_RUSTC)
    })
}

/// The file name of the program that an invocation names; empty if it names none.
#[must_use]
pub fn name_of(invocation: &Invocation) -> &[u8] {
    invocation.argv.first().map_or(&[], |program| base_name(program.as_bytes()))
}

/// The name of a program without its directory.
#[must_use]
pub fn base_name(path: &[u8]) -> &[u8] {
    path.rsplit(|&byte| byte == b'/').next().unwrap_or(path)
}

pub(crate) fn names_one_of(file_name: &[u8], names: &[&str]) -> bool {
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
