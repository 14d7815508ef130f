//! What a view does otherwise than the directory below, or not at all.

use std::ffi::CString;
use std::fs::{self, File, OpenOptions};
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::Command;

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg, OFlag, open};
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
use nix::sys::stat::Mode;

use crate::support::Mount;

in_both_modes! {
    nameless_files_are_refused
    requests_of_other_file_systems_are_refused
    the_surroundings_are_another_device
    extents_are_not_shared_through_the_view
    access_control_lists_are_kept
    what_happens_here_is_told_but_projections_are_not
    locks_hold_among_those_who_use_the_view
}

fn refusal<T>(result: nix::Result<T>) -> Errno {
    result.err().unwrap_or(Errno::UnknownErrno)
}

fn nameless_files_are_refused(mount: &Mount) {
    let flags = OFlag::O_TMPFILE | OFlag::O_RDWR;
    assert_eq!(refusal(open(&mount.path(""), flags, Mode::S_IRUSR)), Errno::EOPNOTSUPP);
}

fn ioctl(file: &File, request: libc::Ioctl) -> nix::Result<()> {
    let mut room = [0_u64; 16];
    // SAFETY: the requests tried here read and write at most the 128 bytes of `room`.
    Errno::result(unsafe { libc::ioctl(file.as_raw_fd(), request, room.as_mut_ptr()) }).map(drop)
}

fn requests_of_other_file_systems_are_refused(mount: &Mount) {
    const FIEMAP: libc::Ioctl = 0xc020_660b;
    fs::write(mount.path("lower"), "lower").unwrap();
    mount.project("projected", "bytes");
    for name in ["lower", "projected"] {
        let file = File::open(mount.path(name)).unwrap();
        assert_eq!(refusal(ioctl(&file, libc::FS_IOC_GETFLAGS)), Errno::ENOTTY, "{name}");
        assert_eq!(refusal(ioctl(&file, FIEMAP)), Errno::EOPNOTSUPP, "{name}");
        assert!(file.metadata().unwrap().created().is_err(), "{name}");
    }
}

fn the_surroundings_are_another_device(mount: &Mount) {
    let outside = mount.path("").with_file_name("outside");
    fs::write(&outside, "outside").unwrap();
    mount.project("projected", "bytes");
    let code = |result: std::io::Result<()>| result.unwrap_err().raw_os_error();
    assert_eq!(code(fs::rename(&outside, mount.path("in"))), Some(libc::EXDEV));
    assert_eq!(
        code(fs::hard_link(mount.path("projected"), outside.with_file_name("link"))),
        Some(libc::EXDEV)
    );
    mount.shell(
        "mv ../outside moved; mv projected ../out; test \"$(cat moved ../out)\" = outsidebytes",
    );
}

fn extents_are_not_shared_through_the_view(mount: &Mount) {
    fs::write(mount.path("from"), "from").unwrap();
    let from = File::open(mount.path("from")).unwrap();
    let to = File::create(mount.path("to")).unwrap();
    // SAFETY: FICLONE takes a descriptor by value; both files are open.
    let result = unsafe { libc::ioctl(to.as_raw_fd(), libc::FICLONE, from.as_raw_fd()) };
    assert_eq!(refusal(Errno::result(result)), Errno::EOPNOTSUPP);
    mount.shell("cp --reflink=auto from to; cmp from to");
}

/// Through `system.posix_acl_access`, as setfacl(1) does.
fn access_control_lists_are_kept(mount: &Mount) {
    // Version 2: user::rw-, user:7:r--, group::r--, mask::r--, other::r--.
    let entries: [(u16, u16, u32); 5] =
        [(1, 6, u32::MAX), (2, 4, 7), (4, 4, u32::MAX), (0x10, 4, u32::MAX), (0x20, 4, u32::MAX)];
    let mut list = 2_u32.to_le_bytes().to_vec();
    for (tag, permissions, id) in entries {
        list.extend([tag.to_le_bytes(), permissions.to_le_bytes()].concat());
        list.extend(id.to_le_bytes());
    }
    fs::write(mount.path("lower"), "lower").unwrap();
    let path = CString::new(mount.path("lower").as_os_str().as_bytes()).unwrap();
    let name = c"system.posix_acl_access";
    // SAFETY: both strings end with NUL; the list has the length it is said to have.
    let set = Errno::result(unsafe {
        libc::setxattr(path.as_ptr(), name.as_ptr(), list.as_ptr().cast(), list.len(), 0)
    });
    if set == Err(Errno::EOPNOTSUPP) {
        return println!("SKIP: the lower file system has no access control lists");
    }
    set.unwrap();
    let mut told = [0_u8; 64];
    // SAFETY: both strings end with NUL, and 64 bytes can be written.
    let length = Errno::result(unsafe {
        libc::getxattr(path.as_ptr(), name.as_ptr(), told.as_mut_ptr().cast(), told.len())
    });
    assert_eq!(told[..length.unwrap().unsigned_abs()], *list);
}

fn what_happens_here_is_told_but_projections_are_not(mount: &Mount) {
    let inotify = Inotify::init(InitFlags::IN_NONBLOCK | InitFlags::IN_CLOEXEC).unwrap();
    inotify.add_watch(&mount.path(""), AddWatchFlags::IN_ALL_EVENTS).unwrap();
    let told = || {
        let events = inotify.read_events().unwrap_or_default();
        events.into_iter().filter_map(|event| event.name).collect::<Vec<_>>()
    };
    mount.project("projected", "bytes");
    assert_eq!(told().len(), 0);
    fs::write(mount.path("lower"), "lower").unwrap();
    fs::rename(mount.path("projected"), mount.path("renamed")).unwrap();
    let names = told();
    for name in ["lower", "projected", "renamed"] {
        assert!(names.iter().any(|told| told == name), "{name} in {names:?}");
    }
}

fn locks_hold_among_those_who_use_the_view(mount: &Mount) {
    mount.project("lock", "");
    let open = |path: &Path| OpenOptions::new().append(true).open(path).unwrap();
    let held = Flock::lock(open(&mount.path("lock")), FlockArg::LockExclusiveNonblock).unwrap();
    let busy = Flock::lock(open(&mount.path("lock")), FlockArg::LockExclusiveNonblock);
    assert!(matches!(busy, Err((_, Errno::EAGAIN))));
    let mut flock = Command::new("flock");
    flock.args(["-n", "lock", "true"]).current_dir(mount.path(""));
    assert!(!flock.status().unwrap().success());
    let below = File::from(mount.view.open_lower(Path::new("lock")).unwrap());
    assert!(Flock::lock(below, FlockArg::LockExclusiveNonblock).is_ok());
    drop(held);
    assert!(Flock::lock(open(&mount.path("lock")), FlockArg::LockExclusiveNonblock).is_ok());
}
