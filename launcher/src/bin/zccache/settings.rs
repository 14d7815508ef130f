//! `zccache config`: what the settings are here, and where each is set.

use std::io::ErrorKind::NotFound;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use nix::unistd::geteuid;
use serde_json::{Value, json};
use zccache_core::settings::{
    self, Author, PROJECT_FILE, Setting, SettingsError, StoreLimits, Written,
};
use zccache_launcher::written::{or_written, read};

use crate::client::CommandError;
use crate::show::print_json;

/// What the environment says of a variable.
pub(crate) fn variable(name: &str) -> Option<PathBuf> {
    std::env::var_os(name).map(PathBuf::from)
}

/// The limits that a daemon will read when it starts.
///
/// # Errors
/// As [`StoreLimits::read`].
pub(crate) fn limits() -> Result<StoreLimits, SettingsError> {
    let said = or_written(variable);
    StoreLimits::read(|name| said(name).map(text))
}

/// Prints every setting with its value, then what is wrong, and fails if anything is.
///
/// # Errors
/// [`CommandError::Settings`] for a value that nobody can understand.
pub(crate) fn show(as_json: bool) -> Result<ExitCode, CommandError> {
    let (files, is_readable) = Files::read()?;
    if as_json {
        let all = settings::TABLE.iter().map(|setting| {
            let value = files.value(setting.variable);
            let (value, source) = value.unzip();
            let told = json!({ "value": value, "default": setting.default, "source": source });
            (setting.variable.to_owned(), told)
        });
        print_json(&Value::Object(all.collect()));
    } else {
        settings::TABLE.iter().for_each(|setting| files.print(setting));
    }
    settings::check(|name| files.value(name).map(|(value, _)| value))?;
    Ok(if files.tell_mistakes() && is_readable { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What is written in files, first what counts first.
struct Files(Vec<(PathBuf, Written)>);

impl Files {
    /// Reads them, and says which cannot be read; returns whether all could.
    fn read() -> Result<(Self, bool), SettingsError> {
        let project = project_file().map(|path| (path, Author::Project));
        let user = settings::user_file(variable)?.map(|path| (path, Author::User));
        let is_named = variable("ZCCACHE_CONFIG").is_some();
        let mut files = Vec::new();
        let mut is_readable = true;
        for (path, author) in project.into_iter().chain(user) {
            if author == Author::Project && !is_trusted(&path) {
                eprintln!("zccache: {}: does not count: it is not yours", path.display());
                is_readable = false;
                continue;
            }
            match read(&path, author) {
                Ok(written) => files.push((path, written)),
                Err(error) if error.kind() == NotFound && !(author == Author::User && is_named) => {
                }
                Err(error) => {
                    eprintln!("zccache: {}: {error}", path.display());
                    is_readable = false;
                }
            }
        }
        Ok((Self(files), is_readable))
    }

    /// The value of a setting, and where it comes from.
    fn value(&self, name: &str) -> Option<(String, String)> {
        let environment = || Some((text(variable(name)?), "environment".to_owned()));
        let written = |(path, written): &(PathBuf, Written)| {
            Some((written.value(name)?.to_owned(), path.display().to_string()))
        };
        environment().or_else(|| self.0.iter().find_map(written))
    }

    fn print(&self, setting: &Setting) {
        let value = match self.value(setting.variable) {
            Some((value, source)) => format!("{value}  (set in: {source})"),
            None => setting.default.to_owned(),
        };
        println!("{:<18} {value}\n{:<18} {}", setting.variable, "", setting.help);
    }

    /// Says what cannot be understood; returns whether all can.
    fn tell_mistakes(&self) -> bool {
        let mistakes = |(path, written): &(PathBuf, Written)| {
            for mistake in written.mistakes() {
                eprintln!("zccache: {}: {mistake}", path.display());
            }
            written.mistakes().is_empty()
        };
        self.0.iter().map(mistakes).fold(true, |all, one| all & one)
    }
}

/// The file of the project that the working directory is in, as the daemon finds it.
fn project_file() -> Option<PathBuf> {
    let configured = variable("ZCCACHE_ROOT");
    let here = std::env::current_dir().ok()?;
    let is_root =
        |directory: &&Path| [".git", PROJECT_FILE].iter().any(|name| directory.join(name).exists());
    let root = || here.ancestors().find(is_root).unwrap_or(&here).to_owned();
    Some(configured.unwrap_or_else(root).join(PROJECT_FILE))
}

/// Whether the file, if there is one, counts for this user.
fn is_trusted(path: &Path) -> bool {
    let owner = |path: &Path| path.metadata().map(|found| found.uid());
    let (file, directory) = (owner(path), owner(path.parent().unwrap_or(path)));
    let (Ok(file), Ok(directory)) = (file, directory) else { return true };
    settings::is_trusted(file, directory, geteuid().as_raw())
}

fn text(path: PathBuf) -> String {
    path.to_string_lossy().into_owned()
}
