//! What the daemon is started with.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use zccache_core::limits;
use zccache_core::settings::{self, SettingsError, StoreLimits};

/// The store to serve, and how.
#[derive(Clone, Debug)]
pub struct Options {
    /// Directory of the store.
    pub store: PathBuf,
    /// How much the store keeps, and for how long.
    pub limits: StoreLimits,
    /// How long to stay though nobody wants anything.
    pub idle_exit: Duration,
    /// Whether descriptor 3 is a pipe on which to say that we listen.
    pub says_ready: bool,
}

/// The arguments or settings cannot be understood.
#[derive(Debug, thiserror::Error)]
pub enum OptionsError {
    /// Not `--store DIR`.
    #[error("usage: zccache-daemon [--store DIR [--ready-pipe]]")]
    Usage,
    /// A setting is wrong.
    #[error(transparent)]
    Settings(#[from] SettingsError),
}

impl Options {
    /// Reads the arguments (without the program) and the environment.
    ///
    /// # Errors
    /// [`OptionsError`] when they cannot be understood.
    pub fn parse(mut arguments: impl Iterator<Item = OsString>) -> Result<Self, OptionsError> {
        let variable = |name: &str| std::env::var_os(name).map(PathBuf::from);
        let store = match (arguments.next(), arguments.next()) {
            (None, None) => settings::store_directory(variable)?,
            (Some(flag), Some(directory)) if flag == "--store" => directory.into(),
            _ => return Err(OptionsError::Usage),
        };
        let says_ready = match (arguments.next(), arguments.next()) {
            (None, None) => false,
            (Some(flag), None) if flag == "--ready-pipe" => true,
            _ => return Err(OptionsError::Usage),
        };
        let store_limits = StoreLimits::read(|name| std::env::var(name).ok())?;
        let idle_exit = match std::env::var("ZCCACHE_IDLE_EXIT") {
            Ok(text) if !text.is_empty() => {
                Duration::from_secs(settings::seconds("ZCCACHE_IDLE_EXIT", &text)?)
            }
            _ => limits::IDLE_EXIT,
        };
        Ok(Self { store, limits: store_limits, idle_exit, says_ready })
    }
}
