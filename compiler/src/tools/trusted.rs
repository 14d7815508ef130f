//! Tools that a project says are deterministic, of which nothing else is known.

use zccache_core::Invocation;

use crate::clock::contains;
use crate::program::base_name;

/// The variable that lists them.
const LISTED_BY: &str = "ZCCACHE_TOOLS";

/// Whether the program of an invocation is listed, by whomever: `NAME=cache`, separated by blanks
/// or commas.
#[must_use]
pub fn is_trusted(invocation: &Invocation) -> bool {
    let Some(name) = invocation.argv.first() else { return false };
    let name = base_name(name.as_bytes());
    let lists = invocation.settings(LISTED_BY);
    let mut words = lists.flat_map(|list| list.split(|byte| matches!(byte, b' ' | b',')));
    !name.is_empty()
        && words.any(|word| word.strip_suffix(b"=cache").is_some_and(|tool| tool == name))
}

const DAY: i64 = 86_400;

/// The days, before and after those of a run, that may be today somewhere.
const AROUND: i64 = 2;

/// Whether a piece of an output holds the date of a run that lasted between two times,
/// as such tools write it (ISO 8601, and with slashes).
#[must_use]
pub fn tells_date(piece: &[u8], (from, to): (i64, i64)) -> bool {
    let days = (from.div_euclid(DAY) - AROUND)..=(to.div_euclid(DAY) + AROUND);
    days.map(civil_from_days).any(|(year, month, day)| {
        [
            format!("{year:04}-{month:02}-{day:02}"),
            format!("{year:04}/{month:02}/{day:02}"),
            format!("{day:02}/{month:02}/{year:04}"),
            format!("{month:02}/{day:02}/{year:04}"),
            format!("{year:04}{month:02}{day:02}"),
        ]
        .iter()
        .any(|text| contains(piece, text.as_bytes()))
    })
}

/// Bytes of one piece to be seen again with the next: no date is longer.
pub const SEAM: usize = 10;

/// Year, month and day, counted from 1970-01-01 (Howard Hinnant, "chrono-Compatible
/// Low-Level Date Algorithms").
fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let of_era = shifted.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_of_the_run_are_found() {
        let run = (1_795_865_700, 1_795_865_760);
        for text in
            ["2026-11-28T11", "made on 2026/11/27.", "29/11/2026", "11/28/2026", "-20261128"]
        {
            assert!(tells_date(text.as_bytes(), run), "{text}");
        }
        for text in ["2026-11-24", "2025-11-28", "28.11.", ""] {
            assert!(!tells_date(text.as_bytes(), run), "{text}");
        }
        assert_eq!(civil_from_days(0), (1970, 1, 1));
        assert_eq!(civil_from_days(11_016), (2000, 2, 29));
    }
}
