use nix::sys::stat::fstat;
use zccache_fs::ViewDirectory;

/// The directory below one of a view, watched instead of that. The view gives it a time
/// stamp whenever it projects a file there, which is announced as if its owner or mode
/// had changed.
#[derive(Debug)]
pub(super) struct BelowView {
    /// Held, so that its number is not used again.
    directory: ViewDirectory,
    id: (u64, u64),
    access: Access,
}

/// Who may go through a directory, apart from access lists.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Access {
    mode: u32,
    owner: (u32, u32),
}

impl BelowView {
    /// A directory that is watched already.
    pub(super) fn new(directory: ViewDirectory) -> nix::Result<Self> {
        let (id, access) = look(&directory)?;
        Ok(Self { directory, id, access })
    }

    /// Its device and inode number.
    pub(super) fn id(&self) -> (u64, u64) {
        self.id
    }

    /// Whether the same may go through it as before.
    pub(super) fn is_as_it_was(&self) -> bool {
        look(&self.directory).is_ok_and(|(_, access)| access == self.access)
    }
}

fn look(directory: &ViewDirectory) -> nix::Result<((u64, u64), Access)> {
    let stat = fstat(directory)?;
    let access = Access { mode: stat.st_mode, owner: (stat.st_uid, stat.st_gid) };
    Ok(((stat.st_dev, stat.st_ino), access))
}
