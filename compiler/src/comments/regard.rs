//! What texts make of comments, their own and those of others.

use std::ops::BitOr;

use memchr::memmem;

use super::outline::LONGEST;
use crate::clock::time_words::spliced;
use crate::source::is_directive_at;

/// What some texts may have it that comments matter for.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Regard(u8);

mod bit {
    /// A file may be taken as it is (`#embed`), or warnings of comments be asked for.
    pub(super) const ALWAYS: u8 = 1;
    /// The same, plainly: not perhaps by a macro, or in a comment.
    pub(super) const PLAINLY: u8 = 1 << 6;
    /// The assembler may be told to read a file (`.incbin`, `.include`).
    pub(super) const ASSEMBLER: u8 = 1 << 1;
    /// What `asm` is put together from, where it is from three pieces.
    pub(super) const PIECES: u8 = 0b1111 << 2;
    pub(super) const PASTING: u8 = 1 << 2;
    pub(super) const A: u8 = 1 << 3;
    pub(super) const S: u8 = 1 << 4;
    pub(super) const M: u8 = 1 << 5;
    /// The assembler may be told so by whoever uses what the text defines.
    pub(super) const INCLUSION: u8 = 1 << 7;
}

/// With what an assembler is told to read a file.
const INCLUSIONS: &[&[u8]] = &[b".include", b"incbin"];

/// What a pragma may be told of a warning without asking for it.
const SILENT: &[&[u8]] = &[b"ignored", b"pop", b"push"];

impl Regard {
    /// All that may be.
    pub const ALL: Self = Self(u8::MAX);

    /// That of a text which has few comments left.
    #[must_use]
    pub fn of(text: &[u8]) -> Self {
        let text = spliced(text);
        let pasting = if memmem::find(&text, b"##").is_some() { bit::PASTING } else { 0 };
        let words = text.split(|byte| !byte.is_ascii_alphanumeric() && *byte != b'_');
        Self(words.map(of_word).fold(always(&text) | pasting | inclusion(&text), BitOr::bitor))
    }

    /// That of a text that has no outline; of a long one only its start is given.
    #[must_use]
    pub fn of_unclear(text: &[u8]) -> Self {
        if text.len() > LONGEST {
            return Self::ALL;
        }
        let text = spliced(text);
        Self(always(&text) | bit::ASSEMBLER | inclusion(&text))
    }

    /// What of it goes for a file of the operating system, which hides nothing and has the
    /// assembler read no file of a project unless it says so.
    #[must_use]
    pub fn of_the_system(self) -> Self {
        let always = if self.0 & bit::PLAINLY != 0 { bit::ALWAYS } else { 0 };
        Self(always | self.0 & bit::INCLUSION)
    }

    /// Whether comments may matter, whoever compiles.
    #[must_use]
    pub fn is_for_all(self) -> bool {
        self.0 & bit::ALWAYS != 0
    }

    /// Whether they may for an assembler, or for a compiler that is one as well.
    #[must_use]
    pub fn is_for_assemblers(self) -> bool {
        self.0 & (bit::ASSEMBLER | bit::INCLUSION) != 0 || self.0 & bit::PIECES == bit::PIECES
    }
}

/// `asm`, `__asm` and `__asm__`, pieces of which one takes part when they are pasted together
/// from two, and those from three.
fn of_word(word: &[u8]) -> u8 {
    match word {
        b"as" | b"_as" | b"__as" | b"sm" | b"sm_" | b"sm__" => bit::ASSEMBLER,
        b"a" | b"_a" | b"__a" => bit::A,
        b"s" => bit::S,
        b"m" | b"m_" | b"m__" => bit::M,
        _ if memmem::find(word, b"asm").is_some() => bit::ASSEMBLER,
        _ => 0,
    }
}

fn inclusion(text: &[u8]) -> u8 {
    let includes = INCLUSIONS.iter().any(|it| memmem::find(text, it).is_some());
    if includes { bit::INCLUSION } else { 0 }
}

fn always(text: &[u8]) -> u8 {
    let embeds = memmem::find_iter(text, b"embed").any(|at| is_directive_at(text, at));
    let asked = memmem::find_iter(text, DIAGNOSTIC).filter(|at| asks_for_warnings(text, *at));
    let is_plain = |at: usize| {
        let before = text[..at].trim_ascii_end();
        before.ends_with(b"GCC") || before.ends_with(b"clang")
    };
    let kind = |at| if is_plain(at) { bit::ALWAYS | bit::PLAINLY } else { bit::ALWAYS };
    asked.map(kind).fold(if embeds { bit::ALWAYS | bit::PLAINLY } else { 0 }, BitOr::bitor)
}

/// The pragma by which warnings are asked for. Their names need not stand in one piece.
const DIAGNOSTIC: &[u8] = b"diagnostic";

fn asks_for_warnings(text: &[u8], at: usize) -> bool {
    let after = &text[at + DIAGNOSTIC.len()..];
    let is_word = after.first().is_none_or(|byte| !byte.is_ascii_alphanumeric() && *byte != b'_');
    let rest = after.trim_ascii_start();
    is_word && !SILENT.iter().any(|word| rest.starts_with(word))
}

impl BitOr for Regard {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}
