//! Which names the texts of a compile mention.

use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use super::definition::{is_capital, is_of_word};
use super::outline::LONGEST;
use crate::clock::contains;

/// What constants of the compiler's own end in, and names in assembler code begin with.
const OF_THE_COMPILER: &[&[u8]] = &[b"F", b"L", b"LL", b"U", b"UL", b"ULL", b"_"];

/// Of a text that has more of them none is remembered, so that it takes no more than 64 KiB.
const MOST_PARTS: usize = 1 << 14;

/// How words begin that macros of the compiler's own stand for (`_MIPS_ISA`).
const OF_MACHINES: &[u8] = b"_MIPS_ISA_MIPS";

/// The words of a text of which names of macros may consist.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum NameParts {
    /// Perhaps any.
    Any,
    /// Perhaps any, but it looks like a binary.
    OfBinary,
    /// Numbers that stand for them: two may have one.
    These(Arc<[u32]>),
}

impl Default for NameParts {
    fn default() -> Self {
        Self::These(Arc::default())
    }
}

impl NameParts {
    /// Those in a text.
    #[must_use]
    pub fn of(text: &[u8]) -> Self {
        if has_joined_words(text) {
            return Self::Any;
        }
        let words = text.split(|byte| !is_of_word(*byte));
        let words = words.flat_map(|word| [word, behind_letter(word)]);
        let capital = words.filter(|word| !word.is_empty() && is_capital(word));
        let mut numbers: Vec<u32> = capital.map(number).collect();
        numbers.sort_unstable();
        numbers.dedup();
        if numbers.len() > MOST_PARTS { Self::Any } else { Self::These(numbers.into()) }
    }

    /// Those in a text that has no outline, or in what is none; of a long one only its
    /// start is given.
    #[must_use]
    pub fn of_unclear(text: &[u8]) -> Self {
        // No source begins with a zero among its first bytes.
        if text.iter().take(8).any(|byte| *byte == 0) {
            Self::OfBinary
        } else if text.len() > LONGEST {
            Self::Any
        } else {
            Self::of(text)
        }
    }
}

/// What may be a word of its own behind the number of a letter (`\u00a7`), if one begins a word.
fn behind_letter(word: &[u8]) -> &[u8] {
    let digits = match word.first() {
        Some(b'u') => 4,
        Some(b'U') => 8,
        _ => return b"",
    };
    let number = word.get(1..=digits).filter(|it| it.iter().all(u8::is_ascii_hexdigit));
    number.map_or(b"", |_| &word[1 + digits..])
}

/// Whether a word may go on in the next line, behind a backslash.
fn has_joined_words(text: &[u8]) -> bool {
    contains(text, b"??/")
        || memchr::memchr_iter(b'\\', text).any(|at| {
            let behind = &text[at + 1..];
            let is_blank = |byte: &&u8| matches!(**byte, b' ' | b'\t' | b'\r' | 0x0b | 0x0c | 0);
            let blanks = behind.iter().take_while(is_blank).count();
            let next = behind[blanks..].strip_prefix(b"\n").and_then(|next| next.first());
            at.checked_sub(1).is_some_and(|before| is_of_word(text[before]))
                && next.is_some_and(|byte| is_of_word(*byte) || *byte == b'\\')
        })
}

#[expect(clippy::cast_possible_truncation, reason = "half of it will do")]
fn number(word: &[u8]) -> u32 {
    let mut hasher = DefaultHasher::new();
    word.hash(&mut hasher);
    hasher.finish() as u32
}

/// What all texts of a compile mention and define.
#[derive(Default, Debug)]
pub struct Vocabulary<'t> {
    has_any: bool,
    words: HashSet<u32>,
    /// How often a name is defined.
    defined: HashMap<&'t [u8], usize>,
}

impl<'t> Vocabulary<'t> {
    /// Takes notice of what a text mentions.
    pub fn mention(&mut self, words: &NameParts) {
        match words {
            NameParts::Any | NameParts::OfBinary => self.has_any = true,
            NameParts::These(words) => self.words.extend(&**words),
        }
    }

    /// Takes notice of a definition, which is no mention.
    pub fn define(&mut self, name: &'t [u8]) {
        *self.defined.entry(name).or_default() += 1;
    }

    /// Whether nothing but its one definition has a name in it, and nothing can put it
    /// together (`##`).
    #[must_use]
    pub fn is_idle(&self, name: &[u8]) -> bool {
        !self.has_any
            && self.defined.get(name) == Some(&1)
            && !self.has(name)
            && !self.may_be_put_together(name)
    }

    fn has(&self, word: &[u8]) -> bool {
        self.words.contains(&number(word))
            || OF_THE_COMPILER.contains(&word)
            || word.starts_with(OF_MACHINES)
            // It counts (`__COUNTER__`, `__LINE__`).
            || word.iter().all(u8::is_ascii_digit)
    }

    /// Whether a name is a row of words.
    fn may_be_put_together(&self, name: &[u8]) -> bool {
        let mut reached = vec![true];
        for end in 1..=name.len() {
            let is_reached = (0..end).any(|start| reached[start] && self.has(&name[start..end]));
            reached.push(is_reached);
        }
        reached[name.len()]
    }
}
