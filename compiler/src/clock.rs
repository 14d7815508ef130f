//! The time of the compile, which must not come out of a cache.

use zccache_core::Stamp;

/// The time a compile took.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Window {
    /// Just before it began.
    pub from: Stamp,
    /// Just after it ended.
    pub to: Stamp,
    /// Seconds by which local clocks are ahead of Greenwich.
    pub offset: i64,
}

impl Window {
    /// Whether `content` holds the text that `__DATE__` or `__TIME__` would have
    /// had here or in Greenwich: a sign that one of them was made by pasting.
    #[must_use]
    pub fn is_told_by(&self, content: &[u8]) -> bool {
        let dates = [-DAY, 0, DAY].map(|offset| date_text(self.from.seconds + offset));
        dates.iter().any(|date| contains(content, date.as_bytes()))
            || content.windows(8).filter_map(seconds_of_day).any(|told| self.has(told))
    }

    /// Whether a clock here or in Greenwich shows this second of the day within
    /// the window.
    fn has(&self, second_of_day: i64) -> bool {
        let length = self.to.seconds.saturating_sub(self.from.seconds);
        [0, self.offset]
            .iter()
            .any(|offset| (second_of_day - self.from.seconds - offset).rem_euclid(DAY) <= length)
    }
}

const DAY: i64 = 86_400;

/// The seconds since midnight in a text such as `09:08:02`.
fn seconds_of_day(text: &[u8]) -> Option<i64> {
    let &[h1, h2, b':', m1, m2, b':', s1, s2] = text else { return None };
    let number = |tens: u8, ones: u8| {
        (tens.is_ascii_digit() && ones.is_ascii_digit())
            .then(|| i64::from(tens - b'0') * 10 + i64::from(ones - b'0'))
    };
    Some(number(h1, h2)? * 3600 + number(m1, m2)? * 60 + number(s1, s2)?)
}

/// The text of `__DATE__`, such as `Nov 23 2026` or `Nov  3 2026`.
fn date_text(seconds: i64) -> String {
    let (year, month, day) = civil_from_days(seconds.div_euclid(DAY));
    let name = MONTHS[usize::try_from(month - 1).unwrap_or(0) % 12];
    format!("{name} {day:2} {year}")
}

/// Whether `text` occurs in `content`.
pub(crate) fn contains(content: &[u8], text: &[u8]) -> bool {
    let Some((&first, rest)) = text.split_first() else { return true };
    let mut remaining = content;
    while let Some(at) = remaining.iter().position(|&byte| byte == first) {
        remaining = &remaining[at + 1..];
        if remaining.starts_with(rest) {
            return true;
        }
    }
    false
}

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// Year, month and day of a day counted from 1970-01-01 in the proleptic
/// Gregorian calendar (Howard Hinnant, "chrono-Compatible Low-Level Date
/// Algorithms").
fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}
