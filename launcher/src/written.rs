//! Settings that are written down in files.

use std::fs::File;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use zccache_core::settings::{self, Author, Written};

/// What is written in a file. One that is a pipe is not waited for.
///
/// # Errors
/// Of opening and reading, and as [`Written::read`].
pub fn read(path: &Path, author: Author) -> io::Result<Written> {
    let file = File::options().read(true).custom_flags(libc::O_NONBLOCK).open(path)?;
    Written::read(file, author)
}

/// What the variables say, and where they say nothing the user's file, if that can be read.
/// That is opened only if such a variable is asked for.
pub fn or_written(variable: impl Fn(&str) -> Option<PathBuf>) -> impl Fn(&str) -> Option<PathBuf> {
    move |name| {
        let written = || {
            let file = settings::user_file(&variable).ok()??;
            let written = read(&file, Author::User).ok()?;
            written.value(name).map(PathBuf::from)
        };
        variable(name).or_else(|| name.starts_with("ZCCACHE_").then(written)?)
    }
}
