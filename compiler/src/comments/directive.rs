//! Directives, and what of them tells where comments are.

use super::definition::is_of_word;
use crate::clock::contains;

/// Directives behind which a comment is one.
pub(super) const PLAIN: &[&[u8]] = &[b"define", b"else", b"endif", b"ifdef", b"ifndef", b"undef"];

/// Those in which macros may name a header between `<` and `>` or quotes, within which neither
/// quotes nor comments are what they are elsewhere.
pub(super) const CONDITIONS: &[&[u8]] = &[b"elif", b"if"];

/// Those that name one at once.
pub(super) const INCLUDING: &[&[u8]] = &[b"include", b"include_next"];

/// Names a header from C++20 on.
pub(super) const IMPORT: &[u8] = b"import";

/// The name of a directive and how long it is with what is before it, if a text begins with one.
pub(super) fn directive(text: &[u8]) -> Option<(&[u8], usize)> {
    let rest = text.strip_prefix(b"#").or_else(|| text.strip_prefix(b"%:"))?;
    let rest = trim_blanks(rest);
    let length = rest.iter().take_while(|byte| is_of_word(**byte)).count();
    Some((&rest[..length], text.len() - rest.len() + length))
}

/// The length of a header's name with the blanks before it, if there is one that is the same
/// to all: where a text is skipped clang reads words between `<` and `>`, and to gcc no
/// backslash escapes a quote.
pub(super) fn header_name(text: &[u8]) -> Option<usize> {
    let name = trim_blanks(text);
    let end = match name.first()? {
        b'<' => b'>',
        b'"' => b'"',
        _ => return None,
    };
    let length = name[1..].iter().position(|&byte| byte == end)?;
    let inside = &name[1..=length];
    let is_odd = |byte: &u8| matches!(byte, b'\n' | b'\\' | b'"' | b'\'' | b'<' | 0x80..);
    let is_clear =
        !inside.iter().any(is_odd) && !contains(inside, b"//") && !contains(inside, b"/*");
    is_clear.then_some(text.len() - name.len() + length + 2)
}

pub(super) fn is_blank(byte: &u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

pub(super) fn trim_blanks(text: &[u8]) -> &[u8] {
    &text[text.iter().take_while(|byte| is_blank(byte)).count()..]
}

pub(super) fn trim_blanks_end(text: &[u8]) -> &[u8] {
    &text[..text.iter().rposition(|byte| !is_blank(byte)).map_or(0, |at| at + 1)]
}
