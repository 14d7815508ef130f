//! Settings that are written down in a file: a line for each, its name, `=` and its value;
//! lines that begin with `#` say nothing.

use std::io::{self, Read};
use std::path::PathBuf;

use super::{Author, Setting, SettingsError, TABLE, absolute, of_user};

/// The file of a project, at the root of its checkout.
pub const PROJECT_FILE: &str = ".zccache.conf";

/// What the root of a checkout has in it.
pub const ROOT_MARKS: &[&str] = &[".git", PROJECT_FILE];

/// How much of a file is read, in bytes.
const MOST_BYTES: u64 = 64 << 10;

/// What a file says; an empty one by default.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Written {
    values: Vec<(&'static str, String)>,
    mistakes: Vec<Mistake>,
}

/// A line that says nothing that can be understood.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Mistake {
    /// It is not UTF-8.
    #[error("line {0}: it is no text in UTF-8")]
    NoText(usize),
    /// No name and value.
    #[error("line {0}: write NAME = VALUE")]
    NoValue(usize),
    /// Nothing has this name.
    #[error("line {0}: {1:?} is no setting; 'zccache config' lists them")]
    Unknown(usize, String),
    /// It cannot be said here.
    #[error("line {0}: {1} cannot be set in this file, only in {2}the environment")]
    Elsewhere(usize, &'static str, &'static str),
}

/// The file of the user's settings: `ZCCACHE_CONFIG`, else `zccache/zccache.conf` in the user's
/// directory for settings (XDG Base Directory Specification). None if the user has none.
///
/// # Errors
/// [`SettingsError::Value`] when `ZCCACHE_CONFIG` says it for one working directory only.
pub fn user_file(
    variable: impl Fn(&str) -> Option<PathBuf>,
) -> Result<Option<PathBuf>, SettingsError> {
    let said = absolute("ZCCACHE_CONFIG", &variable)?;
    let usual =
        || Some(of_user(&variable, "XDG_CONFIG_HOME", ".config")?.join("zccache/zccache.conf"));
    Ok(said.or_else(usual))
}

/// Whether a project's file counts for a user, by whom the file and its directory are of: in
/// a directory that all may write to, such as `/tmp`, it may be of anybody.
#[must_use]
pub fn is_trusted(file: u32, directory: u32, user: u32) -> bool {
    file == user || file == 0 || file == directory
}

impl Written {
    /// Reads what somebody has written.
    ///
    /// # Errors
    /// Of reading; [`io::ErrorKind::FileTooLarge`] beyond 64 KiB.
    pub fn read(source: impl Read, author: Author) -> io::Result<Self> {
        let mut text = Vec::new();
        source.take(MOST_BYTES + 1).read_to_end(&mut text)?;
        if text.len() as u64 > MOST_BYTES {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        let mut written = Self::default();
        for (index, line) in text.split(|&byte| byte == b'\n').enumerate() {
            if let Err(mistake) = written.take(line.trim_ascii(), index + 1, author) {
                written.mistakes.push(mistake);
            }
        }
        Ok(written)
    }

    /// Of a setting that is said twice the last value counts.
    fn take(&mut self, line: &[u8], number: usize, author: Author) -> Result<(), Mistake> {
        if line.is_empty() || line.starts_with(b"#") {
            return Ok(());
        }
        let line = std::str::from_utf8(line).map_err(|_| Mistake::NoText(number))?;
        let (name, value) = line.split_once('=').ok_or(Mistake::NoValue(number))?;
        let (name, value) = (name.trim_end(), value.trim_start());
        let named = TABLE.iter().find(|setting| setting.is_called(name));
        let setting = named.ok_or_else(|| Mistake::Unknown(number, name.to_owned()))?;
        if !setting.files.contains(&author) {
            let place = if setting.files.is_empty() { "" } else { "the user's file or " };
            return Err(Mistake::Elsewhere(number, setting.variable, place));
        }
        let quoted = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
        self.values.retain(|(known, _)| *known != setting.variable);
        self.values.push((setting.variable, quoted.unwrap_or(value).to_owned()));
        Ok(())
    }

    /// What is said of a variable.
    #[must_use]
    pub fn value(&self, variable: &str) -> Option<&str> {
        self.values().find_map(|(name, value)| (name == variable).then_some(value))
    }

    /// All that is said, as variables with their values.
    pub fn values(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.values.iter().map(|(variable, value)| (*variable, value.as_str()))
    }

    /// What cannot be understood.
    #[must_use]
    pub fn mistakes(&self) -> &[Mistake] {
        &self.mistakes
    }
}

impl Setting {
    /// Whether this is meant: by `max-size`, `max_size` or its variable.
    fn is_called(&self, name: &str) -> bool {
        self.variable == name || self.name() == name.replace('_', "-")
    }
}

#[cfg(test)]
mod tests {
    use super::super::Kind;
    use super::*;

    fn read(text: &str, author: Author) -> Written {
        Written::read(text.as_bytes(), author).unwrap()
    }

    #[test]
    fn what_is_written_counts() {
        let text = "# mine\n\nmax-size = 5G\n  dir=/big/cache dir  \nmax_age = \"30d\"\nmax-size=6G\n\
                    verify =\n";
        let written = read(text, Author::User);
        assert_eq!(written.mistakes(), []);
        let expected = [
            ("ZCCACHE_DIR", "/big/cache dir"),
            ("ZCCACHE_MAX_AGE", "30d"),
            ("ZCCACHE_MAX_SIZE", "6G"),
            ("ZCCACHE_VERIFY", ""),
        ];
        assert!(written.values().eq(expected), "{written:?}");
        assert_eq!(written.value("ZCCACHE_DIR"), Some("/big/cache dir"));
        assert_eq!(written.value("ZCCACHE_LOG"), None);
    }

    #[test]
    fn what_cannot_be_understood_is_told_and_the_rest_counts() {
        let text = "readonly = 1\nmax-sise = 5G\nverify\ndir = /d\nroot = /r\nexact = 1\n";
        let told = |author| {
            let written = read(text, author);
            let mistakes: Vec<_> = written.mistakes().iter().map(Mistake::to_string).collect();
            assert_eq!(written.value("ZCCACHE_EXACT"), Some("1"));
            mistakes
        };
        let common = [
            "line 2: \"max-sise\" is no setting; 'zccache config' lists them",
            "line 3: write NAME = VALUE",
            "line 5: ZCCACHE_ROOT cannot be set in this file, only in the environment",
        ];
        assert_eq!(told(Author::User), common);
        let project = "line 4: ZCCACHE_DIR cannot be set in this file, only in the user's file or the \
                       environment";
        assert_eq!(told(Author::Project), [common[0], common[1], project, common[2]]);
    }

    #[test]
    fn what_is_no_text_says_nothing() {
        let written =
            Written::read(&b"# f\xfcr\r\nexact = \xff\r\nverify = 1\r\n"[..], Author::User);
        let written = written.unwrap();
        assert_eq!(written.mistakes(), [Mistake::NoText(2)]);
        assert!(written.values().eq([("ZCCACHE_VERIFY", "1")]));
        let error = Written::read(io::repeat(b'#'), Author::User).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::FileTooLarge);
    }

    #[test]
    fn the_file_of_a_user_is_where_the_first_absolute_variable_says() {
        let with = |set: &'static [(&str, &str)]| {
            user_file(move |name| {
                set.iter().find(|(n, _)| *n == name).map(|(_, value)| PathBuf::from(value))
            })
        };
        let config = |text: &str| Ok(Some(PathBuf::from(text)));
        assert_eq!(with(&[("ZCCACHE_CONFIG", "/c"), ("HOME", "/h")]), config("/c"));
        assert_eq!(with(&[("XDG_CONFIG_HOME", "/x")]), config("/x/zccache/zccache.conf"));
        let home = config("/h/.config/zccache/zccache.conf");
        assert_eq!(with(&[("XDG_CONFIG_HOME", "x"), ("HOME", "/h")]), home);
        assert_eq!(with(&[]), Ok(None));
        let relative = with(&[("ZCCACHE_CONFIG", "c")]);
        assert_eq!(relative, Err(Kind::Path.refuse("ZCCACHE_CONFIG", "c")));
    }
}
