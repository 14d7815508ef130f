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
        // Tables of symbols and of long names are in the clear.
        if !matches!(header[..16].trim_ascii(), b"/" | b"//" | b"/SYM64/") {
            let member = object(file, at + MEMBER)?;
            found.hides_text |= member.hides_text;
            found.holds_metadata |= member.holds_metadata;
        }
        at = at.checked_add(MEMBER)?.checked_add(size)?.checked_next_multiple_of(2)?;
    }
    Some(found)
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
