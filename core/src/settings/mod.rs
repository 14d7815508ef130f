//! Every setting in one table: what it is called, what it means, its default, and where it
//! may be written down.

mod amounts;
mod written;

use std::path::{Path, PathBuf};

use crate::Digest;
pub use amounts::{DEFAULT_MAX_SIZE, StoreLimits, default_reserve, seconds, size};
pub use written::{Mistake, PROJECT_FILE, Written, is_trusted, user_file};

/// One setting.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// Environment variable.
    pub variable: &'static str,
    /// Whose files may say it where the variable is not set.
    pub files: &'static [Author],
    /// Default, as people read it.
    pub default: &'static str,
    /// What it does.
    pub help: &'static str,
}

/// Whose file it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Author {
    /// The user's, [`user_file`].
    User,
    /// A project's, [`PROJECT_FILE`] at the root of a checkout. It counts before the user's.
    Project,
}

/// What is of the user, or of the machine: no project can say it.
const USER: &[Author] = &[Author::User];

/// What can be said for a compile.
const ANYBODY: &[Author] = &[Author::User, Author::Project];

/// All settings.
pub const TABLE: &[Setting] = &[
    Setting {
        variable: "ZCCACHE_DIR",
        files: USER,
        default: "$XDG_CACHE_HOME/zccache, else ~/.cache/zccache",
        help: "The store, as an absolute path; each has its own daemon.",
    },
    Setting {
        variable: "ZCCACHE_MAX_SIZE",
        files: USER,
        default: "10G",
        help: "Bytes the store may hold; K, M, G and T stand for powers of 1024.",
    },
    Setting {
        variable: "ZCCACHE_MAX_AGE",
        files: USER,
        default: "0",
        help: "How long a result is kept that is not used: seconds, or with m, h, d or w behind \
               the number; 0 for as long as there is room.",
    },
    Setting {
        variable: "ZCCACHE_MIN_FREE",
        files: USER,
        default: "1G, or a twentieth of the file system if that is less",
        help: "Bytes that the file system of the store is to have left; with less, results are \
               removed and no large one is kept. 0 for none.",
    },
    Setting {
        variable: "ZCCACHE_IDLE_EXIT",
        files: USER,
        default: "600",
        help: "Seconds after which a daemon that nobody wants, and that has no view, ends.",
    },
    Setting {
        variable: "ZCCACHE_DISABLE",
        files: ANYBODY,
        default: "",
        help: "If set and not 0, the launcher does nothing but run the compiler.",
    },
    Setting {
        variable: "ZCCACHE_READONLY",
        files: ANYBODY,
        default: "",
        help: "If set and not 0, results are used but none is kept.",
    },
    Setting {
        variable: "ZCCACHE_RECACHE",
        files: ANYBODY,
        default: "",
        help: "If set and not 0, no result is used but all are kept.",
    },
    Setting {
        variable: "ZCCACHE_VERIFY",
        files: ANYBODY,
        default: "",
        help: "If 1, hits are compiled all the same and compared; 0.05 does so with one in twenty.",
    },
    Setting {
        variable: "ZCCACHE_EXACT",
        files: ANYBODY,
        default: "",
        help: "If set and not 0, each byte of an input counts, also of comments and of macros that \
               nobody mentions. Results that were kept without are not used.",
    },
    Setting {
        variable: "ZCCACHE_ROOT",
        files: &[],
        default: "the git worktree, or the directory with a .zccache.conf, around the working directory, \
                  else that directory",
        help: "The checkout: results that do not name it are shared with others.",
    },
    Setting {
        variable: "ZCCACHE_TOOLS",
        files: ANYBODY,
        default: "",
        help: "Tools of yours that are deterministic: NAME=cache, separated by commas.",
    },
    Setting {
        variable: "ZCCACHE_WATCH",
        files: USER,
        default: "1",
        help: "If 0, every input of a result is looked at each time; else those are not of which \
               the kernel would have announced a change. at-once has no input looked at twice.",
    },
    Setting {
        variable: "ZCCACHE_SESSION",
        files: ANYBODY,
        default: "",
        help: "Name under which builds are counted together.",
    },
    Setting {
        variable: "ZCCACHE_LOG",
        files: USER,
        default: "warn",
        help: "What the daemon logs: error, warn, info, debug or trace.",
    },
    Setting {
        variable: "ZCCACHE_CONFIG",
        files: &[],
        default: "$XDG_CONFIG_HOME/zccache/zccache.conf, else ~/.config/zccache/zccache.conf",
        help: "The file of the user's settings, as an absolute path.",
    },
];

impl Setting {
    /// What it is called in a file: `max-size` for `ZCCACHE_MAX_SIZE`.
    #[must_use]
    pub fn name(&self) -> String {
        self.variable.trim_start_matches("ZCCACHE_").to_lowercase().replace('_', "-")
    }
}

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
    /// What is said to be somewhere is so only for who is in some directory.
    #[error("{0} is '{1}'; write an absolute path")]
    Relative(&'static str, PathBuf),
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
    if let Some(directory) = absolute("ZCCACHE_DIR", &variable)? {
        return Ok(directory);
    }
    let caches = of_user(&variable, "XDG_CACHE_HOME", ".cache").ok_or(SettingsError::NoStore)?;
    Ok(caches.join("zccache"))
}

/// The absolute path that a setting is to be, if it is set.
fn absolute(
    setting: &'static str,
    variable: impl Fn(&str) -> Option<PathBuf>,
) -> Result<Option<PathBuf>, SettingsError> {
    match variable(setting).filter(|path| !path.as_os_str().is_empty()) {
        Some(path) if !path.is_absolute() => Err(SettingsError::Relative(setting, path)),
        path => Ok(path),
    }
}

/// A directory of the XDG Base Directory Specification: what its variable says, else what is
/// the default in the user's home; relative values are ignored.
fn of_user(
    variable: impl Fn(&str) -> Option<PathBuf>,
    name: &str,
    default: &str,
) -> Option<PathBuf> {
    let absolute = |name: &str| variable(name).filter(|path| path.is_absolute());
    absolute(name).or_else(|| Some(absolute("HOME")?.join(default)))
}

/// Whether all that the variables say can be understood.
///
/// # Errors
/// [`SettingsError`] for the first that cannot.
pub fn check(variable: impl Fn(&str) -> Option<String>) -> Result<(), SettingsError> {
    let path = |name: &str| variable(name).map(PathBuf::from);
    store_directory(path)?;
    user_file(path)?;
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

#[cfg(test)]
mod tests {
    use super::*;

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
        assert_eq!(relative, Err(SettingsError::Relative("ZCCACHE_DIR", "s".into())));
    }
}
