//! Tools that make binaries of binaries: linkers, archivers, and what rewrites
//! objects. As with compilers, what they read and write is observed.

use zccache_core::{Invocation, OsBytes, Reason};

use crate::arguments::{Traits, begins, is_one_of, refuse_private};
use crate::program::{name_of, names_one_of};
use crate::tools::emscripten;
use crate::tools::trusted::is_trusted;

/// What such a tool does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Tool {
    /// It links.
    Linker,
    /// It works on an archive: `ar`.
    Archiver,
    /// It rewrites a file, in its place or elsewhere: `strip`, `objcopy`, `ranlib`.
    Rewriter,
}

const LINKERS: &[&str] =
    &["gold", "ld", "ld.bfd", "ld.gold", "ld.lld", "ld.mold", "mold", "wasm-ld"];
const ARCHIVERS: &[&str] = &["ar", "gcc-ar", "llvm-ar"];
const REWRITERS: &[&str] =
    &["gcc-ranlib", "llvm-objcopy", "llvm-ranlib", "llvm-strip", "objcopy", "ranlib", "strip"];

/// What the tool of this file name does, if it is one of these.
#[must_use]
pub fn tool(file_name: &[u8]) -> Option<Tool> {
    let tools = [(LINKERS, Tool::Linker), (ARCHIVERS, Tool::Archiver), (REWRITERS, Tool::Rewriter)];
    tools.into_iter().find_map(|(names, tool)| names_one_of(file_name, names).then_some(tool))
}

/// Whether the tool of an invocation gives what it makes the mode of what it reads, or may.
#[must_use]
pub fn passes_modes_on(invocation: &Invocation) -> bool {
    let name = name_of(invocation);
    tool(name) == Some(Tool::Rewriter) || emscripten::is_tool(name) || is_trusted(invocation)
}

/// Variables that linkers and archivers read, besides those of compilers: the manuals of
/// `ld` ("Environment Variables"), of the binutils and of mold; `lld/ELF/Driver.cpp`.
pub(crate) const VARIABLES: &[&str] = &["GNUTARGET", "LDEMULATION", "LPATH", "ZERO_AR_DATE"];

/// Beginnings of further such variables.
pub(crate) const VARIABLE_PREFIXES: &[&str] = &["FORCE_LLD_", "LLD_", "MOLD_"];

/// Options of linkers, without dashes, after which no two runs agree or which keep a
/// cache of their own: exactly these.
const NOT_REPEATABLE: &[&str] = &["perf", "repro", "stats", "print-timing"];

/// Beginnings of such options; a linker that works on its last output (`--incremental`)
/// is among them.
const NOT_REPEATABLE_PREFIXES: &[&str] = &[
    "incremental",
    "plugin-opt=cache-dir",
    "plugin-opt=stats-file",
    "plugin-opt=time-passes",
    "print-stats",
    "stats=",
    "thinlto-cache-dir",
    "time-",
];

/// Options that ask a tool about itself, or have it run another (mold).
const QUESTIONS: &[&str] =
    &["--help", "--run", "--target-help", "--version", "-V", "-help", "-run", "-v", "-version"];

/// Looks at one option of a linker, and says whether it loads code of others.
///
/// # Errors
/// The reason why a result with it cannot be kept.
pub(crate) fn examine_option(option: &[u8]) -> Result<bool, Reason> {
    let start = option.iter().position(|&byte| byte != b'-').unwrap_or(0);
    let name = if start == 0 { &b""[..] } else { &option[start..] };
    // Names of options may be cut short.
    let is_random = name.starts_with(b"build-i") && name.ends_with(b"=uuid");
    let is_unseen = option.starts_with(b"@");
    let is_new_each_time =
        is_random || is_one_of(name, NOT_REPEATABLE) || begins(name, NOT_REPEATABLE_PREFIXES);
    if is_new_each_time || is_unseen {
        return Err(Reason::UnsupportedOption);
    }
    Ok(name == b"plugin" || begins(name, &["load-pass-plugin", "plugin="]))
}

/// Looks at what an argument of a compiler passes on to the linker (`-Wl,`), as
/// [`examine_option`].
pub(crate) fn examine_passed(argument: &[u8]) -> Result<bool, Reason> {
    let Some(passed) = argument.strip_prefix(b"-Wl,") else { return Ok(false) };
    let mut options = passed.split(|&byte| byte == b',');
    options.try_fold(false, |loads, option| Ok(loads | examine_option(option)?))
}

/// Reads the expanded arguments of such a tool, without its name.
///
/// # Errors
/// The reason why its result cannot be kept.
pub(crate) fn examine(tool: Tool, arguments: &[OsBytes]) -> Result<Traits, Reason> {
    let mut traits = Traits { links: tool == Tool::Linker, ..Traits::default() };
    let mut names_file = false;
    let mut may_be_operation = true;
    for argument in arguments.iter().map(OsBytes::as_bytes) {
        refuse_private(argument)?;
        if is_one_of(argument, QUESTIONS) {
            return Err(Reason::NotACompile);
        }
        names_file |= !argument.starts_with(b"-");
        match tool {
            Tool::Linker => traits.loads_code |= examine_option(argument)?,
            Tool::Archiver => examine_archiving(argument, may_be_operation, &mut traits)?,
            Tool::Rewriter => examine_rewriting(argument, &mut traits)?,
        }
        may_be_operation &= argument.starts_with(b"--");
    }
    if names_file || traits.reads_input { Ok(traits) } else { Err(Reason::NoSource) }
}

/// `U`, which has the ages and owners of members in the archive, is not repeatable; `u` goes by
/// ages, unless the archive has none; a script (`-M`) comes from standard input.
fn examine_archiving(argument: &[u8], first: bool, traits: &mut Traits) -> Result<(), Reason> {
    traits.loads_code |= argument.starts_with(b"--plugin");
    let is_operation = !argument.starts_with(b"--") && (first || argument.starts_with(b"-"));
    if argument == b"-M" {
        traits.reads_input = true;
    } else if is_operation && argument.iter().any(|byte| matches!(byte, b'u' | b'U')) {
        return Err(Reason::UnsupportedOption);
    }
    Ok(())
}

/// As `U` of an archiver.
fn examine_rewriting(argument: &[u8], traits: &mut Traits) -> Result<(), Reason> {
    traits.loads_code |= argument.starts_with(b"--plugin");
    let has_stamps = is_one_of(argument, &["-U", "--disable-deterministic-archives"]);
    if has_stamps { Err(Reason::UnsupportedOption) } else { Ok(()) }
}
