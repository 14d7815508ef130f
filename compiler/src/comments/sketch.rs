//! Draws of a text of C or C++ what counts: the text without those comments at the ends of lines
//! that no compiler tells from a blank. Of a line of nothing else is left where it begins:
//! gcc looks at that when it asks whether what is below an `if` is misleading.
//!
//! Where a comment begins depends on the language and its version, and on what stands around
//! it. So only those are cut of which that is certain, and any doubt keeps a line as it is,
//! or leaves a text without an outline. The tokens that are left stay in their lines and
//! columns.

use memchr::memmem;

use super::definition::{Definition, is_of_word};
use super::directive::{
    CONDITIONS, IMPORT, INCLUDING, PLAIN, directive, header_name, trim_blanks, trim_blanks_end,
};
use super::places::Numbering;
use crate::clock::contains;

/// What more than so many macros stand for counts.
const MOST_DEFINITIONS: usize = 1024;

/// A line that ends behind this column stays as it is, and so does a comment that begins behind
/// the other. Within them gcc counts as much for a line, of what it has for all lines together,
/// with comments as without, but where [`Numbering`] tells that it depends.
const LAST_COLUMN: usize = 120;
pub(super) const LAST_BEGINNING: usize = 76;

/// Longer conditions are not searched.
const LONGEST_CONDITION: usize = 4096;

/// What may stand before a character constant, joined to it (C 6.4.4.4, C++ `[lex.ccon]`).
const PREFIXES: &[&[u8]] = &[b"", b"L", b"U", b"u", b"u8"];

/// What may stand before these, and belongs to no number, which from C++14 and C23 on may have
/// apostrophes in it.
const SEPARATORS: &[u8] = b" \t\n()[]{}<>,;:?=!&|^~*/%";

/// An outline in the making.
pub(super) struct Sketch<'t> {
    text: &'t [u8],
    /// How far the text has been read.
    at: usize,
    pub(super) drawn: Vec<u8>,
    /// Where in it the line begins that is being drawn.
    line: usize,
    /// Where in it what counts of the last line ends in which something does.
    pub(super) end: usize,
    /// Where in it the comments begin behind which nothing has come yet.
    cut: Option<usize>,
    /// Whether a line begins here, or what a comment of several lines has left of one.
    begins: bool,
    kind: Kind,
    /// Whether [`IMPORT`] is in the line.
    has_import: bool,
    numbering: Numbering,
    pub(super) definitions: Vec<Definition>,
}

/// What there has been in a line.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Nothing but blanks and comments.
    Empty,
    /// One of [`CONDITIONS`].
    Condition,
    /// The name of a header, behind which compilers do not agree on quotes.
    Included,
    Other,
}

impl<'t> Sketch<'t> {
    pub(super) fn new(text: &'t [u8]) -> Self {
        let drawn = Vec::with_capacity(text.len());
        Self {
            text,
            at: 0,
            drawn,
            line: 0,
            end: 0,
            cut: None,
            begins: true,
            kind: Kind::Empty,
            has_import: false,
            numbering: Numbering::of(text),
            definitions: Vec::new(),
        }
    }

    /// Draws all lines. None if it cannot be told what a comment is.
    pub(super) fn draw(mut self) -> Option<Self> {
        while let Some(&byte) = self.text.get(self.at) {
            let is_comment = self.rest().starts_with(b"//") || self.rest().starts_with(b"/*");
            match byte {
                _ if self.begins && self.begins_spliced() => self.keep_line()?,
                b'\n' => self.end_line(),
                b' ' | b'\t' => self.take(1),
                // A blank that some warn of.
                b'\x0c' => self.keep(1),
                _ if self.kind == Kind::Included && !is_comment => self.keep_line()?,
                b'#' | b'%' if self.kind == Kind::Empty && directive(self.rest()).is_some() => {
                    self.begin_directive()?;
                }
                b'"' | b'\'' if self.may_name_header(byte) => self.keep_line()?,
                b'\'' if self.is_joined() => self.keep_line()?,
                b'"' | b'\'' => self.literal(byte)?,
                _ if is_comment && self.may_name_header(byte) => self.keep_line()?,
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
        if self.line < self.drawn.len() {
            self.end = self.drawn.len();
        }
        Some(self)
    }

    fn rest(&self) -> &'t [u8] {
        &self.text[self.at..]
    }

    fn take(&mut self, length: usize) {
        self.drawn.extend_from_slice(&self.text[self.at..self.at + length]);
        self.at += length;
    }

    fn code(&mut self, length: usize) {
        if self.kind == Kind::Empty {
            self.kind = Kind::Other;
        }
        self.keep(length);
    }

    fn keep(&mut self, length: usize) {
        self.cut = None;
        self.take(length);
    }

    fn end_line(&mut self) {
        self.trim();
        self.take(1);
        self.begin_line();
    }

    fn begin_line(&mut self) {
        self.line = self.drawn.len();
        self.begins = true;
        self.kind = Kind::Empty;
        self.has_import = false;
    }

    /// Cuts the comments at the end of a line; those of several lines leave as many.
    fn trim(&mut self) {
        let cut = self.cut.take().unwrap_or(self.drawn.len());
        let code = trim_blanks_end(&self.drawn[self.line..cut]);
        let last = memchr::memrchr(b'\n', &self.drawn).map_or(0, |at| at + 1);
        // With a backslash at its end it would go on in the next one; a form feed is a blank to
        // who looks for where a line begins.
        let is_blank = !code.is_empty() && code.iter().all(u8::is_ascii_whitespace);
        let is_long = self.drawn.len() - last.max(self.line) > LAST_COLUMN;
        let lines = self.at - (self.drawn.len() - self.line)..self.at;
        let is_counted = self.numbering.depends_on(&lines);
        if is_long || is_blank || is_counted || code.ends_with(b"\\") {
            self.end = self.drawn.len();
            return;
        }
        let code = self.line + code.len();
        let comments = &self.text[self.at - (self.drawn.len() - code)..self.at];
        self.drawn.truncate(code);
        self.take_definition();
        let is_apart = self.drawn.len() == self.line;
        if !is_apart {
            self.end = self.drawn.len();
        }
        for (index, line) in comments.split(|&byte| byte == b'\n').enumerate() {
            if index > 0 {
                self.drawn.push(b'\n');
            }
            if index > 0 || is_apart {
                self.leave_margin(line);
            }
        }
    }

    /// Leaves of a definition that there is one.
    fn take_definition(&mut self) {
        if self.definitions.len() < MOST_DEFINITIONS
            && let Some((definition, length)) = Definition::parse(&self.drawn[self.line..])
        {
            self.drawn.truncate(self.line + length);
            // No text has this.
            self.drawn.push(0);
            self.definitions.push(definition);
        }
    }

    /// Leaves of a line of comments where it begins.
    fn leave_margin(&mut self, line: &[u8]) {
        let comment = trim_blanks(line);
        if !comment.is_empty() {
            self.drawn.extend_from_slice(&line[..line.len() - comment.len()]);
            self.drawn.extend_from_slice(b"//");
        }
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
        // Behind an `#include` gcc looks at where the comment ends (`-g3`).
        let is_counted = self.kind == Kind::Included && self.begins;
        if !is_counted && is_plain(comment, self.drawn.len() - self.line) {
            self.cut.get_or_insert(self.drawn.len());
            self.take(length);
        } else {
            self.keep(length);
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

    /// Whether a header may be named where this byte is.
    fn may_name_header(&self, byte: u8) -> bool {
        let line = &self.drawn[self.line..];
        let is_condition = self.kind == Kind::Condition;
        let may = || byte == b'"' || line.len() > LONGEST_CONDITION || line.contains(&b'<');
        self.has_import || (is_condition && may())
    }

    fn begin_directive(&mut self) -> Option<()> {
        let Some((name, length)) = directive(self.rest()) else { return self.keep_line() };
        if CONDITIONS.contains(&name) {
            self.kind = Kind::Condition;
        }
        if self.kind == Kind::Condition || PLAIN.contains(&name) {
            self.code(length);
            return Some(());
        }
        // clang takes the text of others as it is (`#pragma mark`, `#warning`).
        let header = INCLUDING.contains(&name).then(|| header_name(&self.rest()[length..]));
        let Some(header) = header.flatten() else { return self.keep_line() };
        self.code(length + header);
        self.kind = Kind::Included;
        Some(())
    }

    /// Whether an apostrophe may belong to a number, or to a name that is no prefix.
    fn is_joined(&self) -> bool {
        let before = &self.text[..self.at];
        let start = before.iter().rposition(|byte| !is_of_word(*byte)).map_or(0, |at| at + 1);
        let (before, word) = before.split_at(start);
        let is_apart = before.last().is_none_or(|byte| SEPARATORS.contains(byte));
        !is_apart || !PREFIXES.contains(&word)
    }

    /// Looks ahead to the end of the line: whether it goes on in the next.
    fn begins_spliced(&mut self) -> bool {
        let line = self.rest().split(|&byte| byte == b'\n').next().unwrap_or_default();
        self.begins = false;
        self.has_import |= contains(line, IMPORT);
        is_spliced(line)
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
        self.keep(length);
        self.end = self.drawn.len();
        self.begin_line();
        Some(())
    }
}

/// Whether a byte may be more than a part of a token.
fn may_mean_more(byte: &u8) -> bool {
    matches!(byte, b'\n' | b' ' | b'\t' | b'\x0c' | b'"' | b'\'' | b'/' | 0x80..)
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
        && column <= LAST_BEGINNING
        && lines.all(|line| column + line.len() <= LAST_COLUMN)
}
