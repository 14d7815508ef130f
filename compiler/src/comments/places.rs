//! How many of the numbers a text takes by which gcc tells places apart.

use std::ops::{Range, RangeInclusive};

use super::outline::{LONGEST, MOST_EMPTY_LINES};

/// From this number on gcc tells places less exactly, and in the end without columns, which
/// comments must not bring about (`LINE_MAP_MAX_LOCATION_WITH_PACKED_RANGES` of
/// `libcpp/include/line-map.h`).
pub const MOST_PLACES: u64 = 0x5000_0000;

/// Bits of a number that say how long what is there is.
const RANGE_BITS: u32 = 5;

/// Fewest and most bits for a column.
const COLUMN_BITS: RangeInclusive<u32> = 7..=12;

/// With so many a line of no more columns than these has fewer again.
const WIDE_BITS: u32 = 10;
const NARROW: usize = 80;

/// What is added to a column that does not fit.
const SPARE: usize = 50;

/// Behind more lines that are joined numbering begins anew.
const MOST_JOINED: u64 = 10;

/// The most that a text which takes so many may take with another outline of the same digest:
/// there may be more empty lines at its end, each with nine bits for a column at most.
#[must_use]
pub fn with_empty_lines(places: u64) -> u64 {
    places.saturating_add(u64::from(MOST_EMPTY_LINES) << (WIDE_BITS - 1 + RANGE_BITS))
}

/// How gcc numbers the places of a text (`linemap_line_start` of `libcpp/line-map.cc`). The
/// length of a line counts here where gcc counts that of its tokens, and of lines of comments.
pub(super) struct Numbering {
    /// How many numbers the lines take.
    places: u64,
    /// The lines at whose start gcc has so many bits for a column that a shorter line than
    /// another makes it take fewer, by where they are in the text.
    wide: Vec<Range<usize>>,
}

impl Numbering {
    /// That of a text which is not longer than [`LONGEST`].
    pub(super) fn of(text: &[u8]) -> Self {
        let mut numbering = Self { places: 0, wide: Vec::new() };
        let (mut bits, mut joined, mut at) = (*COLUMN_BITS.start(), 0, 0);
        let (mut width, mut begins) = (0, 0);
        for line in text.split(|&byte| byte == b'\n') {
            at += line.len() + 1;
            joined += 1;
            width += line.len();
            if line.trim_ascii_end().ends_with(b"\\") {
                continue;
            }
            if bits >= WIDE_BITS {
                numbering.wide.push(begins..at);
            }
            bits = bits_behind(bits, width);
            numbering.places += joined.min(MOST_JOINED) << (bits + RANGE_BITS);
            (joined, width, begins) = (0, 0, at);
        }
        numbering
    }

    /// Whether how gcc numbers what follows depends on how long lines here are, even if none is
    /// longer than 127 columns.
    pub(super) fn depends_on(&self, place: &Range<usize>) -> bool {
        let first = self.wide.partition_point(|wide| wide.end <= place.start);
        self.wide.get(first).is_some_and(|wide| wide.start < place.end)
    }
}

/// How many bits gcc has for a column behind the start of a line of this width.
fn bits_behind(bits: u32, width: usize) -> u32 {
    let fits = width < 1 << bits;
    if fits && (width > NARROW || bits < WIDE_BITS) {
        return bits;
    }
    let needed = usize::BITS - (width + SPARE).leading_zeros();
    needed.clamp(*COLUMN_BITS.start(), *COLUMN_BITS.end())
}

/// How many of these numbers the lines of a text take. Of a long text only its start is given.
#[must_use]
pub fn places(text: &[u8]) -> u64 {
    if text.len() > LONGEST { u64::MAX } else { Numbering::of(text).places }
}

#[cfg(test)]
mod tests {
    use super::places;

    #[test]
    fn long_lines_take_more_and_so_do_those_behind_them() {
        let line = |width: usize| format!("{}\n", "x".repeat(width));
        assert_eq!(places(b""), 4096);
        assert_eq!(places(line(20).as_bytes()), 2 * 4096);
        assert_eq!(places((line(127) + &line(20)).as_bytes()), 3 * 4096);
        assert_eq!(places((line(128) + &line(20)).as_bytes()), 3 * 8192);
        assert_eq!(places((line(1000) + &line(20)).as_bytes()), (1 << 16) + 2 * 4096);
        assert_eq!(places(line(100_000).as_bytes()), (1 << 17) + 4096);
        assert_eq!(places("a\\\nb\n".as_bytes()), 3 * 4096);
    }
}
