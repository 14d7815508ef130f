//! Which environment variables can reach a result. `docs/CACHE_KEYS.md` gives
//! the reason for each.

pub mod display;

use zccache_core::entry::Environment;
use zccache_core::invocation::Input;
use zccache_core::{Digest, Invocation, OsBytes, Root, TaggedHasher};

use crate::program::{Family, family_of};
use crate::rust;
use crate::tools::{binary, checker};
use display::is_of_display;

/// Variables that name the directory for temporary files, in the order in which GCC asks
/// (`choose_tmpdir` of libiberty).
pub const TEMPORARY_DIRECTORY: [&[u8]; 3] = [b"TMPDIR", b"TMP", b"TEMP"];

/// Variables that gcc, clang, the GNU assembler, the dynamic loader and the C
/// library read and that can change a result or a message: GCC manual,
/// "Environment Variables Affecting GCC" and "Diagnostic Message Formatting";
/// `clang(1)` and clang's driver sources; `ld.so(8)`; `gettext(3)`; `locale(7)`.
const OF_COMPILERS: &[&str] = &[
    "BINUTILS_ROOT",
    "COMPILER_PATH",
    "CPATH",
    "CPLUS_INCLUDE_PATH",
    "CUDA_PATH",
    "C_INCLUDE_PATH",
    "DEPENDENCIES_OUTPUT",
    "EXPERIMENTAL_CET",
    "FORCE_CLANG_DIAGNOSTICS_CRASH",
    "G++_ROOT",
    "GCONV_PATH",
    "GLIBC_TUNABLES",
    "HIP_PATH",
    "INCLUDE",
    "LANG",
    "LANGUAGE",
    "LIBRARY_PATH",
    "LIBPATH",
    "LOCPATH",
    "MACOSX_DEPLOYMENT_TARGET",
    "NLSPATH",
    "NO_COLOR",
    "OBJCPLUS_INCLUDE_PATH",
    "OBJC_INCLUDE_PATH",
    "OUTPUT_CHARSET",
    "PATH",
    "POSIXLY_CORRECT",
    "RC_DEBUG_OPTIONS",
    "ROCM_PATH",
    "SDKROOT",
    "SOURCE_DATE_EPOCH",
    "SUNPRO_DEPENDENCIES",
    "TZ",
    "TZDIR",
];

/// Beginnings of further such variables.
const OF_COMPILERS_PREFIXES: &[&str] = &[
    "ASAN_", "AS_", "CCC_", "CC_", "CLANG_", "COLLECT_", "GCC_", "LC_", "LD_", "LLVM_", "MALLOC_",
    "TSAN_", "UBSAN_",
];

/// Variables that no deterministic tool lets reach its result, left out where
/// the whole environment counts: those that shells, terminals, sessions and
/// build tools change from one command to the next.
const NOISE: &[&str] = &[
    "CARGO_MAKEFLAGS",
    "DBUS_SESSION_BUS_ADDRESS",
    "DISPLAY",
    "MAKEFLAGS",
    "MAKELEVEL",
    "MAKE_TERMERR",
    "MAKE_TERMOUT",
    "MFLAGS",
    "OLDPWD",
    "SHLVL",
    "SSH_AUTH_SOCK",
    "SSH_CLIENT",
    "SSH_CONNECTION",
    "SSH_TTY",
    "TMUX",
    "TMUX_PANE",
    "WINDOWID",
    "XDG_SESSION_ID",
    "_",
];

/// Feeds the variables that can reach the result of a compiler of `family`, each
/// as its own field, in the order of their names.
pub(crate) fn add_of_compilers(
    invocation: &Invocation,
    family: Family,
    tag: u8,
    to: &mut TaggedHasher,
) {
    add_sorted(invocation, |name| is_of(family, name), tag, to);
}

/// Whether compilers of `family` are known to read a variable, other than [`paths`].
fn is_of(family: Family, name: &[u8]) -> bool {
    let listed = is_listed(name, OF_COMPILERS, OF_COMPILERS_PREFIXES)
        || is_listed(name, binary::VARIABLES, binary::VARIABLE_PREFIXES)
        || (family == Family::Checker && is_listed(name, checker::VARIABLES, &[]))
        || (family == Family::Rust && rust::reads_variable(name));
    listed && !is_listed(name, paths(family), &[])
}

/// Variables that hold directories in which compilers of `family` search, so that
/// what they find is observed, and which may lie in the checkout.
pub(crate) fn paths(family: Family) -> &'static [&'static str] {
    match family {
        Family::Rust => rust::PATHS,
        _ => &[],
    }
}

/// The variable that quotes the working directory, in the words of the caller.
pub(crate) const DIRECTORY: &[u8] = b"PWD";

/// Whether one of the variables that can reach the result of a compiler names
/// the root, or overrides arguments.
pub(crate) fn of_compilers_name(invocation: &Invocation, family: Family, root: &Root) -> bool {
    let counted = invocation.environment.iter().filter(|entry| is_of(family, name_of(entry)));
    let mut bytes = counted.map(OsBytes::as_bytes);
    bytes.any(|entry| entry.starts_with(b"CCC_") || root.is_named_in(entry))
}

/// The digest of the whole environment less the variables that are noise, and of
/// what standard input is; for programs without a list of what they read.
#[must_use]
pub fn whole(invocation: &Invocation) -> Digest {
    let mut hasher = TaggedHasher::new();
    add_sorted(invocation, is_telling, 0, &mut hasher);
    let input: &[u8] = match invocation.input {
        Input::Null => b"null",
        Input::Terminal => b"terminal",
        Input::File => b"file",
        Input::Pipe => b"pipe",
        Input::Text { .. } => b"text",
        Input::Other => b"other",
    };
    hasher.field(1, input);
    hasher.finish()
}

/// What a run would read of another environment.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Reading<'i> {
    /// The same.
    Same,
    /// Something else.
    Other,
    /// The same, unless it knows one of these names, which are new.
    SameUnlessKnown(Vec<&'i [u8]>),
}

/// What a run that may have read `environment` would read of that of an invocation;
/// `whole` is the digest of all of it.
pub fn reading<'i>(
    environment: &Environment,
    invocation: &'i Invocation,
    whole: impl FnOnce() -> Digest,
) -> Reading<'i> {
    let same = match environment {
        Environment::Whole(before) => *before == whole(),
        other => other.by_name().iter().all(|variable| variable.holds(invocation)),
    };
    let Environment::Named { known, unknown } = environment else {
        return if same { Reading::Same } else { Reading::Other };
    };
    let is_unknown =
        |name: &[u8]| unknown.binary_search_by(|other| other.as_bytes().cmp(name)).is_ok();
    let is_known = |name: &[u8]| known.iter().any(|v| v.name.as_bytes() == name);
    let is_new = |name: &&[u8]| is_telling(name) && !is_unknown(name) && !is_known(name);
    let mut new: Vec<_> = invocation.environment.iter().map(name_of).filter(is_new).collect();
    new.sort_unstable();
    match same {
        false => Reading::Other,
        true if new.is_empty() => Reading::Same,
        true => Reading::SameUnlessKnown(new),
    }
}

/// What code that asks for a variable by its name holds in one piece: the beginning of
/// the name up to an underscore, behind which the rest may be put together, but at least
/// 4 bytes, which do not stand in every program; and no more than 8, which is what an
/// instruction holds (x86-64, `movabs`).
#[must_use]
pub fn mark(name: &[u8]) -> &[u8] {
    let underscore = name.iter().skip(3).position(|&byte| byte == b'_');
    let end = underscore.map_or(name.len(), |at| at + 4);
    &name[..end.min(8)]
}

/// Whether a variable can matter to some program.
fn is_telling(name: &[u8]) -> bool {
    !NOISE.iter().any(|noise| noise.as_bytes() == name) && !name.starts_with(b"ZCCACHE_")
}

/// The entries of the environment that can matter to some program, each with its
/// name and whether compilers are known to read it, in the order of their names.
#[must_use]
pub fn telling(invocation: &Invocation) -> Vec<Variable<'_>> {
    let family = family_of(invocation).unwrap_or(Family::C);
    let split = |entry| {
        let name = name_of(entry);
        let value = entry.as_bytes().get(name.len() + 1..)?;
        let of_compilers = is_of(family, name)
            || is_listed(name, paths(family), &[])
            || is_of_display(name)
            || name == DIRECTORY;
        is_telling(name).then_some(Variable { name, value, of_compilers })
    };
    let mut variables: Vec<_> = invocation.environment.iter().filter_map(split).collect();
    variables.sort_by_key(|variable| variable.name);
    variables.dedup_by_key(|variable| variable.name);
    variables
}

/// A variable of the environment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Variable<'a> {
    /// Its name.
    pub name: &'a [u8],
    /// Its value.
    pub value: &'a [u8],
    /// Whether compilers are known to read it.
    pub of_compilers: bool,
}

fn is_listed(name: &[u8], names: &[&str], prefixes: &[&str]) -> bool {
    names.iter().any(|known| known.as_bytes() == name)
        || prefixes.iter().any(|prefix| name.starts_with(prefix.as_bytes()))
}

fn name_of(entry: &OsBytes) -> &[u8] {
    let bytes = entry.as_bytes();
    bytes.split(|&byte| byte == b'=').next().unwrap_or(bytes)
}

/// Feeds the variables whose names count, in the order of their names. Sorting is
/// stable, so that of a name given twice the first, which `getenv(3)` finds, stays
/// the first.
pub(crate) fn add_sorted(
    invocation: &Invocation,
    counts: impl Fn(&[u8]) -> bool,
    tag: u8,
    to: &mut TaggedHasher,
) {
    let entries = invocation.environment.iter();
    let mut entries: Vec<_> = entries.filter(|entry| counts(name_of(entry))).collect();
    entries.sort_by_key(|entry| name_of(entry));
    for entry in entries {
        to.field(tag, entry.as_bytes());
    }
}
