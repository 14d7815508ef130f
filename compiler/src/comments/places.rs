//! How many of the numbers a text takes by which gcc tells places apart.

use super::outline::{LONGEST, MOST_EMPTY_LINES};

/// From this number on gcc tells places less exactly, and in the end without columns, which
/// comments must not bring about (`LINE_MAP_MAX_LOCATION_WITH_PACKED_RANGES` of
/// `libcpp/include/line-map.h`).
pub const MOST_PLACES: u64 = 0x5000_0000;

/// Bits of a number that say how long what is there is.
const RANGE_BITS: u32 = 5;

/// Fewest and most bits for a column.
const COLUMN_BITS: std::ops::RangeInclusive<u32> = 7..=12;

/// With so many a line of no more columns than these has fewer again.
const WIDE_BITS: u32 = 10;
const NARROW: usize = 80;

/// What is added to a column that does not fit.
const SPARE: usize = 50;

/// Behind more lines that are joined numbering begins anew.
const MOST_JOINED: u64 = 10;

/// The most that a text which takes so many may take with other comments that its outline cuts:
/// a line that has them needs one bit more at most, and there may be more lines at the end.
#[must_use]
pub fn with_any_comments(places: u64) -> u64 {
    let more_lines = u64::from(MOST_EMPTY_LINES) << (COLUMN_BITS.start() + 1 + RANGE_BITS);
    places.saturating_mul(2).saturating_add(more_lines)
}

/// The most of these numbers that lines take (`linemap_line_start` of `libcpp/line-map.cc`).
/// Of a long text only its start is given.
#[must_use]
pub fn places(text: &[u8]) -> u64 {
    if text.len() > LONGEST {
        return u64::MAX;
    }
    let (mut places, mut bits) = (0, *COLUMN_BITS.start());
    let (mut joined, mut width) = (0, 0);
    for line in text.split(|&byte| byte == b'\n') {
        joined += 1;
        width += line.len();
        if line.trim_ascii_end().ends_with(b"\\") {
            continue;
        }
        let fits = width < 1 << bits;
        let needed = usize::BITS - (width + SPARE).leading_zeros();
        if !fits || (width <= NARROW && bits >= WIDE_BITS) {
            bits = needed.clamp(*COLUMN_BITS.start(), *COLUMN_BITS.end());
        }
        places += joined.min(MOST_JOINED) << (bits + RANGE_BITS);
        (joined, width) = (0, 0);
    }
    places
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
