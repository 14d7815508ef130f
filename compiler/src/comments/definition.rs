//! Definitions of macros that matter only to who uses them: of numbers and strings, as
//! versions and settings are.

use super::directive::{directive, is_blank, trim_blanks};
use super::sketch::LAST_BEGINNING;

/// A definition in a line of its own.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Definition {
    /// What is defined.
    pub name: Box<[u8]>,
    /// What it stands for, with the blanks before it.
    pub replacement: Box<[u8]>,
}

/// Names with fewer letters and no underscore may be of compilers (`AVR`, `MIPSEB`).
const SHORTEST: usize = 7;

/// How names begin that compilers or drivers define themselves, for some machine or option.
const OF_COMPILERS: &[&[u8]] = &[
    b"FP_FAST_",
    b"LANGUAGE_",
    b"MYRIAD",
    b"OBJC_",
    b"SOFT_FLOAT",
    b"SYCL_",
    b"SYSTYPE_",
    b"TARGET_",
    b"UNICODE",
];

/// What a macro may stand for besides numbers and strings.
const PUNCTUATION: &[u8] = b" \t()+-*<>|&~,";

impl Definition {
    /// The definition that a line without comments is, and how long what comes before the
    /// name. There is nothing in it that a compiler warns of, or that another definition may
    /// change.
    pub(super) fn parse(line: &[u8]) -> Option<(Self, usize)> {
        let text = trim_blanks(line);
        let (what, length) = directive(text).filter(|_| text.starts_with(b"#"))?;
        let behind = &text[length..];
        let rest = trim_blanks(behind);
        let end = rest.iter().position(|byte| !is_of_word(*byte)).unwrap_or(rest.len());
        let (name, replacement) = rest.split_at(end);
        let is_plain = what == b"define"
            && rest.len() < behind.len()
            && line.len() <= LAST_BEGINNING
            && is_plain_name(name)
            && is_plain(replacement);
        is_plain.then(|| {
            let definition = Self { name: name.into(), replacement: replacement.into() };
            (definition, line.len() - rest.len())
        })
    }
}

/// Whether a byte may be part of such a name or of what one is put together from. Others may be
/// part of an identifier, or not.
pub(super) fn is_of_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// Whether a word consists of what names of such macros consist of.
pub(super) fn is_capital(word: &[u8]) -> bool {
    word.iter().all(|byte| matches!(byte, b'A'..=b'Z' | b'0'..=b'9' | b'_'))
}

/// Whether a name is no keyword, and none of the compiler's.
fn is_plain_name(name: &[u8]) -> bool {
    name.first().is_some_and(u8::is_ascii_uppercase)
        && is_capital(name)
        && (name.len() >= SHORTEST || name.contains(&b'_'))
        && !OF_COMPILERS.iter().any(|start| name.starts_with(start))
}

fn is_plain(replacement: &[u8]) -> bool {
    // A `(` at once would begin parameters, and without a blank some warn.
    let is_apart = replacement.first().is_none_or(is_blank);
    let mut rest = replacement;
    let mut may_begin = false;
    while let Some(&byte) = rest.first() {
        let is_token = !PUNCTUATION.contains(&byte);
        let length = match byte {
            _ if !is_token => 1,
            _ if !may_begin => 0,
            b'"' => string(rest),
            b'0'..=b'9' => rest.iter().take_while(|it| is_of_number(**it)).count(),
            _ => 0,
        };
        if length == 0 {
            return false;
        }
        may_begin = !is_token;
        rest = &rest[length..];
    }
    is_apart
}

fn is_of_number(byte: u8) -> bool {
    is_of_word(byte) || byte == b'.'
}

/// The length of a string in which nothing is more than it seems, 0 if there is none.
fn string(text: &[u8]) -> usize {
    let is_plain = |byte: &&u8| matches!(**byte, b' '..=b'~') && !b"\"\\?".contains(*byte);
    let length = text[1..].iter().take_while(is_plain).count();
    if text.get(length + 1) == Some(&b'"') { length + 2 } else { 0 }
}
