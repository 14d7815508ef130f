//! What zccache knows of rustc: its arguments, the variables it reads, and which
//! names in a directory matter to its search for crates.

mod dep_info;
mod libraries;
mod search;

use zccache_core::protocol::Own;
use zccache_core::{Invocation, OsBytes, Reason};

use crate::arguments::{Traits, refuse_private};
use crate::response::Files;
pub use dep_info::{dep_info_among, tracked_variables};
pub use libraries::{may_be_asked_for_age, may_hold_names, may_run_in_compiler};
pub use search::{Searched, crate_stem, searched};

/// Variables that rustc, clippy's driver and the linkers they start read and
/// that can change a result or a message, besides those of
/// [`crate::environment`]: found by logging `getenv(3)` of rustc 1.95, and in
/// the rustc book ("Environment variables") and clippy's book ("Configuration").
const VARIABLES: &[&str] =
    &["CARGO", "CARGO_CRATE_NAME", "CARGO_PKG_RUST_VERSION", "SYSROOT", "VCINSTALLDIR"];

/// Variables that are named like those of rustc, and are for cargo.
const OF_CARGO: &[&str] = &["RUSTC_WORKSPACE_WRAPPER", "RUSTC_WRAPPER"];

/// Beginnings of further such variables: `RUSTC_BOOTSTRAP`, `RUST_TARGET_PATH`,
/// `CLIPPY_ARGS`, the deployment targets of Apple's systems.
const PREFIXES: &[&str] = &["CLIPPY_", "RUSTC_", "RUST_"];

/// Such variables that hold directories: where libraries of macros are, as cargo tells
/// the loader, and where clippy begins to look for its configuration.
pub(crate) const PATHS: &[&str] = &["CARGO_MANIFEST_DIR", "LD_LIBRARY_PATH"];

/// Whether rustc, clippy's driver or a linker reads a variable, and no other compiler.
pub(crate) fn reads_variable(name: &[u8]) -> bool {
    let is_listed = |names: &[&str]| names.iter().any(|known| known.as_bytes() == name);
    (is_listed(VARIABLES) || begins(name, PREFIXES)) && !is_listed(OF_CARGO)
}

/// Options whose value is the next argument (`rustc --help -v`). A missing one
/// makes its value look like a source, which is not looked at.
const WITH_VALUE: &[&str] = &[
    "--cap-lints",
    "--cfg",
    "--check-cfg",
    "--color",
    "--crate-name",
    "--crate-type",
    "--diagnostic-width",
    "--edition",
    "--env-set",
    "--error-format",
    "--explain",
    "--out-dir",
    "--remap-path-prefix",
    "--remap-path-scope",
    "--sysroot",
    "--target",
    "-A",
    "-D",
    "-F",
    "-W",
    "-l",
    "-o",
];

/// Unstable options after which no two runs agree.
const NOT_REPEATABLE: &[&str] = &["self-profile", "time-"];

/// Unstable options that load code of others into the compiler.
const LOADS_CODE: &[&str] = &["codegen-backend", "llvm-plugins"];

/// One argument, or two that belong together.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Argument<'a> {
    /// `-C` with its value.
    Codegen(&'a [u8]),
    /// `-Z` with its value.
    Unstable(&'a [u8]),
    /// `-L` with its value.
    Search(&'a [u8]),
    /// The value of an option that decides what is printed.
    Print,
    /// The value of `--emit`.
    Emit(&'a [u8]),
    /// The value of `--json`.
    Json(&'a [u8]),
    /// The value of `--target`.
    Target(&'a [u8]),
    /// A lone dash: the source comes from standard input.
    Stdin,
    /// Anything else.
    Other,
}

/// Reads the command of a rustc.
///
/// # Errors
/// The reason why the result cannot be kept.
pub(crate) fn examine(invocation: &Invocation, files: &dyn Files) -> Result<Traits, Reason> {
    if invocation.jobserver_is_broken {
        return Err(Reason::BrokenJobserver);
    }
    let arguments = expand(&invocation.argv, files);
    for argument in &arguments {
        refuse_private(argument.as_bytes())?;
    }
    let described = invocation.variable(b"RUST_TARGET_PATH").is_some();
    let mut traits = Traits { native: described, ..Traits::default() };
    for argument in parse(&arguments) {
        match argument {
            Argument::Stdin => traits.reads_input = true,
            Argument::Unstable(option) if begins(option, NOT_REPEATABLE) => {
                return Err(Reason::UnsupportedOption);
            }
            Argument::Json(kinds) if kinds.split(|&b| b == b',').any(|kind| kind == b"timings") => {
                return Err(Reason::UnsupportedOption);
            }
            Argument::Codegen(option) if has_random_build_id(option) => {
                return Err(Reason::UnsupportedOption);
            }
            Argument::Unstable(option) | Argument::Codegen(option) => {
                traits.loads_code |= begins(option, LOADS_CODE) || passes_plugin(option);
                traits.native |= option.ends_with(b"-cpu=native");
            }
            // What is printed of targets names the CPU; the description of a
            // target may ask for it.
            Argument::Print => traits.native = true,
            Argument::Target(target) => traits.native |= target.ends_with(b".json"),
            Argument::Search(_) | Argument::Emit(_) | Argument::Json(_) | Argument::Other => {}
        }
    }
    Ok(traits)
}

/// `link-arg=-Wl,--build-id=uuid`, which may be cut short.
fn has_random_build_id(option: &[u8]) -> bool {
    option.starts_with(b"link-arg") && option.ends_with(b"=uuid")
}

/// Options for LLVM that load one of its plugins.
fn passes_plugin(option: &[u8]) -> bool {
    option.starts_with(b"llvm-args") && option.windows(5).any(|window| window == b"-load")
}

/// `@file` stands for the lines of a file (rustc book, "@path"); it is observed
/// like any other input, and read here for the options in it.
fn expand(arguments: &[OsBytes], files: &dyn Files) -> Vec<OsBytes> {
    let mut expanded = Vec::with_capacity(arguments.len());
    for argument in arguments {
        match argument.as_bytes().strip_prefix(b"@").and_then(|path| files.read(path)) {
            Some(content) => expanded.extend(content.split(|&b| b == b'\n').map(OsBytes::from)),
            None => expanded.push(argument.clone()),
        }
    }
    expanded
}

fn parse(arguments: &[OsBytes]) -> Vec<Argument<'_>> {
    let mut parsed = Vec::with_capacity(arguments.len());
    let mut rest = arguments.iter().map(OsBytes::as_bytes);
    while let Some(argument) = rest.next() {
        parsed.push(match argument {
            b"-" => Argument::Stdin,
            b"-C" | b"--codegen" => Argument::Codegen(rest.next().unwrap_or_default()),
            b"-Z" => Argument::Unstable(rest.next().unwrap_or_default()),
            b"-L" => Argument::Search(rest.next().unwrap_or_default()),
            b"--emit" => Argument::Emit(rest.next().unwrap_or_default()),
            b"--json" => Argument::Json(rest.next().unwrap_or_default()),
            b"--target" => Argument::Target(rest.next().unwrap_or_default()),
            b"--print" => {
                rest.next();
                Argument::Print
            }
            _ if begins(argument, &["--print="]) => Argument::Print,
            _ if WITH_VALUE.iter().any(|option| option.as_bytes() == argument) => {
                rest.next();
                Argument::Other
            }
            _ => joined(argument),
        });
    }
    parsed
}

/// An option and its value in one argument.
fn joined(argument: &[u8]) -> Argument<'_> {
    let after = |option: &str| argument.strip_prefix(option.as_bytes());
    if let Some(value) = after("--codegen=").or_else(|| after("-C")) {
        return Argument::Codegen(value);
    }
    if let Some(value) = after("-Z") {
        return Argument::Unstable(value);
    }
    if let Some(value) = after("-L") {
        return Argument::Search(value);
    }
    if let Some(value) = after("--emit=") {
        return Argument::Emit(value);
    }
    if let Some(value) = after("--json=") {
        return Argument::Json(value);
    }
    after("--target=").map_or(Argument::Other, Argument::Target)
}

/// Whether a command asks rustc about itself or about a target, so that it compiles
/// nothing if it also writes nothing (rustc book, "Command-line Arguments").
#[must_use]
pub fn asks(invocation: &Invocation) -> bool {
    let asks = |word: &OsBytes| {
        matches!(word.as_bytes(), b"-V" | b"-vV" | b"-Vv" | b"--version" | b"--print")
            || begins(word.as_bytes(), &["--print="])
    };
    let emits = |word: &OsBytes| begins(word.as_bytes(), &["--emit"]);
    invocation.argv.iter().any(asks) && !invocation.argv.iter().any(emits)
}

/// Whether arguments stand in a file, whose text is not looked at for the root.
pub(crate) fn has_response_file(arguments: &[OsBytes]) -> bool {
    arguments.iter().any(|argument| argument.as_bytes().starts_with(b"@"))
}

/// Whether an argument is the width that messages are laid out for, which cargo
/// passes on from its terminal.
pub(crate) fn is_width(argument: &[u8]) -> bool {
    begins(argument, &["--diagnostic-width="])
}

/// Whether messages are nothing but notices of what has been made, one a line (rustc
/// book, "JSON Output", "Artifact notifications").
pub(crate) fn are_notices(messages: &[u8]) -> bool {
    let mut lines = messages.split_inclusive(|&byte| byte == b'\n');
    lines.all(|line| begins(line, &["{\"$message_type\":\"artifact\","]))
}

fn begins(argument: &[u8], prefixes: &[&str]) -> bool {
    prefixes.iter().any(|prefix| argument.starts_with(prefix.as_bytes()))
}

/// What rustc has for itself: the controlling terminal, of which it asks the
/// width, which is part of the key, and the cache of an incremental compile
/// (`docs/decisions/0003-incremental-compiles.md`).
#[must_use]
pub fn own_paths(invocation: &Invocation) -> Own {
    let cache = |argument| match argument {
        Argument::Codegen(option) => option.strip_prefix(b"incremental="),
        _ => None,
    };
    let caches = parse(&invocation.argv).into_iter().filter_map(cache);
    let caches = caches.map(|path| absolute(path, invocation.cwd.as_bytes())).collect();
    // clippy looks for its configuration in this way.
    Own { ignored: vec!["/dev/tty".into()], caches, probes_links: true }
}

fn absolute(path: &[u8], cwd: &[u8]) -> OsBytes {
    let path = path.strip_suffix(b"/").unwrap_or(path);
    if path.starts_with(b"/") { path.into() } else { [cwd, b"/", path].concat().into() }
}
