//! The log of a daemon.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::sync::Mutex;

use zccache_core::limits;

use crate::Options;

/// The log; nowhere if the home cannot be written.
#[must_use]
pub fn log_file(options: &Options) -> Mutex<Box<dyn Write + Send>> {
    Mutex::new(match Log::open(options.home.join("daemon.log"), limits::LOG_BYTES) {
        Ok(log) => Box::new(log),
        Err(_) => Box::new(io::sink()),
    })
}

/// A file that is begun anew when it would grow too long; the last one is kept beside
/// it, with `.old` behind its name.
struct Log {
    path: PathBuf,
    file: File,
    length: u64,
    longest: u64,
}

impl Log {
    fn open(path: PathBuf, longest: u64) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        options.append(true).create(true).mode(0o600).custom_flags(libc::O_NOFOLLOW);
        let file = options.open(&path)?;
        let length = file.metadata()?.len();
        Ok(Self { path, file, length, longest })
    }

    fn begin_anew(&mut self) -> io::Result<()> {
        fs::rename(&self.path, self.path.with_extension("log.old"))?;
        *self = Self::open(self.path.clone(), self.longest)?;
        Ok(())
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.length > 0 && self.length + bytes.len() as u64 > self.longest {
            self.begin_anew()?;
        }
        let written = self.file.write(bytes)?;
        self.length += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_log_is_begun_anew_and_the_last_one_kept() {
        let home = tempfile::tempdir().unwrap();
        let (path, old) = (home.path().join("daemon.log"), home.path().join("daemon.log.old"));
        for number in 0..6 {
            let mut log = Log::open(path.clone(), 10).unwrap();
            log.write_all(format!("line{number}").as_bytes()).unwrap();
        }
        assert_eq!(fs::read_to_string(&old).unwrap(), "line2line3");
        assert_eq!(fs::read_to_string(&path).unwrap(), "line4line5");
        Log::open(path.clone(), 10).unwrap().write_all(&[b'x'; 20]).unwrap();
        assert_eq!(fs::read(&path).unwrap(), [b'x'; 20]);
        assert_eq!(fs::read_to_string(&old).unwrap(), "line4line5");
    }
}
