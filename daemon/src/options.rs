//! What the daemon is started with.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use zccache_core::limits;
use zccache_core::settings::{self, SettingsError, StoreLimits, Watching};

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

    /// Reads the arguments (without the program) and the environment.
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
        let store = match store {
            Some(store) => store,
            None if home.is_none() => settings::store_directory(variable)?,
            None => return Err(OptionsError::Usage),
        };
        let home = home.unwrap_or_else(|| store.clone());
        let store_limits = StoreLimits::read(|name| std::env::var(name).ok())?;
        let idle_exit = match std::env::var("ZCCACHE_IDLE_EXIT") {
            Ok(text) if !text.is_empty() => {
                Duration::from_secs(settings::seconds("ZCCACHE_IDLE_EXIT", &text)?)
            }
            _ => limits::IDLE_EXIT,
        };
        let watching = Watching::read(|name| std::env::var(name).ok())?;
        Ok(Self {
            store,
            home,
            limits: store_limits,
            idle_exit,
            watching,
            drain_within: limits::DRAIN_WITHIN,
            says_ready,
        })
    }
}
