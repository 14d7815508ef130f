//! Reading a file once, from its beginning, whoever else has it open.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// Read at a time, in bytes.
const BUFFER: usize = 256 << 10;

/// Reads to the end, and hands over each piece: together with the last `seam`
/// bytes before it, and alone. The position of the file stays where it is.
///
/// # Errors
/// As `pread(2)` and `fstat(2)`.
pub(crate) fn for_each_piece(
    file: &File,
    seam: usize,
    mut take: impl FnMut(&[u8], &[u8]),
) -> io::Result<()> {
    // Most inputs are small, and a buffer costs as much as its pages do.
    let length = usize::try_from(file.metadata()?.len()).unwrap_or(BUFFER);
    let mut buffer = vec![0; length.saturating_add(1).min(BUFFER) + seam];
    let (mut offset, mut kept) = (0, 0);
    loop {
        let read = match file.read_at(&mut buffer[kept..], offset) {
            Ok(0) => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            read => read?,
        };
        offset += read as u64;
        let filled = kept + read;
        take(&buffer[..filled], &buffer[kept..filled]);
        kept = filled.min(seam);
        buffer.copy_within(filled - kept..filled, 0);
    }
}
