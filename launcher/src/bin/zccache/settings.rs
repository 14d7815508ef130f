//! `zccache config`: what the settings are here, and where each is set.

use std::fmt::Display;
use std::io::ErrorKind::NotFound;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use nix::unistd::geteuid;
use serde_json::{Value, json};
use zccache_core::settings::{
    self, Author, PROJECT_FILE, ROOT_MARKS, Setting, SettingsError, StoreLimits, Written,
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
    let files = Files::read()?;
    if as_json {
        let all = settings::TABLE.iter().map(|setting| {
            let (value, source) = files.value(setting.variable).unzip();
            let told = json!({ "value": value, "default": setting.default, "source": source });
            (setting.variable.to_owned(), told)
        });
        print_json(&Value::Object(all.collect()));
    } else {
        settings::TABLE.iter().for_each(|setting| files.print(setting));
    }
    files.complaints.iter().for_each(|complaint| eprintln!("zccache: {complaint}"));
    files.check()?;
    Ok(if files.complaints.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What is wrong with the settings, in a line each.
pub(crate) fn complaints() -> Vec<String> {
    let checked = Files::read().and_then(|files| files.check().map(|()| files.complaints));
    checked.unwrap_or_else(|error| vec![error.to_string()])
}

/// What is written in files, first what counts first, and what of it cannot count.
#[derive(Default)]
struct Files {
    read: Vec<(PathBuf, Written)>,
    complaints: Vec<String>,
}

impl Files {
    fn read() -> Result<Self, SettingsError> {
        let mut files = Self::default();
        if let Some(path) = project_file() {
            if is_trusted(&path) {
                files.add(path, Author::Project, false);
            } else {
                let complaint =
                    format!("{}: does not count: it is a link, or not yours", path.display());
                files.complaints.push(complaint);
            }
        }
        if let Some(path) = settings::user_file(variable)? {
            files.add(path, Author::User, variable("ZCCACHE_CONFIG").is_some());
        }
        Ok(files)
    }

    fn add(&mut self, path: PathBuf, author: Author, must_exist: bool) {
        let complain = |what: &dyn Display| format!("{}: {what}", path.display());
        match read(&path, author) {
            Ok(written) => {
                let mistakes = written.mistakes().iter().map(|mistake| complain(mistake));
                self.complaints.extend(mistakes);
                self.read.push((path, written));
            }
            Err(error) if error.kind() == NotFound && !must_exist => {}
            Err(error) => self.complaints.push(complain(&error)),
        }
    }

    /// Whether all values can be understood.
    fn check(&self) -> Result<(), SettingsError> {
        settings::check(|name| self.value(name).map(|(value, _)| value))
    }

    /// The value of a setting, and where it comes from.
    fn value(&self, name: &str) -> Option<(String, String)> {
        let environment = || Some((text(variable(name)?), "environment".to_owned()));
        let written = |(path, written): &(PathBuf, Written)| {
            Some((written.value(name)?.to_owned(), path.display().to_string()))
        };
        environment().or_else(|| self.read.iter().find_map(written))
    }

    fn print(&self, setting: &Setting) {
        let value = match self.value(setting.variable) {
            Some((value, source)) => format!("{value}  (set in: {source})"),
            None => setting.default.to_owned(),
        };
        let place = match setting.files {
            [] => String::new(),
            [Author::User] => format!(" In the user's file: {}.", setting.name()),
            _ => format!(" In files: {}.", setting.name()),
        };
        println!("{:<18} {value}\n{:<18} {}{place}", setting.variable, "", setting.help);
    }
}

/// The file of the project that the working directory is in, as the daemon finds it.
fn project_file() -> Option<PathBuf> {
    let configured = variable("ZCCACHE_ROOT").filter(|root| !root.as_os_str().is_empty());
    let here = std::env::current_dir().ok()?;
    let is_root = |directory: &&Path| ROOT_MARKS.iter().any(|name| directory.join(name).exists());
    let root = || here.ancestors().find(is_root).unwrap_or(&here).to_owned();
    let root = configured.unwrap_or_else(root);
    root.is_absolute().then(|| root.join(PROJECT_FILE))
}

/// Whether the file, if there is one, counts for this user.
fn is_trusted(path: &Path) -> bool {
    let directory = path.parent().unwrap_or(path).metadata();
    let (Ok(file), Ok(directory)) = (path.symlink_metadata(), directory) else { return true };
    let is_ours = settings::is_trusted(file.uid(), directory.uid(), geteuid().as_raw());
    is_ours && !file.is_symlink()
}

fn text(path: PathBuf) -> String {
    path.to_string_lossy().into_owned()
}
