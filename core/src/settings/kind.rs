//! What settings can be.

use std::path::Path;

use super::{SettingsError, seconds, size};

/// What a setting can be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Anything.
    Text,
    /// An absolute path.
    Path,
    /// Bytes; see [`size`].
    Size,
    /// A time; see [`seconds`].
    Time,
    /// On or off; see [`is_on`].
    Switch,
    /// On, off, or a part of one; see [`verified_part`].
    Part,
    /// Names of tools, each with what is to be done.
    Tools,
    /// See [`Watching`].
    Watch,
    /// Levels, of which those behind a comma and the name of a module are for that.
    Log,
}

impl Kind {
    /// Whether it can have a value, which is not empty.
    pub(super) fn check(self, setting: &'static str, value: &str) -> Result<(), SettingsError> {
        const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];
        let is_switch = || is_one_of(&ON, value.as_bytes()) || is_one_of(&OFF, value.as_bytes());
        let is_part = || value.trim().parse().is_ok_and(|part| (0.0..=1.0).contains(&part));
        let mut words = value.split([' ', ',']).filter(|word| !word.is_empty());
        let level = |word: &str| word.rsplit('=').next().is_some_and(|word| LEVELS.contains(&word));
        let is_right = match self {
            _ if value.trim().is_empty() => true,
            Self::Text => true,
            Self::Path => Path::new(value).is_absolute(),
            Self::Size => return size(setting, value).map(drop),
            Self::Time => return seconds(setting, value).map(drop),
            Self::Switch => is_switch(),
            Self::Part => is_switch() || is_part(),
            Self::Tools => words.all(|word| word.ends_with("=cache")),
            Self::Watch => Watching::named(value).is_some(),
            Self::Log => words.all(level),
        };
        if is_right { Ok(()) } else { Err(self.refuse(setting, value)) }
    }

    pub(super) fn refuse(self, setting: &'static str, value: &str) -> SettingsError {
        let expected = match self {
            Self::Text => "anything",
            Self::Path => "an absolute path",
            Self::Size => "a number with K, M, G or T",
            Self::Time => "a number of seconds, or one with m, h, d or w",
            Self::Switch => "1 or 0",
            Self::Part => "1, 0 or a part such as 0.05",
            Self::Tools => "NAME=cache for each, separated by commas",
            Self::Watch => "0, 1 or at-once",
            Self::Log => "error, warn, info, debug or trace",
        };
        SettingsError::Value { setting, value: value.to_owned(), expected }
    }
}

/// Words for a switch that is off.
const OFF: [&str; 5] = ["", "0", "false", "no", "off"];

/// Words for a switch that is on. Others mean the same, but are told to be none.
const ON: [&str; 4] = ["1", "true", "yes", "on"];

/// Whether a switch is on: set, and none of the words for off.
#[must_use]
pub fn is_on(value: Option<&[u8]>) -> bool {
    value.is_some_and(|value| !is_one_of(&OFF, value))
}

fn is_one_of(words: &[&str], value: &[u8]) -> bool {
    words.iter().any(|word| word.as_bytes().eq_ignore_ascii_case(value.trim_ascii()))
}

/// Which part of the hits is to be compiled and compared, from 0 to 1: what
/// `ZCCACHE_VERIFY` says. What is no number means all.
#[must_use]
pub fn verified_part(value: Option<&[u8]>) -> f64 {
    let Some(value) = value.filter(|value| is_on(Some(value))) else { return 0.0 };
    let number = std::str::from_utf8(value).ok().and_then(|text| text.trim().parse::<f64>().ok());
    number.filter(|number| number.is_finite()).map_or(1.0, |number| number.clamp(0.0, 1.0))
}

/// When inputs are watched, so that they need not be looked at.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum Watching {
    /// Never.
    Off,
    /// A while after a look, beside what is to be done.
    #[default]
    Later,
    /// Before anything else is done.
    AtOnce,
}

impl Watching {
    /// What `ZCCACHE_WATCH` says, empty or unset for the default.
    ///
    /// # Errors
    /// [`SettingsError::Value`] for what it cannot say.
    pub fn read(variable: impl Fn(&str) -> Option<String>) -> Result<Self, SettingsError> {
        let value = variable("ZCCACHE_WATCH").unwrap_or_default();
        Self::named(&value).ok_or_else(|| Kind::Watch.refuse("ZCCACHE_WATCH", value.trim()))
    }

    fn named(value: &str) -> Option<Self> {
        match value.trim() {
            "" | "1" => Some(Self::Later),
            "0" => Some(Self::Off),
            "at-once" => Some(Self::AtOnce),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn switches() {
        for off in ["", "0", "false", "No", "OFF", " 0 "] {
            assert!(!is_on(Some(off.as_bytes())), "{off}");
        }
        assert!(!is_on(None) && is_on(Some(b"1")) && is_on(Some(b"whatever")));
    }

    #[test]
    fn parts() {
        for (text, part) in [("", 0.0), ("0", 0.0), ("1", 1.0), ("0.05", 0.05), ("7", 1.0)] {
            let found = verified_part(Some(text.as_bytes()));
            assert!((found - part).abs() < 1e-9, "{text}: {found}");
        }
        assert!(verified_part(None) < 1e-9);
        assert!(verified_part(Some(b"-1")) < 1e-9);
        assert!(verified_part(Some(b"yes")) > 0.9 && verified_part(Some(b"off")) < 1e-9);
    }
}
