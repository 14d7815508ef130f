//! Where the programs under test are.

use std::path::{Path, PathBuf};

/// The directory of the three programs under test.
#[derive(Clone, Debug)]
pub struct Programs(PathBuf);

impl Programs {
    /// The directory that `ZCCACHE_BIN_DIR` names, else `programs` in the target
    /// directory of the running test or benchmark, where scripts/build puts them.
    ///
    /// # Panics
    /// When a program is missing there.
    #[must_use]
    pub fn locate() -> Self {
        let directory = std::env::var_os("ZCCACHE_BIN_DIR").map_or_else(beside_this, PathBuf::from);
        let directory = directory.canonicalize().unwrap_or(directory);
        let programs = Self(directory);
        for program in [programs.launcher(), programs.daemon(), programs.control()] {
            assert!(
                program.is_file(),
                "{} is missing: run scripts/test, or scripts/build",
                program.display()
            );
        }
        programs
    }

    /// Copies of them with another daemon, in a new directory.
    ///
    /// # Panics
    /// When they cannot be copied.
    #[must_use]
    pub fn with_daemon(&self, daemon: &Path, directory: PathBuf) -> Self {
        std::fs::create_dir(&directory).expect("a directory");
        let others = Self(directory);
        let copies = [
            (self.launcher(), others.launcher()),
            (self.control(), others.control()),
            (daemon.to_owned(), others.daemon()),
        ];
        for (from, to) in copies {
            std::fs::copy(from, to).expect("a program can be copied");
        }
        others
    }

    /// The directory they are in.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.0
    }

    /// `zccache-launch`.
    #[must_use]
    pub fn launcher(&self) -> PathBuf {
        self.0.join("zccache-launch")
    }

    /// `zccache-daemon`.
    #[must_use]
    pub fn daemon(&self) -> PathBuf {
        self.0.join("zccache-daemon")
    }

    /// `zccache`.
    #[must_use]
    pub fn control(&self) -> PathBuf {
        self.0.join("zccache")
    }
}

/// `target/programs`, from `target/TRIPLE/PROFILE/deps/NAME`.
fn beside_this() -> PathBuf {
    let this = std::env::current_exe().expect("the running program has a path");
    let target = this.ancestors().nth(4).expect("cargo puts tests four levels deep");
    target.join("programs")
}
