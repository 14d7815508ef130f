//! How much, and for how long.

use super::{Kind, SettingsError};

/// Limits of a store.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct StoreLimits {
    /// Bytes it may hold; 0 for no bound.
    pub max_bytes: u64,
    /// Seconds that an entry may go unused; 0 for no bound.
    pub max_age: u64,
    /// Bytes that its file system is to have left; none for [`default_reserve`].
    pub min_free: Option<u64>,
}

impl Default for StoreLimits {
    fn default() -> Self {
        Self { max_bytes: DEFAULT_MAX_SIZE, max_age: 0, min_free: None }
    }
}

impl StoreLimits {
    /// Bytes that a file system of so many is to have left.
    #[must_use]
    pub fn reserve(&self, total: u64) -> u64 {
        self.min_free.unwrap_or_else(|| default_reserve(total))
    }

    /// What the variables say, each empty or unset for its default.
    ///
    /// # Errors
    /// [`SettingsError`] for a value that cannot be read.
    pub fn read(variable: impl Fn(&str) -> Option<String>) -> Result<Self, SettingsError> {
        let set = |name: &'static str| {
            variable(name).filter(|text| !text.trim().is_empty()).map(|text| (name, text))
        };
        let bytes = |name| set(name).map(|(name, text)| size(name, &text)).transpose();
        let age = set("ZCCACHE_MAX_AGE").map(|(name, text)| seconds(name, &text)).transpose()?;
        Ok(Self {
            max_bytes: bytes("ZCCACHE_MAX_SIZE")?.unwrap_or(DEFAULT_MAX_SIZE),
            max_age: age.unwrap_or(0),
            min_free: bytes("ZCCACHE_MIN_FREE")?,
        })
    }
}

/// How many bytes a file system of `total` bytes is to have left unless a setting
/// says so: enough for a build to go on, and little of a small disk.
#[must_use]
pub fn default_reserve(total: u64) -> u64 {
    (total / 20).min(1 << 30)
}

/// Reads a size such as `500M` or `1.5G`, in bytes.
///
/// # Errors
/// [`SettingsError::Value`] when it is none.
pub fn size(name: &'static str, text: &str) -> Result<u64, SettingsError> {
    const UNITS: &[(char, u64)] = &[('K', 1 << 10), ('M', 1 << 20), ('G', 1 << 30), ('T', 1 << 40)];
    let trimmed = text.trim().trim_end_matches(['b', 'B']).trim_end_matches(['i']);
    scaled(trimmed, UNITS).ok_or_else(|| Kind::Size.refuse(name, text))
}

/// Reads a time such as `90`, `12h` or `30d`, in seconds.
///
/// # Errors
/// [`SettingsError::Value`] when it is none.
pub fn seconds(name: &'static str, text: &str) -> Result<u64, SettingsError> {
    const UNITS: &[(char, u64)] =
        &[('S', 1), ('M', 60), ('H', 3600), ('D', 86_400), ('W', 7 * 86_400)];
    scaled(text.trim(), UNITS).ok_or_else(|| Kind::Time.refuse(name, text))
}

/// A number and, perhaps, a unit behind it.
fn scaled(text: &str, units: &[(char, u64)]) -> Option<u64> {
    let last = text.chars().last()?.to_ascii_uppercase();
    let unit = units.iter().find(|(letter, _)| *letter == last);
    let number = if unit.is_some() { &text[..text.len() - 1] } else { text };
    let number: f64 = number.trim().parse().ok()?;
    if !number.is_finite() || !(0.0..=1e15).contains(&number) {
        return None;
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked above")]
    Some((number * unit.map_or(1, |(_, factor)| *factor) as f64) as u64)
}

/// The default of `ZCCACHE_MAX_SIZE`, in bytes.
pub const DEFAULT_MAX_SIZE: u64 = 10 << 30;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_times() {
        let sizes = [("0", 0), ("500M", 500 << 20), ("1.5GiB", 3 << 29), ("7k", 7 << 10)];
        sizes.iter().for_each(|(text, bytes)| assert_eq!(size("X", text), Ok(*bytes)));
        let times = [("0", 0), ("90", 90), ("1.5h", 5400), ("30d", 2_592_000), (" 2W ", 1_209_600)];
        times.iter().for_each(|(text, time)| assert_eq!(seconds("X", text), Ok(*time)));
        for text in ["many", "-1", "", "d", "1é", "nan", "1e99"] {
            assert!(size("X", text).is_err() && seconds("X", text).is_err(), "{text}");
        }
    }

    #[test]
    fn limits_of_a_store() {
        let with = |set: &'static [(&str, &str)]| {
            StoreLimits::read(move |name| {
                set.iter().find(|(n, _)| *n == name).map(|(_, value)| (*value).to_owned())
            })
        };
        let standard = StoreLimits { max_bytes: DEFAULT_MAX_SIZE, max_age: 0, min_free: None };
        assert_eq!(with(&[("ZCCACHE_MAX_SIZE", " ")]), Ok(standard));
        let all =
            &[("ZCCACHE_MAX_SIZE", "1K"), ("ZCCACHE_MAX_AGE", "1m"), ("ZCCACHE_MIN_FREE", "0")];
        let limits = StoreLimits { max_bytes: 1024, max_age: 60, min_free: Some(0) };
        assert_eq!(with(all), Ok(limits));
        let wrong = with(&[("ZCCACHE_MIN_FREE", "5%")]).unwrap_err();
        assert!(wrong.to_string().starts_with("ZCCACHE_MIN_FREE is '5%'"), "{wrong}");
        assert_eq!(default_reserve(100 << 30), 1 << 30);
        assert_eq!(default_reserve(1 << 30), (1 << 30) / 20);
    }
}
