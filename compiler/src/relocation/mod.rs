//! Whether a compile can be told apart from the same compile in another
//! checkout, as far as its arguments say.
//!
//! A compiler learns where the checkout is from its working directory, from
//! paths in its arguments and environment, and from what it reads. It can show
//! that as text, for which outputs are searched, or compute with it: with the
//! length of `__FILE__`, say, or a hash of an argument. So the root may stand in
//! arguments only where nothing but a path is expected, and a path that may
//! become `__FILE__` is remarked on.

pub mod depfile;
pub mod elf;
mod options;
pub mod own_path;
pub mod path_words;
pub mod rustc;

use std::path::{Path, PathBuf};

use zccache_core::{Invocation, OsBytes, Root, TaggedHasher};

use crate::arguments::{WITH_VALUE, begins, is_one_of};
use crate::program::name_of;

/// What an argument does with a path that it ends in.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    /// It has no path, or does something else with it.
    Other,
    /// It writes there, or quotes it in a depfile, or takes arguments from it.
    Write,
    /// It reads there; the path can become `__FILE__` in what is found.
    Read,
    /// As `Read`, with headers of the system there: gcc writes the shorter of the
    /// canonical name and the spelled one into depfiles (`-fcanonical-system-headers`).
    ReadSystem,
    /// `OLD=NEW`: paths that begin with `OLD` are shown with `NEW`.
    Map,
    /// As `Map`, for `__FILE__` too.
    MapMacros,
}

/// Options with a path joined or as the next argument.
const WITH_PATH: &[(&str, Role)] = &[
    ("@", Role::Write),
    ("-o", Role::Write),
    ("-MF", Role::Write),
    ("-MT", Role::Write),
    ("-MQ", Role::Write),
    ("-I", Role::Read),
    ("-include", Role::Read),
    ("-imacros", Role::Read),
    ("-iquote", Role::Read),
    ("-isystem", Role::ReadSystem),
    ("-idirafter", Role::ReadSystem),
];

/// Options joined with a map.
const MAPS: &[(&str, Role)] = &[
    ("-ffile-prefix-map=", Role::MapMacros),
    ("-fmacro-prefix-map=", Role::MapMacros),
    ("-fdebug-prefix-map=", Role::Map),
    ("-fcoverage-prefix-map=", Role::Map),
    ("-fprofile-prefix-map=", Role::Map),
];

/// How the root can reach the result of a compile without being shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Exposure {
    /// To gcc or clang.
    C(CExposure),
    /// To rustc: the working directory, which is part of a crate's hash.
    Rust {
        /// Whether it is below the root, and shown as that.
        works_below: bool,
    },
}

/// How the root can reach the result of gcc or clang without being shown.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "independent findings")]
pub struct CExposure {
    /// `__FILE__` can begin with the root.
    pub absolute_sources: bool,
    /// Where it would, something else is put in the root's place.
    pub mapped_macros: bool,
    /// Directories of system headers are given.
    pub system_directories: bool,
    /// Prefixes of paths are mapped.
    pub maps: bool,
}

/// Feeds the arguments as they are in any checkout: each as what stands before
/// the root, whether it stands there, and what follows. None if one may have an
/// effect that depends on where the checkout is and does not show.
pub(crate) fn add_arguments<'a>(
    arguments: impl Iterator<Item = &'a OsBytes>,
    root: &Root,
    tag: u8,
    to: &mut TaggedHasher,
) -> Option<CExposure> {
    let mut exposure = CExposure::default();
    let mut awaited = None;
    for argument in arguments {
        let bytes = argument.as_bytes();
        let announced: Option<Role> = awaited.take();
        let (role, start) = announced.map_or_else(|| role_of(bytes), |role| (role, 0));
        let (option, value) = bytes.split_at(start);
        let alone = announced.is_none() && value.is_empty();
        if alone && (role != Role::Other || is_one_of(option, WITH_VALUE)) {
            awaited = Some(role);
        }
        let path = path_of(role, value);
        let below = root.strip(path).filter(|_| role != Role::Other);
        add_rooted([option, value], below.is_some(), (root, tag), to)?;
        exposure.note(role, path, below)?;
    }
    Some(exposure)
}

/// Feeds a text as it is in any checkout: what stands before a value, whether that begins
/// with the root, and what follows. None if the root is named elsewhere.
pub(crate) fn add_rooted(
    [before, value]: [&[u8]; 2],
    is_below: bool,
    (root, tag): (&Root, u8),
    to: &mut TaggedHasher,
) -> Option<()> {
    let (place, rest): (&[u8], _) =
        if is_below { (b"below", &value[root.as_bytes().len()..]) } else { (b"", value) };
    if root.is_named_in(before) || root.is_named_in(rest) {
        return None;
    }
    to.field(tag, before).field(tag, place).field(tag, rest);
    Some(())
}

/// Variables that name directories of system headers (GCC manual, "Environment Variables
/// Affecting GCC").
const SYSTEM_VARIABLES: &[&[u8]] =
    &[b"C_INCLUDE_PATH", b"CPLUS_INCLUDE_PATH", b"OBJC_INCLUDE_PATH", b"OBJCPLUS_INCLUDE_PATH"];

/// Options that bring in directories of system headers which are not told here.
const BRING_SYSTEM: &[&str] =
    &["@", "--config", "--sysroot", "-B", "-iprefix", "-isysroot", "-iwithprefix", "-specs"];

/// Where gcc finds headers for system headers, besides where the operating system keeps
/// them: it writes the canonical name of such a header where that is shorter, so that it
/// matters what is a link on the way to one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum SystemDirectories {
    /// Anywhere.
    Unknown,
    /// In these, by their absolute paths.
    Known(Vec<PathBuf>),
}

impl SystemDirectories {
    /// Those of a command of gcc or clang, also by the names that `canonical` gives them.
    #[must_use]
    pub fn of(invocation: &Invocation, canonical: impl Fn(&Path) -> Option<PathBuf>) -> Self {
        let mut found = Vec::new();
        let mut arguments = invocation.argv.iter().skip(1).map(OsBytes::as_bytes);
        while let Some(argument) = arguments.next() {
            if begins(argument, BRING_SYSTEM) {
                return Self::Unknown;
            }
            let (Role::ReadSystem, start) = role_of(argument) else { continue };
            let joined = argument.get(start..).filter(|path| !path.is_empty());
            found.extend(joined.or_else(|| arguments.next()));
        }
        let values = SYSTEM_VARIABLES.iter().filter_map(|name| invocation.variable(name));
        found.extend(values.flat_map(|value| value.split(|&byte| byte == b':')));
        let cwd = invocation.cwd.as_path();
        let absolute = found.into_iter().map(|path| cwd.join(OsBytes::from(path).as_path()));
        let both = |path: PathBuf| [canonical(&path), Some(path)].into_iter().flatten();
        Self::Known(absolute.flat_map(both).collect())
    }

    /// Those that are known.
    #[must_use]
    pub fn listed(&self) -> &[PathBuf] {
        match self {
            Self::Unknown => &[],
            Self::Known(directories) => directories,
        }
    }

    /// Whether a file may be a system header.
    #[must_use]
    pub fn hold(&self, path: &Path) -> bool {
        match self {
            Self::Unknown => true,
            Self::Known(directories) => directories.iter().any(|dir| path.starts_with(dir)),
        }
    }
}

/// Whether the arguments of a compile, response files expanded, bring in what cannot be
/// judged.
pub(crate) fn are_obscure(compiler: &[u8], arguments: &[OsBytes], root: &Root) -> bool {
    !options::are_plain(compiler, arguments)
        || arguments.iter().any(|argument| maps_part_of(root, argument.as_bytes()))
}

/// Whether a compile, without response files, has no argument of which it is not known what it
/// does with sources.
pub(crate) fn has_plain_arguments(invocation: &Invocation) -> bool {
    let arguments = invocation.argv.get(1..).unwrap_or_default();
    options::are_plain(name_of(invocation), arguments)
}

/// The same of a link, or of what works on objects.
pub(crate) fn are_obscure_to_tools(arguments: &[OsBytes], root: &Root) -> bool {
    let brings_in = |argument: &[u8]| begins(argument, &["--config", "-specs", "--specs"]);
    arguments
        .iter()
        .map(OsBytes::as_bytes)
        .any(|argument| brings_in(argument) || maps_part_of(root, argument))
}

fn maps_part_of(root: &Root, argument: &[u8]) -> bool {
    let (role, start) = role_of(argument);
    let old = path_of(role, &argument[start..]);
    matches!(role, Role::Map | Role::MapMacros)
        && root.as_bytes() != old
        && root.as_bytes().starts_with(old)
}

impl CExposure {
    /// Takes notice of a path, with what follows the root if it is below. None if
    /// the result depends on how long the root is.
    fn note(&mut self, role: Role, path: &[u8], below: Option<&[u8]>) -> Option<()> {
        match role {
            Role::Read => self.absolute_sources |= below.is_some(),
            // gcc writes the canonical name of a header if that is shorter.
            Role::ReadSystem if !is_canonical(path) => return None,
            Role::ReadSystem => {
                self.absolute_sources |= below.is_some();
                self.system_directories = true;
            }
            Role::MapMacros => {
                self.maps = true;
                self.mapped_macros |= below.is_some_and(<[u8]>::is_empty);
            }
            Role::Map => self.maps = true,
            Role::Other | Role::Write => {}
        }
        Some(())
    }
}

/// Whether a path is absolute and spelled as it is, but for links.
fn is_canonical(path: &[u8]) -> bool {
    let mut names = path.strip_suffix(b"/").unwrap_or(path).split(|&byte| byte == b'/');
    names.next().is_some_and(<[u8]>::is_empty)
        && names.all(|name| !matches!(name, b"" | b"." | b".."))
}

/// Whether a variable names directories of system headers by paths that are not canonical.
pub(crate) fn has_relative_system_directories(invocation: &Invocation) -> bool {
    let mut values = SYSTEM_VARIABLES.iter().filter_map(|name| invocation.variable(name));
    values.any(|value| value.split(|&byte| byte == b':').any(|path| !is_canonical(path)))
}

/// What an argument does with a path, and where in it the path begins.
fn role_of(argument: &[u8]) -> (Role, usize) {
    let mut known = WITH_PATH.iter().chain(MAPS);
    match known.find(|(option, _)| argument.starts_with(option.as_bytes())) {
        Some(&(option, role)) => (role, option.len()),
        None if argument.starts_with(b"-") => (Role::Other, argument.len()),
        None => (Role::Read, 0),
    }
}

/// The path in the value of an option.
fn path_of(role: Role, value: &[u8]) -> &[u8] {
    match role {
        Role::Map | Role::MapMacros => value.split(|&byte| byte == b'=').next().unwrap_or(value),
        _ => value,
    }
}
