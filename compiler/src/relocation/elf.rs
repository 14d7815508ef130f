//! Whether an object file can hold text that a search does not find.
//!
//! Layout: `elf(5)`; `SHF_COMPRESSED`: "System V Application Binary Interface",
//! chapter "Sections".

/// Bytes of the header of an ELF file of 64 bits.
pub const HEADER: usize = 64;

/// Where an object file has its section headers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Sections {
    /// Offset of the first, in bytes.
    pub offset: u64,
    /// How many there are.
    pub count: u16,
    names: u16,
}

/// Bytes of a section header.
pub const SECTION: usize = 64;

const SHF_COMPRESSED: u64 = 1 << 11;

/// Beginnings of the names of sections whose bytes encode a program: the
/// intermediate languages of gcc and LLVM, and debug information compressed by
/// old assemblers.
const ENCODED: &[&[u8]] = &[b".gnu.lto_", b".llvmbc", b".llvm.lto", b".zdebug"];

/// The sections of a little-endian object file of 64 bits; none for another file.
#[must_use]
pub fn sections(header: &[u8]) -> Option<Sections> {
    let header: &[u8; HEADER] = header.get(..HEADER)?.try_into().ok()?;
    if !header.starts_with(b"\x7fELF\x02\x01") || half(header, 58) as usize != SECTION {
        return None;
    }
    let (count, names) = (half(header, 60), half(header, 62));
    (names < count).then_some(Sections { offset: word(header, 40), count, names })
}

impl Sections {
    /// Offset and length of the section that holds the names, by the table of
    /// section headers.
    #[must_use]
    pub fn names(&self, table: &[u8]) -> Option<(u64, u64)> {
        let header = table.chunks_exact(SECTION).nth(self.names.into())?;
        Some((word(header, 24), word(header, 32)))
    }
}

/// Whether a section is compressed or encodes a program, by the table of section
/// headers and the section of their names.
#[must_use]
pub fn hides_text(table: &[u8], names: &[u8]) -> bool {
    table.chunks_exact(SECTION).any(|header| {
        let name = names.get(half_word(header, 0) as usize..).unwrap_or_default();
        word(header, 8) & SHF_COMPRESSED != 0 || ENCODED.iter().any(|text| name.starts_with(text))
    })
}

/// Whether a section holds the metadata of a crate: `.rmeta` of a library's archive,
/// `.rustc` of a dynamic library, which is compressed. Of paths there is nothing in it
/// but the working directory and those of sources (`rustc_metadata`).
#[must_use]
pub fn holds_metadata(table: &[u8], names: &[u8]) -> bool {
    table.chunks_exact(SECTION).any(|header| {
        let name = names.get(half_word(header, 0) as usize..).unwrap_or_default();
        name.starts_with(b".rmeta\0") || name.starts_with(b".rustc\0")
    })
}

fn half(bytes: &[u8], at: usize) -> u16 {
    bytes.get(at..at + 2).and_then(|bytes| bytes.try_into().ok()).map_or(0, u16::from_le_bytes)
}

fn half_word(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..at + 4).and_then(|bytes| bytes.try_into().ok()).map_or(0, u32::from_le_bytes)
}

fn word(bytes: &[u8], at: usize) -> u64 {
    bytes.get(at..at + 8).and_then(|bytes| bytes.try_into().ok()).map_or(0, u64::from_le_bytes)
}
