//! What an output tells of when and where it was made.

use std::fs::File;
use std::io;
use std::os::fd::BorrowedFd;
use std::os::unix::fs::FileExt;

use zccache_compiler::clock::{self, Clock, Told};
use zccache_compiler::relocation::elf;
use zccache_core::Root;

use crate::world::for_each_piece;

/// What was found in an output.
#[derive(Clone, Default, Debug)]
pub(super) struct Sifted {
    /// What may be the date or time of its making.
    pub(super) told: Told,
    /// The path of the root.
    pub(super) names_root: bool,
    /// It may hold text in a form in which it was not found.
    pub(super) is_opaque: bool,
    /// How it begins; zeroes behind its end.
    pub(super) head: [u8; 4],
}

/// The longest text of a time, in bytes: a wide string takes four for each of its
/// characters.
const TIME: usize = 4 * clock::SEAM;

/// Most bytes of section headers or of their names that are looked at.
const MOST_OF_TABLE: u64 = 16 << 20;

/// Reads an output once.
pub(super) fn sift(file: BorrowedFd<'_>, clock: Option<&Clock>, root: &Root) -> io::Result<Sifted> {
    let file = File::from(file.try_clone_to_owned()?);
    let seam = TIME.max(root.as_bytes().len());
    let mut found = Sifted::default();
    let mut is_text = true;
    let mut is_first = true;
    for_each_piece(&file, seam, |piece, new| {
        if let Some(clock) = clock {
            found.told.extend(clock.told_by(piece));
        }
        found.names_root |= root.is_named_in(piece);
        is_text = is_text && !new.contains(&0);
        if std::mem::take(&mut is_first) {
            let length = piece.len().min(found.head.len());
            found.head[..length].copy_from_slice(&piece[..length]);
        }
    })?;
    found.is_opaque = !is_text && hides_text(&file).unwrap_or(true);
    Ok(found)
}

/// Whether a file that is no text is anything but an object file in the clear;
/// none if it cannot be read.
fn hides_text(file: &File) -> Option<bool> {
    let header = read_at(file, 0, elf::HEADER as u64)?;
    let Some(sections) = elf::sections(&header) else { return Some(true) };
    let table = read_at(file, sections.offset, u64::from(sections.count) * elf::SECTION as u64)?;
    let (offset, length) = sections.names(&table)?;
    Some(elf::hides_text(&table, &read_at(file, offset, length)?))
}

fn read_at(file: &File, offset: u64, length: u64) -> Option<Vec<u8>> {
    if length > MOST_OF_TABLE {
        return None;
    }
    let mut bytes = vec![0; usize::try_from(length).ok()?];
    file.read_exact_at(&mut bytes, offset).ok()?;
    Some(bytes)
}
