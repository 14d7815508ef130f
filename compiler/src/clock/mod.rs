//! The time of the compile, which must not come out of a cache.

mod middles;
pub(crate) mod time_words;

use std::collections::BTreeSet;

use memchr::{memchr2_iter, memmem};
use zccache_core::{Invocation, OsBytes};

/// What in an output tells when, or from files of which age, it was made.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Clock {
    /// Just before the compile began, in seconds since the epoch.
    pub from: i64,
    /// Just after it ended.
    pub to: i64,
    /// Seconds by which local clocks are ahead of Greenwich.
    pub offset: i64,
    /// Whether every clock that the compile may have asked is ahead of Greenwich
    /// by a multiple of a quarter of an hour, or by `offset`.
    pub is_usual: bool,
    /// Whether the compile takes its time from the key rather than from a clock.
    pub is_fixed: bool,
    /// When the inputs were last modified, in seconds since the epoch.
    pub modified: Vec<i64>,
}

/// Whether gcc or clang fails where a macro expands to a time (`-Werror=date-time`), but for
/// headers of the system and sources that have a pragma against it. Linux is built so.
#[must_use]
pub fn is_refused(invocation: &Invocation) -> bool {
    let arguments = || invocation.argv.iter().map(OsBytes::as_bytes);
    let last_word = arguments().rfind(|argument| contains(argument, b"date-time"));
    let is_silenced = arguments().any(|argument| {
        matches!(argument, b"-w" | b"-Wno-error")
            || argument.starts_with(b"@")
            || contains(argument, b",-w")
    });
    last_word == Some(b"-Werror=date-time") && !is_silenced
}

/// The lengths of texts such as `09:08:02` and `Nov 23 2026`.
const TIME: usize = 8;
const DATE: usize = 11;

/// Texts of dates and times that a compile may have had from its clock.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Told(BTreeSet<Box<[u8]>>);

impl Told {
    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds those of another content.
    pub fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// Strikes out those that stand in `content`, which the compile has read: they
    /// came from there.
    pub fn strike_out(&mut self, content: &[u8]) {
        self.0.retain(|text| !contains(content, text));
    }
}

/// Bytes of one piece to be seen again with the next, so that no text is cut: the
/// length of `Wed Nov 25 09:08:02 2026`, as `asctime(3)` writes it.
pub const SEAM: usize = 24;

/// All time zones in use are ahead of Greenwich by a multiple of a quarter of an
/// hour (tz database; the last that was not, Liberia's, ended in 1972).
const QUARTER: i64 = 900;

const DAY: i64 = 86_400;

/// How far a clock may be ahead or behind: glibc takes 24 hours from `TZ` for
/// the zone (`tzset(3)`), and minutes, seconds and summer time besides.
const FARTHEST: i64 = 2 * DAY;

impl Clock {
    /// The texts in `content` that `__DATE__` or `__TIME__` would have had in some
    /// time zone, or `__TIMESTAMP__` in one of the inputs: a sign that one of them
    /// was made by pasting. NUL bytes are skipped, so that wide strings tell as well.
    #[must_use]
    pub fn told_by(&self, content: &[u8]) -> Told {
        let text = without_nuls(content);
        let found = memchr2_iter(b':', b' ', &text).filter_map(|at| self.told_around(&text, at));
        Told(found.map(Box::from).collect())
    }

    /// The text around the first colon of a time, or the second blank of a date.
    fn told_around<'t>(&self, text: &'t [u8], at: usize) -> Option<&'t [u8]> {
        if text[at] == b':' {
            let from = text.get(at.checked_sub(2)?..)?;
            let time = seconds_of_day(from)?;
            let told = self.shows(time) || self.tells_age(text.get(at.wrapping_sub(13)..), time);
            told.then(|| &from[..TIME])
        } else {
            let from = text.get(at.checked_sub(6)?..)?;
            self.has_day(date(from)?).then(|| &from[..DATE])
        }
    }

    /// Whether some clock shows this second of the day during the compile.
    fn shows(&self, second_of_day: i64) -> bool {
        let length = self.to.saturating_sub(self.from);
        let within =
            |offset: i64| (second_of_day - self.from - offset).rem_euclid(QUARTER) <= length;
        !self.is_fixed && (!self.is_usual || [0, self.offset].into_iter().any(within))
    }

    fn has_day(&self, days: i64) -> bool {
        let near = (days * DAY - self.from).abs() <= FARTHEST + DAY;
        !self.is_fixed && (near || !self.is_usual)
    }

    /// Whether the text, with this time in it, is the time stamp of an input.
    fn tells_age(&self, text: Option<&[u8]>, second_of_day: i64) -> bool {
        let Some(days) = text.and_then(stamp_date) else { return false };
        let told = days * DAY + second_of_day;
        let same = |modified: &i64| {
            let apart = told - modified;
            let whole = |offset: i64| (apart - offset).rem_euclid(QUARTER) == 0;
            apart.abs() <= FARTHEST && (whole(0) || whole(self.offset))
        };
        self.modified.iter().any(same)
    }
}

/// Whether the compiler takes the time from an ordinary clock: the system's time
/// zone or one whose offset is a multiple of a quarter of an hour. `TZ` may give minutes and
/// seconds, name a file, or ask for leap seconds (`tzset(3)`, `tzfile(5)`), and a
/// preloaded library may tell any time.
#[must_use]
pub fn is_usual(invocation: &Invocation) -> bool {
    let unset = |name: &[u8]| invocation.variable(name).is_none();
    let plain = invocation.variable(b"TZ").is_none_or(|zone| {
        let named = |byte: &u8| byte.is_ascii_alphanumeric() || b"/_+-,.".contains(byte);
        zone.iter().all(named) && !zone.starts_with(b"/") && !zone.starts_with(b"right/")
    });
    plain && unset(b"TZDIR") && unset(b"LD_PRELOAD")
}

/// Every byte is written, and the next takes the place of a NUL: a branch would go
/// either way too often in object files.
fn without_nuls(content: &[u8]) -> Vec<u8> {
    let mut text = vec![0; content.len()];
    let mut length = 0;
    for &byte in content {
        text[length] = byte;
        length += usize::from(byte != 0);
    }
    text.truncate(length);
    text
}

/// The seconds of the day at the start of a text such as `09:08:02`.
fn seconds_of_day(text: &[u8]) -> Option<i64> {
    let &[h1, h2, b':', m1, m2, b':', s1, s2, ..] = text else { return None };
    Some(number(&[h1, h2])? * 3600 + number(&[m1, m2])? * 60 + number(&[s1, s2])?)
}

/// The day, counted from 1970-01-01, at the start of a text such as `Nov 23 2026`.
fn date(text: &[u8]) -> Option<i64> {
    let &[m1, m2, m3, b' ', d1, d2, b' ', y1, y2, y3, y4, ..] = text else { return None };
    day([m1, m2, m3], [d1, d2], [y1, y2, y3, y4])
}

/// The day at the start of a text such as `Mon Nov 23 09:08:02 2026`.
fn stamp_date(text: &[u8]) -> Option<i64> {
    let &[_, _, _, b' ', m1, m2, m3, b' ', d1, d2, b' ', ..] = text else { return None };
    let &[b' ', y1, y2, y3, y4, ..] = text.get(19..)? else { return None };
    day([m1, m2, m3], [d1, d2], [y1, y2, y3, y4])
}

fn day(month: [u8; 3], day: [u8; 2], year: [u8; 4]) -> Option<i64> {
    let month = MONTHS.iter().position(|name| **name == month)?;
    let day = if day[0] == b' ' { number(&day[1..]) } else { number(&day) }?;
    Some(days_from_civil(number(&year)?, i64::try_from(month).ok()? + 1, day))
}

fn number(digits: &[u8]) -> Option<i64> {
    digits.iter().try_fold(0, |value, digit| {
        digit.is_ascii_digit().then(|| value * 10 + i64::from(digit - b'0'))
    })
}

/// Whether `text` occurs in `content`.
pub(crate) fn contains(content: &[u8], text: &[u8]) -> bool {
    memmem::find(content, text).is_some()
}

const MONTHS: [&[u8; 3]; 12] = [
    b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec",
];

/// The day, counted from 1970-01-01, of a date in the proleptic Gregorian
/// calendar (Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms").
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let shifted = if month <= 2 { year - 1 } else { year };
    let era = shifted.div_euclid(400);
    let year_of_era = shifted.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}
