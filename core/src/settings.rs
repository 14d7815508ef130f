//! Every setting in one table: what it is called, what it means, and its default.

use std::path::{Path, PathBuf};

/// One setting.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// Environment variable.
    pub variable: &'static str,
    /// Default, as people read it.
    pub default: &'static str,
    /// What it does.
    pub help: &'static str,
}

/// All settings.
pub const TABLE: &[Setting] = &[
    Setting {
        variable: "ZCCACHE_DIR",
        default: "$XDG_CACHE_HOME/zccache, else ~/.cache/zccache",
        help: "The store; each has its own daemon.",
    },
    Setting {
        variable: "ZCCACHE_MAX_SIZE",
        default: "10G",
        help: "Bytes the store may hold; K, M, G and T stand for powers of 1024.",
    },
    Setting {
        variable: "ZCCACHE_IDLE_EXIT",
        default: "600",
        help: "Seconds after which a daemon that nobody wants, and that has no view, ends.",
    },
    Setting {
        variable: "ZCCACHE_DISABLE",
        default: "",
        help: "If set and not 0, the launcher does nothing but run the compiler.",
    },
    Setting {
        variable: "ZCCACHE_READONLY",
        default: "",
        help: "If set and not 0, results are used but none is kept.",
    },
    Setting {
        variable: "ZCCACHE_RECACHE",
        default: "",
        help: "If set and not 0, no result is used but all are kept.",
    },
    Setting {
        variable: "ZCCACHE_VERIFY",
        default: "",
        help: "If 1, hits are compiled all the same and compared; 0.05 does so with one in twenty.",
    },
    Setting {
        variable: "ZCCACHE_ROOT",
        default: "the git worktree around the working directory, else that directory",
        help: "The checkout: results that do not name it are shared with others.",
    },
    Setting {
        variable: "ZCCACHE_SESSION",
        default: "",
        help: "Name under which builds are counted together.",
    },
    Setting {
        variable: "ZCCACHE_LOG",
        default: "warn",
        help: "What the daemon logs: error, warn, info, debug or trace.",
    },
];

/// The variable that says where the checkout is.
pub const ROOT: &[u8] = b"ZCCACHE_ROOT";

/// Settings cannot be understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// There is nowhere to keep the store.
    #[error("neither ZCCACHE_DIR, XDG_CACHE_HOME nor HOME is set; set ZCCACHE_DIR")]
    NoStore,
    /// A size cannot be read.
    #[error("ZCCACHE_MAX_SIZE is '{0}'; write a number with K, M, G or T")]
    Size(String),
    /// A number of seconds cannot be read.
    #[error("ZCCACHE_IDLE_EXIT is '{0}'; write a number of seconds")]
    Seconds(String),
}

/// Where the store is: `ZCCACHE_DIR`, else `zccache` in the user's cache
/// directory (XDG Base Directory Specification: relative values are ignored).
///
/// # Errors
/// [`SettingsError::NoStore`] when no variable says where.
pub fn store_directory(
    variable: impl Fn(&str) -> Option<PathBuf>,
) -> Result<PathBuf, SettingsError> {
    let absolute = |name: &str| variable(name).filter(|path| path.is_absolute());
    if let Some(directory) = absolute("ZCCACHE_DIR") {
        return Ok(directory);
    }
    if let Some(cache) = absolute("XDG_CACHE_HOME") {
        return Ok(cache.join("zccache"));
    }
    let home = absolute("HOME").ok_or(SettingsError::NoStore)?;
    Ok(home.join(".cache/zccache"))
}

/// The socket of the daemon of a store.
#[must_use]
pub fn socket_path(store: &Path) -> PathBuf {
    store.join("daemon.sock")
}

/// The name of the file in a store that its daemon has locked while it lives.
pub const LOCK: &str = "lock";

/// Where a launcher notes that the daemon of a store does not answer.
#[must_use]
pub fn silence_path(store: &Path) -> PathBuf {
    store.join("silent")
}

/// Whether a switch is on: set, not empty and not `0`.
#[must_use]
pub fn is_on(value: Option<&[u8]>) -> bool {
    value.is_some_and(|value| !matches!(value, b"" | b"0"))
}

/// Which part of the hits is to be compiled and compared, from 0 to 1: what
/// `ZCCACHE_VERIFY` says. What is no number means all.
#[must_use]
pub fn verified_part(value: Option<&[u8]>) -> f64 {
    let Some(value) = value.filter(|value| is_on(Some(value))) else { return 0.0 };
    let number = std::str::from_utf8(value).ok().and_then(|text| text.trim().parse::<f64>().ok());
    number.filter(|number| number.is_finite()).map_or(1.0, |number| number.clamp(0.0, 1.0))
}

/// Reads a size such as `500M` or `1.5G`, in bytes.
///
/// # Errors
/// [`SettingsError::Size`] when it is none.
pub fn size(text: &str) -> Result<u64, SettingsError> {
    let bad = || SettingsError::Size(text.to_owned());
    let trimmed = text.trim().trim_end_matches(['b', 'B']).trim_end_matches(['i']);
    let (number, shift) = match trimmed.chars().last().map(|c| c.to_ascii_uppercase()) {
        Some('K') => (&trimmed[..trimmed.len() - 1], 10),
        Some('M') => (&trimmed[..trimmed.len() - 1], 20),
        Some('G') => (&trimmed[..trimmed.len() - 1], 30),
        Some('T') => (&trimmed[..trimmed.len() - 1], 40),
        _ => (trimmed, 0),
    };
    let number: f64 = number.trim().parse().map_err(|_| bad())?;
    if !number.is_finite() || !(0.0..=1e15).contains(&number) {
        return Err(bad());
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked above")]
    Ok((number * (1u64 << shift) as f64) as u64)
}

/// The default of `ZCCACHE_MAX_SIZE`, in bytes.
pub const DEFAULT_MAX_SIZE: u64 = 10 << 30;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        assert_eq!(size("0"), Ok(0));
        assert_eq!(size("500M"), Ok(500 << 20));
        assert_eq!(size("1.5GiB"), Ok(3 << 29));
        assert!(size("many").is_err());
        assert!(size("-1").is_err());
    }

    #[test]
    fn parts() {
        for (text, part) in [("", 0.0), ("0", 0.0), ("1", 1.0), ("0.05", 0.05), ("7", 1.0)] {
            let found = verified_part(Some(text.as_bytes()));
            assert!((found - part).abs() < 1e-9, "{text}: {found}");
        }
        assert!(verified_part(None) < 1e-9);
        assert!(verified_part(Some(b"-1")) < 1e-9);
        assert!(verified_part(Some(b"yes")) > 0.9);
    }

    #[test]
    fn the_store_is_where_the_first_absolute_variable_says() {
        let with = |set: &'static [(&str, &str)]| {
            store_directory(move |name| {
                set.iter().find(|(n, _)| *n == name).map(|(_, value)| PathBuf::from(value))
            })
        };
        assert_eq!(with(&[("ZCCACHE_DIR", "/s"), ("HOME", "/h")]), Ok("/s".into()));
        assert_eq!(with(&[("ZCCACHE_DIR", ""), ("HOME", "/h")]), Ok("/h/.cache/zccache".into()));
        assert_eq!(with(&[("XDG_CACHE_HOME", "/c")]), Ok("/c/zccache".into()));
        assert_eq!(with(&[]), Err(SettingsError::NoStore));
    }
}
