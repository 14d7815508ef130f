//! Where a view may be: over no directory that the system or the daemon needs
//! in order to answer for the view.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::sys::statfs::{FsType, statfs};

use crate::mount::Obstacle;

/// Where device files are. A container has a tmpfs there, and devtmpfs passes
/// itself off as one (`drivers/base/devtmpfs.c`).
const DEVICES: &str = "/dev";

/// File systems that show what the kernel knows (`linux/magic.h`).
const SHOWN_BY_THE_KERNEL: [FsType; 20] = [
    FsType(0x9fa0),      // proc
    FsType(0x6265_6572), // sysfs
    FsType(0x0027_e0eb), // cgroup
    FsType(0x6367_7270), // cgroup2
    FsType(0x6462_6720), // debugfs
    FsType(0x7472_6163), // tracefs
    FsType(0x7363_6673), // securityfs
    FsType(0xcafe_4a11), // bpf
    FsType(0x1cd1),      // devpts
    FsType(0x9584_58f6), // hugetlbfs
    FsType(0xf97c_ff8c), // selinuxfs
    FsType(0x4249_4e4d), // binfmt_misc
    FsType(0x0187),      // autofs
    FsType(0x6e73_6673), // nsfs
    FsType(0x1980_0202), // mqueue
    FsType(0x6165_676c), // pstore
    FsType(0xde5e_81e4), // efivarfs
    FsType(0x6265_6570), // configfs
    FsType(0x6573_5543), // fusectl
    FsType(0x0765_5821), // resctrl
];

/// Whether a view may be mounted over a directory, named by its real path.
pub(crate) fn examine(directory: &Path) -> Result<(), Obstacle> {
    if directory == Path::new("/") {
        return Err(Obstacle::Root);
    }
    if is_of_the_kernel(directory)? || is_of_devices(directory)? {
        return Err(Obstacle::NoFiles);
    }
    match real_store() {
        Some(store) if store.starts_with(directory) || directory.starts_with(&store) => {
            Err(Obstacle::Store(store))
        }
        _ => Ok(()),
    }
}

fn is_of_the_kernel(directory: &Path) -> std::io::Result<bool> {
    let kind = statfs(directory)?.filesystem_type();
    Ok(SHOWN_BY_THE_KERNEL.contains(&kind))
}

/// Other file systems below `/dev` are as good as any: `/dev/shm` is one.
fn is_of_devices(directory: &Path) -> std::io::Result<bool> {
    if !directory.starts_with(DEVICES) {
        return Ok(false);
    }
    Ok(directory.metadata()?.dev() == Path::new(DEVICES).metadata()?.dev())
}

fn real_store() -> Option<PathBuf> {
    let store = crate::client::home().ok()?.store().to_owned();
    store.canonicalize().or_else(|_| std::path::absolute(&store)).ok()
}
