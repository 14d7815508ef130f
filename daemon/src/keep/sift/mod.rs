//! What an output tells of when and where it was made.

mod binary;

use std::fs::File;
use std::io;
use std::os::fd::BorrowedFd;

use memchr::memmem;
use zccache_compiler::clock::{self, Clock, Told};
use zccache_core::Root;

use crate::world::for_each_piece;

/// What was found in an output.
#[derive(Clone, Default, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "independent findings of one reading")]
pub(super) struct Sifted {
    /// What may be the date or time of its making.
    pub(super) told: Told,
    /// The path of the root.
    pub(super) names_root: bool,
    /// It may hold text in a form in which it was not found.
    pub(super) is_opaque: bool,
    /// It holds the metadata of a crate, and so its hash.
    pub(super) holds_metadata: bool,
    /// It is an archive that tells ages or owners of its members, or names what is to be
    /// offloaded by the inode of its source.
    pub(super) tells_stamps: bool,
    /// How it begins; zeroes behind its end.
    pub(super) head: [u8; 4],
}

/// The longest text of a time, in bytes: a wide string takes four for each of its
/// characters.
const TIME: usize = 4 * clock::SEAM;

/// How clang begins the name of a region that OpenMP may offload: device and inode of the
/// source follow (`getTargetEntryUniqueInfo`).
const OFFLOADED: &[u8] = b"__omp_offloading_";

const _: () = assert!(TIME >= OFFLOADED.len());

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
        found.tells_stamps |= memmem::find(piece, OFFLOADED).is_some();
        is_text = is_text && !new.contains(&0);
        if std::mem::take(&mut is_first) {
            let length = piece.len().min(found.head.len());
            found.head[..length].copy_from_slice(&piece[..length]);
        }
    })?;
    if !is_text {
        let binary = binary::examine(&file);
        found.is_opaque = binary.hides_text;
        found.holds_metadata = binary.holds_metadata;
    }
    found.tells_stamps |= binary::tells_stamps(&file);
    Ok(found)
}
