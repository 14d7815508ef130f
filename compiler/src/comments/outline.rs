//! The outline of a text of C or C++: the text without those comments at the ends of lines
//! that no compiler tells from a blank.
//!
//! Where a comment begins depends on the language and its version, and on what stands around
//! it. So only those are cut of which that is certain, and any doubt keeps a line as it is,
//! or leaves a text without an outline. The tokens that are left stay in their lines and
//! columns.

use memchr::memmem;
use zccache_core::{Digest, TaggedHasher};

use super::regard::Regard;
use crate::clock::contains;

/// A text that has more bytes has no outline.
pub const LONGEST: usize = 1 << 20;

/// A comment with a longer line stays: from a line of 4,096 bytes on gcc gives up columns
/// (`LINE_MAP_MAX_COLUMN_NUMBER` of `libcpp/line-map.cc`).
const LONGEST_LINE: usize = 1000;

/// Where one of these is, more than the lines around it is in doubt: what the language may
/// take for a raw string, for a backslash (`??/`), for the end of a line or of the text, or for
/// letters of two bytes (ISO-2022).
const DOUBTS: &[&[u8]] = &[b"R\"", b"??/", b"\r", b"\x0b", b"\x1b", b"\0"];

/// Behind one of these a header may be named, in which neither quotes nor comments are what
/// they are elsewhere.
const BEFORE_HEADERS: &[&[u8]] = &[b"include", b"import", b"embed"];

/// What may stand before a character constant, joined to it (C 6.4.4.4, C++ `[lex.ccon]`).
const PREFIXES: &[&[u8]] = &[b"L", b"U", b"u", b"u8"];

/// What a compiler sees of a text.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Outline {
    /// Digest of all but the empty lines at the end.
    pub digest: Digest,
    /// How many of those there are.
    pub empty_lines: u32,
    /// What the text makes of comments.
    pub regard: Regard,
}

impl Outline {
    /// That of a text, if its comments can be told.
    #[must_use]
    pub fn of(text: &[u8]) -> Option<Self> {
        if text.len() > LONGEST || DOUBTS.iter().any(|doubt| contains(text, doubt)) {
            return None;
        }
        let drawn = Sketch::new(text).draw()?;
        let length = drawn.iter().rposition(|&byte| byte != b'\n').map_or(0, |at| at + 1);
        let (lines, empty) = drawn.split_at(length);
        // That the last line is not ended may be worth a warning.
        let is_ended = text.ends_with(b"\n");
        Some(Self {
            digest: TaggedHasher::new().field(0, lines).field(1, &[u8::from(is_ended)]).finish(),
            empty_lines: u32::try_from(empty.len()).ok()?,
            regard: Regard::of(lines),
        })
    }
}

/// An outline in the making.
struct Sketch<'t> {
    text: &'t [u8],
    /// How far the text has been read.
    at: usize,
    drawn: Vec<u8>,
    /// Where in it the line begins that is being drawn.
    line: usize,
    /// Where in it the comments begin behind which nothing has come yet.
    cut: Option<usize>,
    /// Whether a line begins here, or what a comment of several lines has left of one.
    begins: bool,
}

impl<'t> Sketch<'t> {
    fn new(text: &'t [u8]) -> Self {
        let drawn = Vec::with_capacity(text.len());
        Self { text, at: 0, drawn, line: 0, cut: None, begins: true }
    }

    /// The lines that are left. None if it cannot be told what a comment is.
    fn draw(mut self) -> Option<Vec<u8>> {
        while let Some(&byte) = self.text.get(self.at) {
            let is_comment = self.rest().starts_with(b"//") || self.rest().starts_with(b"/*");
            match byte {
                _ if std::mem::take(&mut self.begins) && self.is_spliced() => self.keep_line()?,
                b'\n' => self.end_line(),
                b' ' | b'\t' => self.take(1),
                b'"' | b'\'' if self.may_name_header() => self.keep_line()?,
                b'\'' if self.is_joined() => self.keep_line()?,
                b'"' | b'\'' => self.literal(byte)?,
                _ if is_comment && self.may_name_header() => self.keep_line()?,
                _ if is_comment => self.comment()?,
                // In other alphabets a byte of ASCII may be part of a letter.
                0x80.. => self.keep_line()?,
                _ => {
                    let rest = self.rest();
                    let plain = rest[1..].iter().position(may_mean_more);
                    self.code(plain.map_or(rest.len(), |at| at + 1));
                }
            }
        }
        // The last line, if it is not ended, stays as it is.
        Some(self.drawn)
    }

    fn rest(&self) -> &'t [u8] {
        &self.text[self.at..]
    }

    fn take(&mut self, length: usize) {
        self.drawn.extend_from_slice(&self.text[self.at..self.at + length]);
        self.at += length;
    }

    fn code(&mut self, length: usize) {
        self.cut = None;
        self.take(length);
    }

    fn end_line(&mut self) {
        self.trim();
        self.take(1);
        self.line = self.drawn.len();
        self.begins = true;
    }

    /// Cuts the comments at the end of a line; those of several lines leave as many.
    fn trim(&mut self) {
        let cut = self.cut.take().unwrap_or(self.drawn.len());
        let newlines = self.drawn[cut..].iter().filter(|&&byte| byte == b'\n').count();
        let is_blank = |byte: &u8| matches!(byte, b' ' | b'\t');
        let left = &self.drawn[self.line..cut];
        let length = left.iter().rposition(|byte| !is_blank(byte)).map_or(0, |at| at + 1);
        if left[..length].ends_with(b"\\") {
            // It would go on in the next one.
            return;
        }
        self.drawn.truncate(self.line + length);
        self.drawn.resize(self.drawn.len() + newlines, b'\n');
    }

    fn comment(&mut self) -> Option<()> {
        let rest = self.rest();
        let length = match rest[1] {
            b'*' => memmem::find(&rest[2..], b"*/")? + 4,
            _ => memchr::memchr(b'\n', rest).unwrap_or(rest.len()),
        };
        let comment = &rest[..length];
        // Where lines are joined one may end elsewhere (`*\` and `/`).
        if comment.split(|&byte| byte == b'\n').any(is_spliced) {
            return None;
        }
        self.begins = contains(comment, b"\n");
        if is_plain(comment, self.drawn.len() - self.line) {
            self.cut.get_or_insert(self.drawn.len());
            self.take(length);
        } else {
            self.code(length);
        }
        Some(())
    }

    /// A string or a character constant, or what is none: an apostrophe in a text that is
    /// skipped (`#if 0`) or shown (`#error`).
    fn literal(&mut self, quote: u8) -> Option<()> {
        let mut length = 1;
        loop {
            match self.rest().get(length) {
                Some(b'\\') => length += 2,
                Some(b'\n' | 0x80..) | None => return self.keep_line(),
                Some(byte) if *byte == quote => break,
                Some(_) => length += 1,
            }
        }
        self.code(length + 1);
        Some(())
    }

    fn may_name_header(&self) -> bool {
        BEFORE_HEADERS.iter().any(|word| contains(&self.drawn[self.line..], word))
    }

    /// Whether what is before an apostrophe belongs to a number, which from C++14 and C23 on
    /// may have some in it, or to a name that is no prefix.
    fn is_joined(&self) -> bool {
        let joins = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.');
        let before = &self.text[..self.at];
        let start = before.iter().rposition(|byte| !joins(byte)).map_or(0, |at| at + 1);
        let word = &before[start..];
        let is_exponent = matches!(before, [.., b'e' | b'E' | b'p' | b'P', b'+' | b'-']);
        is_exponent || !(word.is_empty() || PREFIXES.contains(&word))
    }

    /// Whether what is left of a line goes on in the next.
    fn is_spliced(&self) -> bool {
        is_spliced(self.rest().split(|&byte| byte == b'\n').next().unwrap_or_default())
    }

    /// Keeps what is left of a line, with those in which it goes on, however it may be read.
    /// None if by some reading a comment goes on behind it.
    fn keep_line(&mut self) -> Option<()> {
        let mut length = 0;
        for line in self.rest().split_inclusive(|&byte| byte == b'\n') {
            length += line.len();
            if !is_spliced(line) {
                break;
            }
            // A comment or a raw string may begin where lines are joined.
            let joined = line.trim_ascii_end();
            if joined.ends_with(b"/\\") || joined.ends_with(b"R\\") {
                return None;
            }
        }
        let kept = &self.rest()[..length];
        let last = memmem::rfind(kept, b"/*");
        if last.is_some_and(|at| !contains(&kept[at + 2..], b"*/")) {
            return None;
        }
        self.code(length);
        self.line = self.drawn.len();
        self.begins = true;
        Some(())
    }
}

/// Whether a byte may be more than a part of a token.
fn may_mean_more(byte: &u8) -> bool {
    matches!(byte, b'\n' | b' ' | b'\t' | b'"' | b'\'' | b'/' | 0x80..)
}

/// Whether a line ends with a backslash, blanks aside, as compilers take it.
fn is_spliced(line: &[u8]) -> bool {
    line.trim_ascii_end().ends_with(b"\\")
}

/// Whether no compiler has anything to say of a comment: warnings are about others within
/// it, its letters and its length, and those that a `case` runs into the next mean something
/// (`-Wimplicit-fallthrough` of gcc).
fn is_plain(comment: &[u8], column: usize) -> bool {
    let mut lines = comment.split(|&byte| byte == b'\n');
    comment.iter().all(|byte| matches!(byte, b' '..=b'~' | b'\t' | b'\n'))
        && !contains(&comment[2..], b"/*")
        && !comment.windows(4).any(|word| word.eq_ignore_ascii_case(b"fall"))
        && lines.all(|line| column + line.len() <= LONGEST_LINE)
}
