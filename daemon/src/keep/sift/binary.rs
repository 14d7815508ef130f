//! Files that are no text: object files, archives of them, and crates' metadata.

use std::fs::File;
use std::os::unix::fs::FileExt;

use zccache_compiler::relocation::elf;
use zccache_compiler::source::{ARCHIVE, METADATA};

/// What is known of a binary file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Binary {
    /// Text in it may be in a form in which it is not found.
    pub(super) hides_text: bool,
    /// It holds the metadata of a crate.
    pub(super) holds_metadata: bool,
}

/// Most bytes of section headers or of their names that are looked at.
const MOST_OF_TABLE: u64 = 16 << 20;

/// Length of the header of a member of an archive (`ar(5)`).
const MEMBER: u64 = 60;

/// How an archive begins that only names its members.
const THIN_ARCHIVE: &[u8] = b"!<thin>\n";

const OPAQUE: Binary = Binary { hides_text: true, holds_metadata: true };

/// Looks at a file that is no text.
pub(super) fn examine(file: &File) -> Binary {
    let head = read_at(file, 0, ARCHIVE.len() as u64);
    let head = head.as_deref().unwrap_or_default();
    if head == ARCHIVE {
        archive(file).unwrap_or(OPAQUE)
    } else if head.starts_with(METADATA) {
        Binary { hides_text: false, holds_metadata: true }
    } else {
        object(file, 0).unwrap_or(OPAQUE)
    }
}

/// The object file that begins at an offset; none if it is not one.
fn object(file: &File, base: u64) -> Option<Binary> {
    let (table, names) = sections(file, base)?;
    let hides_text = elf::hides_text(&table, &names);
    Some(Binary { hides_text, holds_metadata: elf::holds_metadata(&table, &names) })
}

/// An archive of object files; none if it holds anything else.
fn archive(file: &File) -> Option<Binary> {
    let end = file.metadata().ok()?.len();
    let mut at = ARCHIVE.len() as u64;
    let mut found = Binary { hides_text: false, holds_metadata: false };
    while at < end {
        let header = read_at(file, at, MEMBER)?;
        let size = std::str::from_utf8(&header[48..58]).ok()?.trim().parse::<u64>().ok()?;
        // Tables are in the clear.
        if !is_table(&header) {
            let member = object(file, at + MEMBER)?;
            found.hides_text |= member.hides_text;
            found.holds_metadata |= member.holds_metadata;
        }
        at = at.checked_add(MEMBER)?.checked_add(size)?.checked_next_multiple_of(2)?;
    }
    Some(found)
}

/// Whether a file is an archive in which a time stamp or an owner is told of a member, or
/// of which that cannot be said.
pub(super) fn tells_stamps(file: &File) -> bool {
    let head = read_at(file, 0, ARCHIVE.len() as u64).unwrap_or_default();
    let is_thin = head == THIN_ARCHIVE;
    (is_thin || head == ARCHIVE) && some_member_is_stamped(file, is_thin).unwrap_or(true)
}

fn some_member_is_stamped(file: &File, is_thin: bool) -> Option<bool> {
    let end = file.metadata().ok()?.len();
    let mut at = ARCHIVE.len() as u64;
    while at < end {
        let header = read_at(file, at, MEMBER)?;
        // Date, user and group.
        let stamps = [&header[16..28], &header[28..34], &header[34..40]];
        if stamps.iter().any(|field| !matches!(field.trim_ascii(), b"" | b"0")) {
            return Some(true);
        }
        let size = std::str::from_utf8(&header[48..58]).ok()?.trim().parse::<u64>().ok()?;
        let size = if is_thin && !is_table(&header) { 0 } else { size };
        at = at.checked_add(MEMBER)?.checked_add(size)?.checked_next_multiple_of(2)?;
    }
    Some(false)
}

/// Whether a member is a table of symbols or of long names.
fn is_table(header: &[u8]) -> bool {
    matches!(header[..16].trim_ascii(), b"/" | b"//" | b"/SYM64/")
}

/// The section headers of an object file, and the names of its sections.
fn sections(file: &File, base: u64) -> Option<(Vec<u8>, Vec<u8>)> {
    let header = read_at(file, base, elf::HEADER as u64)?;
    let sections = elf::sections(&header)?;
    let length = u64::from(sections.count) * elf::SECTION as u64;
    let table = read_at(file, base.checked_add(sections.offset)?, length)?;
    let (offset, length) = sections.names(&table)?;
    let names = read_at(file, base.checked_add(offset)?, length)?;
    Some((table, names))
}

fn read_at(file: &File, offset: u64, length: u64) -> Option<Vec<u8>> {
    if length > MOST_OF_TABLE {
        return None;
    }
    let mut bytes = vec![0; usize::try_from(length).ok()?];
    file.read_exact_at(&mut bytes, offset).ok()?;
    Some(bytes)
}
