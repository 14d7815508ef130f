//! Options of gcc and clang by which nothing but what is shown as text can tell where the
//! checkout is.
//!
//! Both have some thousand options, and gcc takes most of them under two names. So those are
//! listed that are known not to choose by the path of a source, and neither to cut it nor to
//! hash it, to measure it or to sort by it; any other one keeps a result in its checkout.

use zccache_core::OsBytes;

use crate::arguments::{WITH_VALUE, begins, is_one_of};
use crate::clock::contains;

/// Beginnings of options, if they are none of [`OTHERS`] (GCC manual, "Option Summary").
const PLAIN: &[&str] = &[
    "--param",
    "-C",
    "-D",
    "-I",
    "-L",
    "-Q",
    "-U",
    "-W",
    "-ansi",
    "-f",
    "-g",
    "-idirafter",
    "-imacros",
    "-include",
    "-iquote",
    "-isystem",
    "-l",
    "-m",
    "-no-canonical-prefixes",
    "-nostdinc",
    "-nostdlib",
    "-pedantic",
    "-pg",
    "-pipe",
    "-pthread",
    "-shared",
    "-static",
    "-std",
];

/// Options as they are.
const WHOLE: &[&str] = &[
    "-", "-E", "-MD", "-MMD", "-MP", "-O", "-O0", "-O1", "-O2", "-O3", "-Ofast", "-Og", "-Os",
    "-Oz", "-P", "-S", "-c", "-p", "-s", "-w",
];

/// Options that begin as [`PLAIN`] ones do. Of clang those that put a hash of a source's path
/// into objects, or the path in a compressed form, or cut in two: in the names of functions
/// that are local to a source, in what maps counters to lines, in debug information.
const OTHERS: &[&str] = &[
    "-Wa,",
    "-Wp,",
    "-fcoverage-",
    "-fcs-profile-generate",
    "-fcuda-rdc",
    "-fdebug-compilation-dir",
    "-ffile-compilation-dir",
    "-fgpu-rdc",
    "-fmessage-length",
    "-fms-",
    "-fprofile-generate",
    "-fprofile-instr",
    "-fprofile-sample",
    "-fprofile-use",
    "-fpseudo-probe-for-profiling",
    "-funique-internal-linkage-names",
    "-gcc-toolchain",
    "-gen-",
    "-include-pch",
    "-mllvm",
];

/// Of the options that begin with `-f` and have a value those in which that is no pattern
/// and no number of parts of a path.
const PLAIN_VALUES: &[&str] = &[
    "-fabi-version",
    "-falign-functions",
    "-falign-jumps",
    "-falign-labels",
    "-falign-loops",
    "-fcf-protection",
    "-fconstexpr-depth",
    "-fconstexpr-loop-limit",
    "-fconstexpr-ops-limit",
    "-fconstexpr-steps",
    "-fdebug-prefix-map",
    "-fdiagnostics-color",
    "-fdiagnostics-show-location",
    "-fexcess-precision",
    "-ffile-prefix-map",
    "-ffp-contract",
    "-ffp-model",
    "-finput-charset",
    "-finline-limit",
    "-flto",
    "-fmacro-prefix-map",
    "-fmax-errors",
    "-fno-sanitize",
    "-fno-sanitize-recover",
    "-fpack-struct",
    "-fpatchable-function-entry",
    "-fprofile-prefix-map",
    "-frandom-seed",
    "-fsanitize",
    "-fsanitize-recover",
    "-fsanitize-trap",
    "-fstrict-flex-arrays",
    "-ftabstop",
    "-ftemplate-backtrace-limit",
    "-ftemplate-depth",
    "-ftls-model",
    "-ftrivial-auto-var-init",
    "-fuse-ld",
    "-fvisibility",
    "-fzero-call-used-regs",
];

/// Sanitizers of which clang draws the tags of objects from a hash of the source's path.
const TAGGING: &[&[u8]] = &[b"hwaddress", b"memtag"];

/// Languages in which no name of a type without one is encoded, as Objective-C does with its
/// path (`@encode`); and endings of sources in them (GCC manual, "Overall Options").
const LANGUAGES: &[&str] = &["assembler", "assembler-with-cpp", "c", "c++", "none"];
const ENDINGS: &[&[u8]] =
    &[b"C", b"CPP", b"S", b"c", b"c++", b"cc", b"cp", b"cpp", b"cxx", b"i", b"ii", b"s", b"sx"];

/// Parts of the names of machines for which clang names nothing by a hash of a path, as it
/// does for Windows.
const MACHINES: &[&[u8]] = &[b"linux", b"-elf", b"-none"];

/// Whether all arguments of a compile, response files expanded, are known so. `compiler` is
/// its name without its directory, which may begin with a machine.
pub(super) fn are_plain(compiler: &[u8], arguments: &[OsBytes]) -> bool {
    let mut rest = arguments.iter().map(OsBytes::as_bytes);
    while let Some(argument) = rest.next() {
        let plain = match argument {
            b"-MF" | b"-MT" | b"-MQ" => rest.next().is_some_and(is_plain_rule),
            b"-target" => rest.next().is_some_and(is_plain_machine),
            b"-x" => rest.next().is_some_and(|language| is_one_of(language, LANGUAGES)),
            b"-o" => rest.next().is_some(),
            _ if is_plain(argument) => !is_one_of(argument, WITH_VALUE) || rest.next().is_some(),
            _ => false,
        };
        if !plain {
            return false;
        }
    }
    let driver = compiler.iter().rposition(|&byte| byte == b'-').map(|end| &compiler[..end]);
    driver.is_none_or(|prefix| !prefix.contains(&b'-') || is_plain_machine(prefix))
}

/// Whether an argument is, apart from an argument that follows as its value.
fn is_plain(argument: &[u8]) -> bool {
    if !argument.starts_with(b"-") {
        return argument.rsplit(|&byte| byte == b'.').next().is_some_and(|e| ENDINGS.contains(&e));
    }
    if let Some(machine) = argument.strip_prefix(b"--target=") {
        return is_plain_machine(machine);
    }
    if let Some(checks) = argument.strip_prefix(b"-fsanitize=") {
        return !TAGGING.iter().any(|name| contains(checks, name));
    }
    if begins(argument, &["-MF", "-MT", "-MQ"]) {
        return is_plain_rule(&argument[3..]);
    }
    let name = argument.split(|&byte| byte == b'=').next().unwrap_or(argument);
    let has_value = argument.starts_with(b"-f") && name.len() < argument.len();
    argument == b"-Wa,--noexecstack"
        || is_one_of(argument, WHOLE)
        || argument.starts_with(b"-o")
        || (begins(argument, PLAIN)
            && !begins(argument, OTHERS)
            && (!has_value || is_one_of(name, PLAIN_VALUES)))
}

/// Whether a depfile's name or target is such that how it is broken into lines is known: it is
/// written to a file, and has no blanks.
fn is_plain_rule(name: &[u8]) -> bool {
    name != b"-" && !name.starts_with(b"/dev/") && !name.iter().any(u8::is_ascii_whitespace)
}

fn is_plain_machine(name: &[u8]) -> bool {
    MACHINES.iter().any(|part| contains(name, part))
}
