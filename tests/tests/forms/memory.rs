//! Inputs on file systems in memory, where a store through a mapping leaves no
//! time stamp.

use std::fs::{self, File};
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use zccache_tests::Trial;

use crate::trials;

/// Writes a byte at the start of a file through a shared mapping.
fn store(path: &Path, byte: u8) {
    const LENGTH: usize = 4096;
    let file = File::options().read(true).write(true).open(path).expect("it is there");
    let protection = libc::PROT_READ | libc::PROT_WRITE;
    let fd = file.as_raw_fd();
    // SAFETY: maps a file of our own anew; nothing else refers to the pages.
    let pages =
        unsafe { libc::mmap(std::ptr::null_mut(), LENGTH, protection, libc::MAP_SHARED, fd, 0) };
    assert_ne!(pages, libc::MAP_FAILED, "it can be mapped");
    // A page that has been read is stored to without a fault that could be seen.
    // SAFETY: the file is not empty, so its first page is there.
    unsafe { pages.cast::<u8>().read_volatile() };
    // SAFETY: the page is writable as well.
    unsafe { pages.cast::<u8>().write_volatile(byte) };
    // SAFETY: exactly what was mapped.
    assert_eq!(unsafe { libc::munmap(pages, LENGTH) }, 0);
}

fn a_store_through_a_mapping(trial: &Trial) {
    let Ok(directory) = tempfile::Builder::new().prefix("zcc-").tempdir_in("/dev/shm") else {
        println!("SKIP: there is no /dev/shm");
        return;
    };
    let header = directory.path().join("a.h");
    fs::write(&header, "1\n").expect("a file");
    trial.file("a.c", "int f(void) { return\n#include <a.h>\n; }\n");
    let line = format!("$CC -I{} -c a.c -o a.o", directory.path().display());
    trial.line_misses_then_hits(&line);
    let identity = |path: &Path| {
        let meta = path.metadata().expect("it is there");
        (meta.ino(), meta.size(), meta.mtime_nsec(), meta.ctime_nsec())
    };
    let before = identity(&header);
    store(&header, b'2');
    assert_eq!(identity(&header), before, "the change leaves no trace");
    trial.run_line(&line).kept();
    store(&header, b'1');
    trial.run_line(&line).hit();
}

trials!(a_store_through_a_mapping);
