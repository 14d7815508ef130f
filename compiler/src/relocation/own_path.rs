//! Whether a source uses its own path: asked of the preprocessor.
//!
//! Headers that mention `__FILE__` in macros which nobody uses, or which `NDEBUG` takes
//! away, are the rule. What is left of them only the preprocessor can tell: with
//! `__FILE__` standing for a word that no source has, that word is in what it writes if,
//! and only if, one was expanded. Where a directive wants the text of the path
//! (`#include __FILE__`), the word makes it fail.

use zccache_core::protocol::{Preprocess, Word};
use zccache_core::{Invocation, OsBytes};

use super::path_words;
use crate::arguments::{WITH_VALUE, begins, is_one_of};
use crate::program::{base_name, is_preprocessor};

/// What the macros that expand to a path are made to expand to.
const STAND_IN: &str = "zccache_path_of_a_source";

/// Beginnings of options that neither write files nor keep macros from being expanded, if
/// they are not [`OBSCURE`] (GCC manual, "Option Summary").
const KEPT: &[&str] = &[
    "--sysroot=",
    "--target=",
    "-D",
    "-I",
    "-O",
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
    "-m",
    "-nostdinc",
    "-pedantic",
    "-pipe",
    "-pthread",
    "-std=",
    "-w",
];

/// Of these the options whose value is the next argument.
const KEPT_WITH_VALUE: &[&str] =
    &["-D", "-I", "-U", "-idirafter", "-imacros", "-include", "-iquote", "-isystem"];

/// Options that begin as others do, and keep macros from being expanded or bring in
/// arguments that are not seen.
const OBSCURE: &[&str] = &[
    "-Wp,",
    "-fdirectives-only",
    "-fkeep-system-includes",
    "-fpch",
    "-fpreprocessed",
    "-frewrite",
    "-include-pch",
];

/// Pragmas whose words the compiler takes as they are, or of which the preprocessor writes
/// what they expand to. clang expands others later, such as `unroll` and `clang loop`.
const PLAIN_PRAGMAS: &[&str] = &[
    "GCC diagnostic ",
    "GCC poison ",
    "GCC pop_options",
    "GCC push_options",
    "GCC system_header",
    "GCC visibility ",
    "STDC ",
    "clang assume_nonnull ",
    "clang diagnostic ",
    "clang poison ",
    "clang system_header",
    "omp ",
    "once",
    "pack",
    "weak ",
];

/// Endings of sources that are preprocessed (GCC manual, "Overall Options").
const PREPROCESSED: &[&[u8]] = &[b"C", b"CPP", b"c", b"c++", b"cc", b"cp", b"cpp", b"cxx"];

/// Variables that have the preprocessor write a depfile (GCC manual, "Environment
/// Variables Affecting GCC").
const DEPFILE_VARIABLES: &[&[u8]] = &[b"DEPENDENCIES_OUTPUT", b"SUNPRO_DEPENDENCIES"];

/// What an argument of a compile is to the preprocessor.
enum Part {
    /// To be passed on.
    Kept,
    /// To be passed on with the next one.
    KeptWithValue,
    /// Of what is written: left out.
    Output,
    /// The same, with the next one.
    OutputWithValue,
    /// The end of the work: left out.
    Stop,
    /// A source: passed on.
    Source,
}

/// How to ask the preprocessor whether any source of a compile uses its own path. None if
/// it is not known how.
#[must_use]
pub fn question(invocation: &Invocation) -> Option<Preprocess> {
    if DEPFILE_VARIABLES.iter().any(|name| invocation.variable(name).is_some()) {
        return None;
    }
    let mut arguments: Vec<OsBytes> = Vec::with_capacity(invocation.argv.len() + 5);
    let (mut stops, mut sources) = (0, 0);
    let mut rest = invocation.argv.iter().skip(1);
    while let Some(argument) = rest.next() {
        let part = part(argument.as_bytes())?;
        stops += usize::from(matches!(part, Part::Stop));
        sources += usize::from(matches!(part, Part::Source));
        match part {
            Part::Output | Part::Stop => {}
            Part::OutputWithValue => drop(rest.next()),
            Part::Kept | Part::Source => arguments.push(argument.clone()),
            Part::KeptWithValue => arguments.extend([argument.clone(), rest.next()?.clone()]),
        }
    }
    if (stops, sources) != (1, 1) {
        return None;
    }
    // That the macros are not what they were is no error here.
    arguments.extend(["-E", "-w", "-Wno-builtin-macro-redefined"].map(OsBytes::from));
    let stands_in =
        |name: &[u8]| OsBytes::from(&[b"-D", name, b"=", STAND_IN.as_bytes()].concat()[..]);
    arguments.extend(path_words::macros().map(stands_in));
    Some(Preprocess { arguments, words: words() })
}

/// What must not be in the output.
fn words() -> Vec<Word> {
    let paths = path_words::whole_words().chain([STAND_IN.as_bytes(), b"_Pragma", b"__pragma"]);
    let pragmas = Word {
        text: "#pragma ".into(),
        unless: PLAIN_PRAGMAS.iter().map(|pragma| OsBytes::from(*pragma)).collect(),
    };
    paths.map(|text| Word { text: text.into(), unless: Vec::new() }).chain([pragmas]).collect()
}

/// Whether the answer to [`question`] is one on a run: it made no more files than the
/// command says, since whatever else made one may make one of the preprocessor, too; and
/// a preprocessor took part that lets macros of its own be defined. `programs` are the
/// canonical paths of those that did.
#[must_use]
pub fn is_answered<'a>(
    invocation: &Invocation,
    made: usize,
    mut programs: impl Iterator<Item = &'a [u8]>,
) -> bool {
    let has_depfile =
        invocation.argv.iter().any(|word| matches!(word.as_bytes(), b"-MD" | b"-MMD"));
    made <= 1 + usize::from(has_depfile) && programs.any(|path| is_preprocessor(base_name(path)))
}

/// None if it is not known what the argument does.
fn part(argument: &[u8]) -> Option<Part> {
    if begins(argument, OBSCURE) {
        return None;
    }
    Some(match argument {
        b"-c" | b"-S" => Part::Stop,
        b"-MD" | b"-MMD" | b"-MP" => Part::Output,
        b"-o" | b"-MF" | b"-MT" | b"-MQ" => Part::OutputWithValue,
        _ if begins(argument, &["-o", "-MF", "-MT", "-MQ"]) => Part::Output,
        _ if is_one_of(argument, KEPT_WITH_VALUE) => Part::KeptWithValue,
        _ if is_one_of(argument, WITH_VALUE) => return None,
        _ if begins(argument, KEPT) => Part::Kept,
        _ if argument.starts_with(b"-") || argument.starts_with(b"@") => return None,
        _ => {
            let ending = argument.rsplit(|&byte| byte == b'.').next()?;
            PREPROCESSED.contains(&ending).then_some(Part::Source)?
        }
    })
}
