//! The outline of a text of C or C++: what a compiler may tell from another text.

use std::borrow::Cow;
use std::sync::Arc;

use zccache_core::{Digest, TaggedHasher};

use super::definition::Definition;
use super::regard::Regard;
use super::sketch::Sketch;
use super::vocabulary::NameParts;
use crate::clock::contains;

/// A text that has more bytes has no outline.
pub const LONGEST: usize = 1 << 20;

/// A text with more empty lines at its end has no outline: gcc has no columns any more behind
/// too many lines ([`super::MOST_PLACES`]).
pub(super) const MOST_EMPTY_LINES: u32 = 64;

/// Where one of these is, more than the lines around it is in doubt: what the language may
/// take for a raw string, for another character (`??'` for `^`), for the end of a line or of
/// the text, or for letters of two bytes (ISO-2022); and what clang takes for something that
/// an editor or a version control left, the end of which it looks for in comments, too.
const DOUBTS: &[&[u8]] = &[
    b"R\"", b"??/", b"??=", b"??'", b"??<", b"??>", b"\r", b"\x0b", b"\x1b", b"\0", b"<#",
    b"\n<<<<", b"\n>>>>",
];

/// What a compiler sees of a text.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Outline {
    /// Digest of all but the definitions and the empty lines at the end.
    pub skeleton: Digest,
    /// Definitions of which it may not matter what the macro stands for, in their order.
    pub definitions: Arc<[Definition]>,
    /// How many of those there are.
    pub empty_lines: u32,
    /// What the text makes of comments.
    pub regard: Regard,
    /// What is mentioned in it.
    pub words: NameParts,
}

impl Outline {
    /// That of a text, if its comments can be told.
    #[must_use]
    pub fn of(text: &[u8]) -> Option<Self> {
        let is_left_over = text.starts_with(b"<<<<") || text.starts_with(b">>>>");
        let is_doubtful = is_left_over || DOUBTS.iter().any(|doubt| contains(text, doubt));
        if is_doubtful || text.len() > LONGEST {
            return None;
        }
        let Sketch { drawn, end, definitions, .. } = Sketch::new(text).draw()?;
        let (lines, rest) = drawn.split_at(end);
        let empty_lines = rest.iter().filter(|&&byte| byte == b'\n').count();
        let empty_lines = u32::try_from(empty_lines).ok().filter(|n| *n <= MOST_EMPTY_LINES)?;
        // That the last line is not ended may be worth a warning.
        let is_ended = text.ends_with(b"\n");
        let mut skeleton = TaggedHasher::new();
        skeleton.field(0, lines).field(1, &[u8::from(is_ended)]);
        let mut all = Cow::Borrowed(lines);
        for definition in &definitions {
            // That there is nothing where a guard of a header may have been meant, clang says.
            let is_empty = definition.replacement.is_empty();
            skeleton.field(2, &definition.name).field(3, &[u8::from(is_empty)]);
            all.to_mut().push(b'\n');
            all.to_mut().extend_from_slice(&definition.replacement);
        }
        Some(Self {
            skeleton: skeleton.finish(),
            definitions: definitions.into(),
            empty_lines,
            regard: Regard::of(&all),
            words: NameParts::of(&all),
        })
    }

    /// Digest of all but the empty lines at the end, and what the macros stand for that are
    /// defined by these of the definitions.
    #[must_use]
    pub fn without(&self, idle: &[u32]) -> Digest {
        let mut hasher = TaggedHasher::new();
        hasher.field(0, self.skeleton.as_bytes());
        for (index, definition) in (0..).zip(&*self.definitions) {
            if idle.binary_search(&index).is_err() {
                hasher.field(1, &index.to_le_bytes()).field(2, &definition.replacement);
            }
        }
        hasher.finish()
    }
}
