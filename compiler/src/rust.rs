//! What zccache knows of rustc: its arguments, the variables it reads, and which
//! names in a directory matter to its search for crates.

use std::path::Path;

use zccache_core::protocol::Own;
use zccache_core::{Invocation, OsBytes, Reason};

use crate::arguments::{Traits, refuse_private};
use crate::clock::contains;
use crate::response::Files;

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
    "--emit",
    "--env-set",
    "--error-format",
    "--explain",
    "--json",
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
            Argument::Search(_) | Argument::Other => {}
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

/// How much of a directory's listing can matter to a compile.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Searched {
    /// Every name.
    Whole,
    /// Names of the crates that the compile uses (`-L dependency=`): rustc searches
    /// it for what other crates use, and takes only what has the hash they tell.
    Crates,
    /// No name: files in it are looked for one by one (`-L native=`).
    Nothing,
}

/// What a run of rustc with these arguments searches the absolute `directory`
/// for, from the working directory `cwd`. Of spellings that differ, as of a
/// directory that the arguments do not name, nothing is known.
#[must_use]
pub fn searched(argv: &[OsBytes], cwd: &[u8], directory: &[u8]) -> Searched {
    let mut found = None;
    for argument in parse(argv) {
        let Argument::Search(value) = argument else { continue };
        let (kind, path) = match value.iter().position(|&byte| byte == b'=') {
            Some(at) => (&value[..at], &value[at + 1..]),
            None => (&b""[..], value),
        };
        if absolute(path, cwd).as_bytes() != directory {
            continue;
        }
        let searched = match kind {
            b"dependency" => Searched::Crates,
            b"native" => Searched::Nothing,
            _ => Searched::Whole,
        };
        found = Some(match (found, searched) {
            (None, one) | (Some(Searched::Nothing), one) => one,
            (Some(other), Searched::Nothing) => other,
            (Some(Searched::Crates), Searched::Crates) => Searched::Crates,
            _ => Searched::Whole,
        });
    }
    found.unwrap_or(Searched::Whole)
}

/// The part of the name of a crate's file by which a search finds it; none if
/// it is no such file.
#[must_use]
pub fn crate_stem(file_name: &[u8]) -> Option<&[u8]> {
    let dot = file_name.iter().rposition(|&byte| byte == b'.')?;
    let (stem, extension) = file_name.split_at(dot);
    let is_crate = matches!(extension, b".rlib" | b".rmeta" | b".so" | b".dylib" | b".dll");
    is_crate.then_some(stem)
}

/// Whether a file that the run read is a library with macros of others in it,
/// which rustc has then loaded and run: a `lib*.so` that is neither rustc's own
/// nor, unless rustc was told to search there, the system's.
#[must_use]
pub fn may_run_in_compiler(path: &Path, invocation: &Invocation) -> bool {
    let name = path.file_name().map_or(&[][..], |name| name.as_encoded_bytes());
    if !name.starts_with(b"lib") || !name.ends_with(b".so") {
        return false;
    }
    let path = path.as_os_str().as_encoded_bytes();
    let of_rustc = name.starts_with(b"librustc_driver-") || contains(path, b"/lib/rustlib/");
    let of_system = begins(path, &["/lib/", "/lib64/", "/usr/lib/", "/usr/lib64/"]);
    let parent = &path[..path.len() - name.len() - 1];
    let mentioned = |argument: &OsBytes| argument.as_bytes().ends_with(parent);
    let named = |argument: &OsBytes| argument.as_bytes().ends_with(path);
    let asked_for = invocation.argv.iter().any(|argument| mentioned(argument) || named(argument));
    !of_rustc && (!of_system || asked_for)
}

/// Whether a file that a run read may hold the name of a variable that a macro asks
/// for: the macro itself, a library it uses, what it reads, and the sources it is
/// applied to; not a crate, and not what every run of rustc reads.
#[must_use]
pub fn may_hold_names(path: &Path) -> bool {
    let bytes = path.as_os_str().as_encoded_bytes();
    let name = path.file_name().map_or(&[][..], |name| name.as_encoded_bytes());
    let is_crate = name.ends_with(b".rlib") || name.ends_with(b".rmeta");
    let of_rustc = begins(name, &["libLLVM", "librustc_driver-"])
        || matches!(name, b"rustc" | b"clippy-driver")
        || contains(bytes, b"/lib/rustlib/");
    let of_system = begins(bytes, &["/etc/ld.so.", "/lib/", "/lib64/", "/usr/lib/"])
        && begins(name, OF_EVERY_RUN);
    !is_crate && !of_rustc && !of_system
}

/// Libraries of the system that every run loads, by how their names begin.
const OF_EVERY_RUN: &[&str] = &[
    "ld-linux",
    "ld.so.",
    "libc.so",
    "libdl.so",
    "libgcc_s.so",
    "libm.so",
    "libpthread.so",
    "librt.so",
    "libstdc++.so",
    "libz.so",
];

/// Whether a macro may ask for the age of a file: no code, and nothing of the system.
#[must_use]
pub fn may_be_asked_for_age(path: &Path) -> bool {
    let bytes = path.as_os_str().as_encoded_bytes();
    let of_code = [".rs", ".rlib", ".rmeta", ".so", ".a", ".o", ".d"];
    let is_code = of_code.iter().any(|extension| bytes.ends_with(extension.as_bytes()));
    let of_system =
        begins(bytes, &["/bin/", "/etc/", "/lib", "/proc/", "/sbin/", "/sys/", "/usr/"]);
    !is_code && !of_system && !contains(bytes, b"/lib/rustlib/")
}

/// The names of the variables that the compile asked for by `env!` and
/// `option_env!`, as the dep-info it wrote tells them (rustc book, "dep-info").
#[must_use]
pub fn tracked_variables(dep_info: &[u8]) -> Vec<Vec<u8>> {
    let names = dep_info.split(|&byte| byte == b'\n').filter_map(|line| {
        let told = line.strip_prefix(b"# env-dep:")?;
        let name = told.split(|&byte| byte == b'=').next().unwrap_or(told);
        Some(unescape(name))
    });
    names.collect()
}

/// Backslash, newline and carriage return are written with a backslash.
fn unescape(text: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(text.len());
    let mut bytes = text.iter();
    while let Some(&byte) = bytes.next() {
        plain.push(match (byte, byte == b'\\') {
            (_, true) => match bytes.next() {
                Some(b'n') => b'\n',
                Some(b'r') => b'\r',
                Some(&other) => other,
                None => b'\\',
            },
            (other, false) => other,
        });
    }
    plain
}
