//! The file of the index, as redb uses it.

use std::fmt;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use redb::StorageBackend;

use super::{Gate, Step};

/// A file behind the gate. It takes no locks: the lock of the directory keeps
/// other processes away.
pub(crate) struct IndexFile {
    file: File,
    gate: Arc<Gate>,
}

impl IndexFile {
    pub(super) fn new(file: File, gate: Arc<Gate>) -> Self {
        Self { file, gate }
    }
}

impl fmt::Debug for IndexFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.file.fmt(f)
    }
}

impl StorageBackend for IndexFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        (self.gate)(Step::Read)?;
        self.file.read_exact_at(out, offset)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        (self.gate)(Step::WriteIndex)?;
        self.file.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        (self.gate)(Step::SyncIndex)?;
        self.file.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        (self.gate)(Step::WriteIndex)?;
        self.file.write_all_at(data, offset)
    }
}
