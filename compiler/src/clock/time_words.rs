//! Words of a text that are, or can be put together to, a macro which expands to
//! a time.

use std::borrow::Cow;
use std::ops::BitOr;

use super::middles::{Middles, NAMES, Name};
use crate::clock::contains;

/// Macros that expand to the time of the compile (C17 6.10.8.1).
const OF_NOW: [&[u8]; 2] = [b"__DATE__", b"__TIME__"];

/// The macro that expands to the time stamp of the file it is used in (GCC manual
/// of cpp, "Common Predefined Macros").
pub(crate) const OF_THE_FILE: &[u8] = b"__TIMESTAMP__";

/// The words of some texts that matter for times.
///
/// A name may be put together of pieces, by pasting (`##`) or across spliced
/// lines. Of two pieces one is so long that it means nothing else. Of more, the
/// first or the last is so long, or a word of underscores (an **edge**) that is
/// pasted to something or an argument, with pieces between (middles).
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct TimeWords {
    kinds: u8,
    middles: Middles,
}

/// One kind of word.
mod kind {
    pub(super) const NOW: u8 = 1;
    pub(super) const STAMP: u8 = 1 << 1;
    pub(super) const PIECE_OF_NOW: u8 = 1 << 2;
    pub(super) const PIECE_OF_STAMP: u8 = 1 << 3;
    pub(super) const EDGE: u8 = 1 << 4;
}

/// Letters of a name that only its beginning or end has.
const FEWEST_FIRST: usize = 4;
const FEWEST_LAST: usize = 3;

impl TimeWords {
    /// Those of a text that cannot be searched, put together from texts that had no
    /// beginning or end of a name ([`TimeWords::may_tell_others`]).
    pub const HIDDEN: Self = Self { kinds: 0, middles: Middles::ALL };

    /// The words of a piece of a source text, also of those that go on in the
    /// next line.
    #[must_use]
    pub fn of(piece: &[u8]) -> Self {
        let whole = Self::in_lines(piece);
        match spliced(piece) {
            Cow::Borrowed(_) => whole,
            Cow::Owned(text) => whole | Self::in_lines(&text),
        }
    }

    fn in_lines(text: &[u8]) -> Self {
        let (mut found, mut middles) = (0, Middles::default());
        if OF_NOW.iter().any(|name| contains(text, name)) {
            found |= kind::NOW;
        }
        if contains(text, OF_THE_FILE) || compares_ages(text) {
            found |= kind::STAMP;
        }
        let mut at = 0;
        while let Some(start) = text[at..].iter().position(is_of_names).map(|offset| at + offset) {
            let rest = &text[start..];
            at = start + rest.iter().position(|byte| !is_of_names(byte)).unwrap_or(rest.len());
            let (word, before, after) = (&text[start..at], &text[..start], &text[at..]);
            if !before.last().is_some_and(joins) && !after.first().is_some_and(joins) {
                found |= kind_of(word);
                middles.note(word);
                if is_edge(word, before, after) {
                    found |= kind::EDGE;
                }
            }
        }
        Self { kinds: found, middles }
    }

    /// Those of them that are a name as they stand. Headers of the operating
    /// system have pieces in comments and as names of their own, and paste none.
    #[must_use]
    pub fn whole(self) -> Self {
        Self { kinds: self.kinds & (kind::NOW | kind::STAMP), middles: Middles::default() }
    }

    /// Whether a macro that expands to the time of the compile may be among them.
    #[must_use]
    pub fn tell_now(self) -> bool {
        self.has(kind::NOW | kind::PIECE_OF_NOW) || self.puts_together(&NAMES[..2])
    }

    /// Whether the macro that expands to the time stamp of a file may be among them.
    #[must_use]
    pub fn tell_stamp(self) -> bool {
        self.has(kind::STAMP | kind::PIECE_OF_STAMP) || self.puts_together(&NAMES[2..])
    }

    /// Whether a text made of these may tell a time together with other texts.
    #[must_use]
    pub fn may_tell_others(self) -> bool {
        self.tell_now() || self.tell_stamp() || self.have_edge()
    }

    /// Whether words of underscores alone are pasted to others, or may be.
    #[must_use]
    pub fn have_edge(self) -> bool {
        self.has(kind::EDGE)
    }

    fn puts_together(self, names: &[Name]) -> bool {
        self.have_edge() && names.iter().any(|name| self.middles.make(name))
    }

    fn has(self, kinds: u8) -> bool {
        self.kinds & kinds != 0
    }
}

impl BitOr for TimeWords {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self { kinds: self.kinds | other.kinds, middles: self.middles | other.middles }
    }
}

/// Whether a text has the pragma that compares the age of another file with its own
/// (GCC manual of cpp, "Pragmas"), which clang knows as well.
fn compares_ages(text: &[u8]) -> bool {
    memchr::memmem::find_iter(text, b"dependency").any(|at| {
        let before = text[..at].trim_ascii_end();
        before.len() < at && (before.ends_with(b"GCC") || before.ends_with(b"clang"))
    })
}

/// What a word can be a piece of. A piece that both macros have counts for the
/// shorter: the other cannot be made without one that only it has.
fn kind_of(word: &[u8]) -> u8 {
    if !(2..OF_THE_FILE.len()).contains(&word.len()) {
        return 0;
    }
    let is_end_of = |name: &[u8]| {
        (word.len() >= FEWEST_FIRST && name.starts_with(word))
            || (word.len() >= FEWEST_LAST && name.ends_with(word))
    };
    if OF_NOW.iter().any(|name| is_end_of(name)) {
        kind::PIECE_OF_NOW
    } else if is_end_of(OF_THE_FILE) {
        kind::PIECE_OF_STAMP
    } else {
        0
    }
}

/// Whether a word between these texts may be the beginning or end of another: one
/// or two underscores that are pasted to something on one side, or two that are an
/// argument or what a macro stands for. Between two names, one is common.
fn is_edge(word: &[u8], before: &[u8], after: &[u8]) -> bool {
    if !matches!(word, b"_" | b"__") {
        return false;
    }
    let (before, rest, after) = (before.trim_ascii_end(), after, after.trim_ascii_start());
    let follows = before.ends_with(b"#") || before.ends_with(b"%:");
    let goes_on = after.starts_with(b"#") || after.starts_with(b"%:");
    let is_argument = before.last().is_some_and(|byte| b"(,".contains(byte))
        && after.first().is_some_and(|byte| b"),".contains(byte));
    let line_ends = rest.iter().find(|byte| **byte != b' ').is_none_or(|byte| *byte == b'\n');
    follows != goes_on || ((is_argument || line_ends) && word == b"__")
}

/// The text with every line that ends in a backslash, or its trigraph, joined to
/// the next (C17 5.1.1.2). gcc and clang allow blanks behind the backslash, among them
/// more than other texts have, and take a carriage return for the end of a line.
pub(crate) fn spliced(text: &[u8]) -> Cow<'_, [u8]> {
    let mut joined = Vec::new();
    let (mut copied, mut start) = (0, 0);
    for end in memchr::memchr2_iter(b'\n', b'\r', text) {
        if text[end..].starts_with(b"\r\n") {
            continue;
        }
        let line = trim_blanks_end(&text[start..end]);
        let kept = line.strip_suffix(b"\\").or_else(|| line.strip_suffix(b"??/"));
        if let Some(kept) = kept {
            joined.extend_from_slice(&text[copied..start + kept.len()]);
            copied = end + 1;
        }
        start = end + 1;
    }
    if copied == 0 {
        return Cow::Borrowed(text);
    }
    joined.extend_from_slice(&text[copied..]);
    Cow::Owned(joined)
}

/// Without what gcc or clang takes for a blank at the end of a line (`is_nvspace` of
/// `libcpp/internal.h`).
fn trim_blanks_end(line: &[u8]) -> &[u8] {
    let is_blank = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\r' | 0x0b | 0x0c | 0);
    let end = line.iter().rposition(|byte| !is_blank(byte)).map_or(0, |last| last + 1);
    &line[..end]
}

fn joins(byte: &u8) -> bool {
    byte.is_ascii_alphanumeric() || *byte == b'_'
}

/// Whether names of macros that matter here have this byte. Asked of every byte of
/// every source.
fn is_of_names(byte: &u8) -> bool {
    const LETTERS: &[u8] = b"_ADEIMPST";
    const OF_NAMES: [bool; 256] = {
        let mut found = [false; 256];
        let mut at = 0;
        while at < LETTERS.len() {
            found[LETTERS[at] as usize] = true;
            at += 1;
        }
        found
    };
    OF_NAMES[usize::from(*byte)]
}
