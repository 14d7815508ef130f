//! What the daemon is started with.

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use zccache_core::limits;
use zccache_core::settings::{self, Author, SettingsError, StoreLimits, Watching, Written};

/// The store to serve, and how.
#[derive(Clone, Debug)]
pub struct Options {
    /// Directory of the store.
    pub store: PathBuf,
    /// Where socket, lock and log are: elsewhere if the store can be read only.
    pub home: PathBuf,
    /// How much the store keeps, and for how long.
    pub limits: StoreLimits,
    /// How long to stay though nobody wants anything.
    pub idle_exit: Duration,
    /// When inputs are watched, so that they need not be looked at.
    pub watching: Watching,
    /// What to log, as `tracing-subscriber` reads it.
    pub log: String,
    /// How long to write what waits for the disk once told to end.
    pub drain_within: Duration,
    /// Whether descriptor 3 is a pipe on which to say that we listen.
    pub says_ready: bool,
}

/// The arguments or settings cannot be understood.
#[derive(Debug, thiserror::Error)]
pub enum OptionsError {
    /// Not `--store DIR`.
    #[error("usage: zccache-daemon [--store DIR [--home DIR] [--ready-pipe]]")]
    Usage,
    /// A setting is wrong.
    #[error(transparent)]
    Settings(#[from] SettingsError),
}

impl Options {
    /// Whether the store can be read only.
    #[must_use]
    pub fn is_read_only(&self) -> bool {
        self.home != self.store
    }

    /// Reads the arguments (without the program), the environment and the user's file of
    /// settings, where that can be read.
    ///
    /// # Errors
    /// [`OptionsError`] when they cannot be understood.
    pub fn parse(mut arguments: impl Iterator<Item = OsString>) -> Result<Self, OptionsError> {
        let variable = |name: &str| std::env::var_os(name).map(PathBuf::from);
        let (mut store, mut home, mut says_ready) = (None, None, false);
        while let Some(flag) = arguments.next() {
            match flag.to_str() {
                Some("--store") => store = arguments.next().map(PathBuf::from),
                Some("--home") => home = arguments.next().map(PathBuf::from),
                Some("--ready-pipe") if store.is_some() => says_ready = true,
                _ => return Err(OptionsError::Usage),
            }
        }
        let file = settings::user_file(variable)?;
        let written = file.and_then(|path| read(&path).ok()).unwrap_or_default();
        let said = |name: &str| {
            std::env::var(name).ok().or_else(|| written.value(name).map(str::to_owned))
        };
        let store = match store {
            Some(store) => store,
            None if home.is_none() => settings::store_directory(|name| {
                variable(name).or_else(|| written.value(name).map(PathBuf::from))
            })?,
            None => return Err(OptionsError::Usage),
        };
        let home = home.unwrap_or_else(|| store.clone());
        let store_limits = StoreLimits::read(said)?;
        let idle_exit = match said("ZCCACHE_IDLE_EXIT") {
            Some(text) if !text.is_empty() => {
                Duration::from_secs(settings::seconds("ZCCACHE_IDLE_EXIT", &text)?)
            }
            _ => limits::IDLE_EXIT,
        };
        let watching = Watching::read(said)?;
        let log = said("ZCCACHE_LOG").filter(|levels| !levels.trim().is_empty());
        Ok(Self {
            store,
            home,
            limits: store_limits,
            idle_exit,
            watching,
            log: log.unwrap_or_else(|| "warn".to_owned()),
            drain_within: limits::DRAIN_WITHIN,
            says_ready,
        })
    }
}

/// Reads the user's file; one that is a pipe is not waited for.
fn read(path: &Path) -> io::Result<Written> {
    let file = File::options().read(true).custom_flags(libc::O_NONBLOCK).open(path)?;
    Written::read(file, Author::User)
}
