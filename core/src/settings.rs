//! Every setting in one table: what it is called, what it means, and its default.

use std::path::{Path, PathBuf};

use crate::Digest;

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
        help: "The store, as an absolute path; each has its own daemon.",
    },
    Setting {
        variable: "ZCCACHE_MAX_SIZE",
        default: "10G",
        help: "Bytes the store may hold; K, M, G and T stand for powers of 1024.",
    },
    Setting {
        variable: "ZCCACHE_MAX_AGE",
        default: "0",
        help: "How long a result is kept that is not used: seconds, or with m, h, d or w behind \
               the number; 0 for as long as there is room.",
    },
    Setting {
        variable: "ZCCACHE_MIN_FREE",
        default: "1G, or a twentieth of the file system if that is less",
        help: "Bytes that the file system of the store is to have left; with less, results are \
               removed and no large one is kept. 0 for none.",
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
        variable: "ZCCACHE_EXACT",
        default: "",
        help: "If set and not 0, each byte of an input counts, also of comments and of macros that \
               nobody mentions. Results that were kept without are not used.",
    },
    Setting {
        variable: "ZCCACHE_ROOT",
        default: "the git worktree around the working directory, else that directory",
        help: "The checkout: results that do not name it are shared with others.",
    },
    Setting {
        variable: "ZCCACHE_TOOLS",
        default: "",
        help: "Tools of yours that are deterministic: NAME=cache, separated by commas.",
    },
    Setting {
        variable: "ZCCACHE_WATCH",
        default: "1",
        help: "If 0, every input of a result is looked at each time; else those are not of which \
               the kernel would have announced a change. at-once has no input looked at twice.",
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

/// The variable that says whether each byte of an input counts.
pub const EXACT: &[u8] = b"ZCCACHE_EXACT";

/// The variable that says where the checkout is.
pub const ROOT: &[u8] = b"ZCCACHE_ROOT";

/// Settings cannot be understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// There is nowhere to keep the store.
    #[error("neither ZCCACHE_DIR, XDG_CACHE_HOME nor HOME is set; set ZCCACHE_DIR")]
    NoStore,
    /// The store is said to be in a place that depends on who looks for it.
    #[error("ZCCACHE_DIR is '{0}'; write an absolute path")]
    Relative(PathBuf),
    /// A size cannot be read.
    #[error("{0} is '{1}'; write a number with K, M, G or T")]
    Size(&'static str, String),
    /// A time cannot be read.
    #[error("{0} is '{1}'; write a number of seconds, or one with m, h, d or w")]
    Time(&'static str, String),
    /// `ZCCACHE_WATCH` is something else.
    #[error("ZCCACHE_WATCH is '{0}'; write 0, 1 or at-once")]
    Watch(String),
}

/// Where the store is: `ZCCACHE_DIR`, else `zccache` in the user's cache
/// directory (XDG Base Directory Specification: relative values are ignored).
///
/// # Errors
/// [`SettingsError::NoStore`] when no variable says where, [`SettingsError::Relative`] when
/// `ZCCACHE_DIR` says it for one working directory only.
pub fn store_directory(
    variable: impl Fn(&str) -> Option<PathBuf>,
) -> Result<PathBuf, SettingsError> {
    let absolute = |name: &str| variable(name).filter(|path| path.is_absolute());
    match variable("ZCCACHE_DIR").filter(|path| !path.as_os_str().is_empty()) {
        Some(directory) if directory.is_absolute() => return Ok(directory),
        Some(directory) => return Err(SettingsError::Relative(directory)),
        None => {}
    }
    if let Some(cache) = absolute("XDG_CACHE_HOME") {
        return Ok(cache.join("zccache"));
    }
    let home = absolute("HOME").ok_or(SettingsError::NoStore)?;
    Ok(home.join(".cache/zccache"))
}

/// Whether all that the variables say can be understood.
///
/// # Errors
/// [`SettingsError`] for the first that cannot.
pub fn check(variable: impl Fn(&str) -> Option<String>) -> Result<(), SettingsError> {
    store_directory(|name| variable(name).map(PathBuf::from))?;
    StoreLimits::read(&variable)?;
    Watching::read(&variable)?;
    Ok(())
}

/// Where the daemon of a store has its home that cannot be written: below
/// `XDG_RUNTIME_DIR`, else in a directory of the user's in `/tmp`.
#[must_use]
pub fn runtime_directory(
    store: &Path,
    user: u32,
    variable: impl Fn(&str) -> Option<PathBuf>,
) -> PathBuf {
    let runtime = variable("XDG_RUNTIME_DIR").filter(|path| path.is_absolute());
    let homes = match runtime {
        Some(runtime) => runtime.join("zccache"),
        None => PathBuf::from(format!("/tmp/zccache-{user}")),
    };
    let name = Digest::of(store.as_os_str().as_encoded_bytes()).to_string();
    homes.join(&name[..16])
}

/// The socket of a daemon, in its home.
#[must_use]
pub fn socket_path(home: &Path) -> PathBuf {
    home.join("daemon.sock")
}

/// The name of the file in the home of a daemon that it has locked while it lives.
pub const LOCK: &str = "lock";

/// Where a launcher notes that a daemon does not answer, in its home.
#[must_use]
pub fn silence_path(home: &Path) -> PathBuf {
    home.join("silent")
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
    /// [`SettingsError::Watch`] for what it cannot say.
    pub fn read(variable: impl Fn(&str) -> Option<String>) -> Result<Self, SettingsError> {
        match variable("ZCCACHE_WATCH").as_deref().map(str::trim) {
            None | Some("" | "1") => Ok(Self::Later),
            Some("0") => Ok(Self::Off),
            Some("at-once") => Ok(Self::AtOnce),
            Some(other) => Err(SettingsError::Watch(other.to_owned())),
        }
    }
}

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
/// [`SettingsError::Size`] when it is none.
pub fn size(name: &'static str, text: &str) -> Result<u64, SettingsError> {
    const UNITS: &[(char, u64)] = &[('K', 1 << 10), ('M', 1 << 20), ('G', 1 << 30), ('T', 1 << 40)];
    let trimmed = text.trim().trim_end_matches(['b', 'B']).trim_end_matches(['i']);
    scaled(trimmed, UNITS).ok_or_else(|| SettingsError::Size(name, text.to_owned()))
}

/// Reads a time such as `90`, `12h` or `30d`, in seconds.
///
/// # Errors
/// [`SettingsError::Time`] when it is none.
pub fn seconds(name: &'static str, text: &str) -> Result<u64, SettingsError> {
    const UNITS: &[(char, u64)] =
        &[('S', 1), ('M', 60), ('H', 3600), ('D', 86_400), ('W', 7 * 86_400)];
    scaled(text.trim(), UNITS).ok_or_else(|| SettingsError::Time(name, text.to_owned()))
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
    fn what_cannot_be_understood_is_told() {
        let with = |name: &'static str, value: &'static str| {
            check(move |asked| match asked {
                "HOME" => Some("/h".to_owned()),
                _ => (asked == name).then(|| value.to_owned()),
            })
        };
        assert_eq!(with("ZCCACHE_MAX_SIZE", "5G"), Ok(()));
        for (name, value) in [
            ("ZCCACHE_DIR", "s"),
            ("ZCCACHE_MAX_SIZE", "abc"),
            ("ZCCACHE_MAX_AGE", "5x"),
            ("ZCCACHE_MIN_FREE", "-1"),
            ("ZCCACHE_WATCH", "maybe"),
        ] {
            let told = with(name, value).unwrap_err().to_string();
            assert!(told.starts_with(&format!("{name} is '{value}'")), "{told}");
        }
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
        let relative = with(&[("ZCCACHE_DIR", "s"), ("HOME", "/h")]);
        assert_eq!(relative, Err(SettingsError::Relative("s".into())));
    }
}
