//! Arguments of gcc and clang, read only as far as needed to say what kind of
//! run it is. What is an input or an output is observed, not read here.

use zccache_core::{OsBytes, Reason};

use crate::tools::binary;

/// Options whose value is the next argument (GCC manual, "Option Index";
/// clang's command line reference). A missing one makes its value look like a
/// source or an option, which costs at most a needless bypass.
pub(crate) const WITH_VALUE: &[&str] = &[
    "--config",
    "--gcc-toolchain",
    "--param",
    "--serialize-diagnostics",
    "--sysroot",
    "--target",
    "-A",
    "-B",
    "-D",
    "-I",
    "-L",
    "-MF",
    "-MJ",
    "-MQ",
    "-MT",
    "-T",
    "-U",
    "-Xassembler",
    "-Xclang",
    "-Xlinker",
    "-Xpreprocessor",
    "-arch",
    "-aux-info",
    "-dumpbase",
    "-dumpbase-ext",
    "-dumpdir",
    "-framework",
    "-gcc-toolchain",
    "-idirafter",
    "-imacros",
    "-imultilib",
    "-include",
    "-include-pch",
    "-iprefix",
    "-iquote",
    "-isysroot",
    "-isystem",
    "-isystem-after",
    "-ivfsoverlay",
    "-iwithprefix",
    "-iwithprefixbefore",
    "-l",
    "-mllvm",
    "-o",
    "-resource-dir",
    "-serialize-diagnostics",
    "-target",
    "-u",
    "-working-directory",
    "-wrapper",
    "-x",
    "-z",
];

/// Options after which the messages or files tell times, process numbers, limits of
/// memory or temporary names, so that no two runs agree, or which keep a cache of their
/// own.
const NOT_REPEATABLE: &[&str] = &[
    "-###",
    "-v",
    "--verbose",
    "-time",
    "-ftime-report",
    "-ftime-report-details",
    "-fverbose-asm",
    "-fmem-report",
    "-fmodules",
    "-fcxx-modules",
    "-fmodules-ts",
    "-fimplicit-modules",
    "--precompile",
    "-fdump-unnumbered",
    "-gen-reproducer",
];

/// Beginnings of such options.
const NOT_REPEATABLE_PREFIXES: &[&str] = &[
    "-time=",
    "-fmodules-cache-path",
    "-fmodule-file",
    "-fmodule-mapper",
    "-fmodule-output",
    "-fprebuilt-module",
    "-fproc-stat-report",
    "-ftime-trace",
];

/// Options that make the compiler stop before it links (GCC manual, "Overall
/// Options", "Preprocessor Options", "Warning Options").
const STOPS: &[&str] = &[
    "-c",
    "--compile",
    "-S",
    "--assemble",
    "-E",
    "--preprocess",
    "-M",
    "--dependencies",
    "-MM",
    "--user-dependencies",
    "-fsyntax-only",
];

/// Options that make the compiler answer a question about itself, or whose
/// results are not known to be repeatable.
const QUESTIONS: &[&str] = &[
    "--help",
    "--target-help",
    "--version",
    "-dumpmachine",
    "-dumpversion",
    "-dumpfullversion",
    "-dumpspecs",
    "--analyze",
    "-emit-ast",
    "-cc1",
    "-cc1as",
];

/// Beginnings of options that load code of others into the compiler: it may
/// read any variable of the environment.
pub(crate) const LOADS_CODE: &[&str] =
    &["-fplugin", "-fpass-plugin", "-load", "-wrapper", "-B", "-specs", "--specs"];

/// What the arguments of a compile say about its key.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "independent findings")]
pub struct Traits {
    /// The result depends on the CPU that the compiler runs on.
    pub native: bool,
    /// Code of others takes part and may read any variable.
    pub loads_code: bool,
    /// A source is on standard input.
    pub reads_input: bool,
    /// The command itself, with what the driver adds for a terminal, is in the result.
    pub records_command: bool,
    /// A linker takes part: it may complain of the job server, and name temporary files.
    pub links: bool,
}

/// Reads the expanded arguments (without the compiler) of a compile.
///
/// # Errors
/// The reason why the command is not one whose result can be kept.
pub fn examine(arguments: &[OsBytes]) -> Result<Traits, Reason> {
    let mut compiles = false;
    let mut sources = false;
    let mut traits = Traits::default();
    let mut rest = arguments.iter().map(OsBytes::as_bytes);
    while let Some(argument) = rest.next() {
        refuse_private(argument)?;
        traits.native |= is_native(argument);
        traits.loads_code |= begins(argument, LOADS_CODE);
        traits.loads_code |= binary::examine_passed(argument)?;
        if is_one_of(argument, WITH_VALUE) {
            let value = rest.next().unwrap_or_default();
            if argument == b"-Xlinker" {
                traits.loads_code |= binary::examine_option(value)?;
            }
            if argument != b"-D" {
                refuse_private(value)?;
            }
            refuse_unrepeatable(value)?;
            traits.loads_code |= begins(value, LOADS_CODE);
            compiles |= argument == b"-x" && is_header_language(value);
            continue;
        }
        match argument {
            b"-" => traits.reads_input = true,
            _ if is_one_of(argument, STOPS) => compiles = true,
            _ if argument.starts_with(b"-x") => compiles |= is_header_language(argument),
            _ if argument.starts_with(b"-") => {
                traits.records_command |= argument.starts_with(b"-fembed-bitcode");
                refuse_option(argument)?;
            }
            _ => sources = true,
        }
    }
    traits.links = !compiles;
    match (compiles, sources || traits.reads_input) {
        (false, false) => Err(Reason::NotACompile),
        (true, false) => Err(Reason::NoSource),
        (_, true) => Ok(traits),
    }
}

/// A header is precompiled whether or not an option says to stop before the link.
fn is_header_language(language: &[u8]) -> bool {
    language.ends_with(b"-header")
}

fn refuse_option(argument: &[u8]) -> Result<(), Reason> {
    if is_one_of(argument, QUESTIONS) || argument.starts_with(b"-print-") {
        return Err(Reason::NotACompile);
    }
    refuse_unrepeatable(argument)
}

/// Sources are searched for words in ASCII.
fn is_foreign_alphabet(argument: &[u8]) -> bool {
    const ASCII_AND_MORE: &[&str] = &["ascii", "cp125", "iso-8859-", "latin", "utf-8", "utf8"];
    let name = argument.strip_prefix(b"-finput-charset=");
    name.is_some_and(|name| !begins(&name.to_ascii_lowercase(), ASCII_AND_MORE))
}

/// Whether the assembler is to tell where the assembly came from: a temporary file.
fn asks_for_debug_of_assembly(argument: &[u8]) -> bool {
    let passed = argument.strip_prefix(b"-Wa,").unwrap_or_default();
    passed.split(|&byte| byte == b',').any(|option| begins(option, &["-g", "--g"]))
}

pub(crate) fn refuse_unrepeatable(argument: &[u8]) -> Result<(), Reason> {
    if is_one_of(argument, NOT_REPEATABLE)
        || asks_for_debug_of_assembly(argument)
        || begins(argument, NOT_REPEATABLE_PREFIXES)
        || is_foreign_alphabet(argument)
    {
        return Err(Reason::UnsupportedOption);
    }
    Ok(())
}

/// Arguments that are text, not paths. Where the text of a macro becomes a path the observer
/// sees what is opened there.
const TEXTS: &[&str] = &[
    "-D",
    "-fcoverage-prefix-map=",
    "-fdebug-prefix-map=",
    "-ffile-prefix-map=",
    "-fmacro-prefix-map=",
    "-fprofile-prefix-map=",
];

/// Paths that name a stream or descriptor of the calling process, as process
/// substitution makes them.
pub(crate) fn refuse_private(argument: &[u8]) -> Result<(), Reason> {
    if begins(argument, TEXTS) {
        return Ok(());
    }
    let names = |text: &[u8]| argument.windows(text.len()).any(|window| window == text);
    let private = names(b"/dev/fd/")
        || names(b"/dev/std")
        || names(b"/proc/self")
        || names(b"/proc/thread-self");
    if private { Err(Reason::DescriptorPath) } else { Ok(()) }
}

fn is_native(argument: &[u8]) -> bool {
    argument.starts_with(b"-m") && argument.ends_with(b"=native")
}

pub(crate) fn is_one_of(argument: &[u8], options: &[&str]) -> bool {
    options.iter().any(|option| option.as_bytes() == argument)
}

pub(crate) fn begins(argument: &[u8], prefixes: &[&str]) -> bool {
    prefixes.iter().any(|prefix| argument.starts_with(prefix.as_bytes()))
}
