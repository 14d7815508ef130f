//! Which of the files that a run read are code of others, or may tell it names.

use std::path::Path;

use zccache_core::{Invocation, OsBytes};

use super::begins;
use crate::clock::contains;

/// Whether a file that the run read is a library, with macros of others in it or for
/// one that has, which rustc has then loaded and run: one that is neither rustc's own
/// nor, unless rustc was told to search there, the system's.
#[must_use]
pub fn may_run_in_compiler(path: &Path, invocation: &Invocation) -> bool {
    let name = name_of(path);
    let has_version = contains(name, b".so.") && !begins(name, OF_EVERY_RUN);
    if !name.ends_with(b".so") && !has_version {
        return false;
    }
    let bytes = path.as_os_str().as_encoded_bytes();
    let of_system = begins(bytes, &["/etc/ld.so.", "/lib/", "/lib64/", "/usr/lib/", "/usr/lib64/"]);
    let parent = &bytes[..bytes.len() - name.len() - 1];
    let mentioned = |argument: &OsBytes| argument.as_bytes().ends_with(parent);
    let named = |argument: &OsBytes| argument.as_bytes().ends_with(bytes);
    let asked_for = invocation.argv.iter().any(|argument| mentioned(argument) || named(argument));
    !is_of_rustc(path) && (!of_system || asked_for)
}

/// Whether a file that a run read may hold the name of a variable that a macro asks
/// for: the macro itself, a library it uses, what it reads, the sources it is applied
/// to, and crates, whose macros have literals; not what every run of rustc reads.
#[must_use]
pub fn may_hold_names(path: &Path) -> bool {
    let bytes = path.as_os_str().as_encoded_bytes();
    let of_system = begins(bytes, &["/etc/ld.so.", "/lib/", "/lib64/", "/usr/lib/"])
        && begins(name_of(path), OF_EVERY_RUN);
    !is_of_rustc(path) && !of_system
}

/// Whether it is a part of rustc, or of its standard library.
fn is_of_rustc(path: &Path) -> bool {
    let name = name_of(path);
    let directory = path.parent().map_or(&[][..], name_of);
    let is_program = matches!(name, b"rustc" | b"clippy-driver") && directory == b"bin";
    let is_library = begins(name, &["libLLVM", "librustc_driver-"]) && directory == b"lib";
    is_program || is_library || contains(path.as_os_str().as_encoded_bytes(), b"/lib/rustlib/")
}

fn name_of(path: &Path) -> &[u8] {
    path.file_name().map_or(&[][..], |name| name.as_encoded_bytes())
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
