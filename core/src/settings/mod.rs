//! Every setting in one table: what it is called, what it means, its default, and where it
//! may be written down.

mod amounts;
mod kind;
mod written;

use std::path::{Path, PathBuf};

use crate::Digest;
pub use amounts::{DEFAULT_MAX_SIZE, StoreLimits, default_reserve, seconds, size};
pub use kind::{Kind, Watching, is_on, verified_part};
pub use written::{Mistake, PROJECT_FILE, ROOT_MARKS, Written, is_trusted, user_file};

/// One setting.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// Environment variable.
    pub variable: &'static str,
    /// What it can be.
    pub kind: Kind,
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
        kind: Kind::Path,
        files: USER,
        default: "$XDG_CACHE_HOME/zccache, else ~/.cache/zccache",
        help: "The store, as an absolute path; each has its own daemon.",
    },
    Setting {
        variable: "ZCCACHE_MAX_SIZE",
        kind: Kind::Size,
        files: USER,
        default: "10G",
        help: "Bytes the store may hold; K, M, G and T stand for powers of 1024.",
    },
    Setting {
        variable: "ZCCACHE_MAX_AGE",
        kind: Kind::Time,
        files: USER,
        default: "0",
        help: "How long a result is kept that is not used: seconds, or with m, h, d or w behind \
               the number; 0 for as long as there is room.",
    },
    Setting {
        variable: "ZCCACHE_MIN_FREE",
        kind: Kind::Size,
        files: USER,
        default: "1G, or a twentieth of the file system if that is less",
        help: "Bytes that the file system of the store is to have left; with less, results are \
               removed and no large one is kept. 0 for none.",
    },
    Setting {
        variable: "ZCCACHE_IDLE_EXIT",
        kind: Kind::Time,
        files: USER,
        default: "600",
        help: "Seconds after which a daemon that nobody wants, and that has no view, ends.",
    },
    Setting {
        variable: "ZCCACHE_DISABLE",
        kind: Kind::Switch,
        files: ANYBODY,
        default: "",
        help: "If on, compilers run as if there were no cache; in the environment nothing else is done.",
    },
    Setting {
        variable: "ZCCACHE_READONLY",
        kind: Kind::Switch,
        files: ANYBODY,
        default: "",
        help: "If on, results are used but none is kept.",
    },
    Setting {
        variable: "ZCCACHE_RECACHE",
        kind: Kind::Switch,
        files: ANYBODY,
        default: "",
        help: "If on, no result is used but all are kept.",
    },
    Setting {
        variable: "ZCCACHE_VERIFY",
        kind: Kind::Part,
        files: ANYBODY,
        default: "",
        help: "If 1, hits are compiled all the same and compared; 0.05 does so with one in twenty.",
    },
    Setting {
        variable: "ZCCACHE_EXACT",
        kind: Kind::Switch,
        files: ANYBODY,
        default: "",
        help: "If on, each byte of an input counts, also of comments and of macros that \
               nobody mentions. Results that were kept without are not used.",
    },
    Setting {
        variable: "ZCCACHE_ROOT",
        kind: Kind::Text,
        files: &[],
        default: "the git worktree, or the directory with a .zccache.conf, around the working directory, \
                  else that directory",
        help: "The checkout: results that do not name it are shared with others.",
    },
    Setting {
        variable: "ZCCACHE_TOOLS",
        kind: Kind::Tools,
        files: ANYBODY,
        default: "",
        help: "Tools of yours that are deterministic: NAME=cache, separated by commas.",
    },
    Setting {
        variable: "ZCCACHE_WATCH",
        kind: Kind::Watch,
        files: USER,
        default: "1",
        help: "If 0, every input of a result is looked at each time; else those are not of which \
               the kernel would have announced a change. at-once has no input looked at twice.",
    },
    Setting {
        variable: "ZCCACHE_SESSION",
        kind: Kind::Text,
        files: ANYBODY,
        default: "",
        help: "Name under which builds are counted together.",
    },
    Setting {
        variable: "ZCCACHE_LOG",
        kind: Kind::Log,
        files: USER,
        default: "warn",
        help: "What the daemon logs: error, warn, info, debug or trace.",
    },
    Setting {
        variable: "ZCCACHE_CONFIG",
        kind: Kind::Path,
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
pub const EXACT: &str = "ZCCACHE_EXACT";

/// The variable that says where the checkout is.
pub const ROOT: &str = "ZCCACHE_ROOT";

/// Settings cannot be understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// There is nowhere to keep the store.
    #[error("neither ZCCACHE_DIR, XDG_CACHE_HOME nor HOME is set; set ZCCACHE_DIR")]
    NoStore,
    /// A setting is what it cannot be.
    #[error("{setting} is '{value}'; write {expected}")]
    Value {
        /// Its variable.
        setting: &'static str,
        /// What it is.
        value: String,
        /// What it can be.
        expected: &'static str,
    },
}

/// Where the store is: `ZCCACHE_DIR`, else `zccache` in the user's cache
/// directory (XDG Base Directory Specification: relative values are ignored).
///
/// # Errors
/// [`SettingsError::NoStore`] when no variable says where, [`SettingsError::Value`] when
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
        Some(path) if !path.is_absolute() => {
            Err(Kind::Path.refuse(setting, &path.to_string_lossy()))
        }
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

/// Whether all that the variables say can be understood, each empty or unset for its default.
///
/// # Errors
/// [`SettingsError`] for the first that cannot.
pub fn check(variable: impl Fn(&str) -> Option<String>) -> Result<(), SettingsError> {
    store_directory(|name| variable(name).map(PathBuf::from))?;
    TABLE.iter().try_for_each(|setting| match variable(setting.variable) {
        Some(value) => setting.kind.check(setting.variable, &value),
        None => Ok(()),
    })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_understood_is_told() {
        let with = |name: &'static str, value: &'static str| {
            check(move |asked| match asked {
                "HOME" => Some("/h".to_owned()),
                _ => (asked == name).then(|| value.to_owned()),
            })
        };
        for (name, value) in [
            ("ZCCACHE_MAX_SIZE", "5G"),
            ("ZCCACHE_READONLY", "no"),
            ("ZCCACHE_VERIFY", "0.05"),
            ("ZCCACHE_TOOLS", "a=cache, b=cache"),
            ("ZCCACHE_LOG", "warn,zccache_daemon=debug"),
            ("ZCCACHE_WATCH", ""),
        ] {
            assert_eq!(with(name, value), Ok(()), "{name}");
        }
        for (name, value) in [
            ("ZCCACHE_DIR", "s"),
            ("ZCCACHE_MAX_SIZE", "abc"),
            ("ZCCACHE_MAX_AGE", "5x"),
            ("ZCCACHE_MIN_FREE", "-1"),
            ("ZCCACHE_WATCH", "maybe"),
            ("ZCCACHE_IDLE_EXIT", "soon"),
            ("ZCCACHE_READONLY", "0 # not now"),
            ("ZCCACHE_VERIFY", "5%"),
            ("ZCCACHE_TOOLS", "gen.py"),
            ("ZCCACHE_LOG", "loud"),
            ("ZCCACHE_CONFIG", "c"),
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
        assert_eq!(relative, Err(Kind::Path.refuse("ZCCACHE_DIR", "s")));
    }
}
