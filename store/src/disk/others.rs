//! What other versions of this program keep in the same directory.

use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::directory::{BLOBS, FORMAT, FORMAT_DIRECTORY, INDEX, STAGING, UNCLEAN, remove_tree};
use super::{Gate, Step};

/// How the directories of formats begin.
const PREFIX: &str = "store-";

/// What formats up to the fifth kept in the directory itself, the marker last: while
/// it is there, there is something to be removed.
const OLDEST: [&str; 6] = [INDEX, BLOBS, STAGING, UNCLEAN, "set-aside", FORMAT];

/// Removes the stores of other formats that were not written since a time in seconds;
/// with none, all. The lock of the directory keeps their daemons away.
pub(super) fn remove(top: &Path, unless_since: Option<u64>, gate: &Gate) -> io::Result<()> {
    for store in found(top)? {
        let is_used = unless_since.is_some_and(|time| written(&store) >= time);
        if is_used {
            continue;
        }
        let parts =
            if store == top { OLDEST.map(|name| top.join(name)).to_vec() } else { vec![store] };
        for part in parts {
            gate(Step::Remove)?;
            remove_tree(&part)?;
        }
    }
    Ok(())
}

fn found(top: &Path) -> io::Result<Vec<PathBuf>> {
    let mut stores = Vec::new();
    for entry in fs::read_dir(top)? {
        let name = entry?.file_name();
        let is_format = name.to_str().is_some_and(|name| name.starts_with(PREFIX));
        if is_format && name != FORMAT_DIRECTORY {
            stores.push(top.join(name));
        } else if name == FORMAT {
            stores.push(top.to_owned());
        }
    }
    Ok(stores)
}

/// When a store was last written, in seconds: every use of one writes its index.
fn written(store: &Path) -> u64 {
    let modified = |name| match store.join(name).symlink_metadata() {
        Ok(metadata) => u64::try_from(metadata.mtime()).unwrap_or(0),
        Err(error) if error.kind() == ErrorKind::NotFound => 0,
        // It cannot be told: it stays.
        Err(_) => u64::MAX,
    };
    [INDEX, FORMAT].map(modified).into_iter().max().unwrap_or(u64::MAX)
}
