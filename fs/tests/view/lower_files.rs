use std::cell::OnceCell;
use std::fs::{self, File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{FileExt, FileTypeExt, MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use nix::fcntl::{FallocateFlags, copy_file_range, fallocate};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sys::mman::{MapFlags, ProtFlags, mmap, munmap};
use nix::unistd::{Whence, lseek64};

use crate::support::{Mode, Mount, names};

in_both_modes! {
    files_are_created_written_and_read
    sizes_and_times_are_right_after_writing
    permissions_follow_the_mask_of_who_creates
    every_type_of_file_is_made
    hard_links_share_one_inode
    a_removed_file_lives_while_it_is_open
    a_removed_directory_can_be_the_working_directory
    a_mapping_is_written_through
    space_is_allocated_punched_and_found
    a_range_is_copied
    times_and_owners_are_set
    extended_attributes_are_kept
    a_program_written_here_runs
    sizes_of_the_file_system_are_told
    an_inode_number_is_not_used_again_too_soon
    a_script_of_everyday_commands_works
    odd_access_modes_work
    sockets_and_pipes_work
}

fn files_are_created_written_and_read(mount: &Mount) {
    let path = mount.path("file");
    let mut file = OpenOptions::new().read(true).write(true).create_new(true).open(&path).unwrap();
    file.write_all(b"hello world").unwrap();
    file.seek(SeekFrom::Start(6)).unwrap();
    file.write_all(b"there").unwrap();
    let mut text = String::new();
    file.seek(SeekFrom::Start(0)).unwrap();
    file.read_to_string(&mut text).unwrap();
    assert_eq!(text, "hello there");
    file.sync_all().unwrap();
    file.set_len(5).unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"hello");
    let again = OpenOptions::new().write(true).create_new(true).open(&path).unwrap_err();
    assert_eq!(again.raw_os_error(), Some(libc::EEXIST));
    File::open(mount.path("")).unwrap().sync_all().unwrap();
}

fn sizes_and_times_are_right_after_writing(mount: &Mount) {
    let path = mount.path("file");
    let mut file = File::create(&path).unwrap();
    let mut before = (0, 0);
    for round in 1..50 {
        file.write_all(&[7; 1000]).unwrap();
        let metadata = fs::metadata(&path).unwrap();
        assert_eq!(metadata.len(), 1000 * round);
        let mtime = (metadata.mtime(), metadata.mtime_nsec());
        assert!(mtime >= before);
        before = mtime;
    }
    assert_eq!(file.metadata().unwrap().len(), 49_000);
    drop(file);
    let bytes = fs::read(&path).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().len(), bytes.len() as u64);
}

fn permissions_follow_the_mask_of_who_creates(mount: &Mount) {
    let modes = mount.shell(
        "for mask in 000 022 027 077; do umask $mask; rm -rf f d p; : > f; mkdir d; mkfifo p; \
         stat -c %a f d p; done",
    );
    let modes: Vec<_> = modes.split_whitespace().collect();
    let expected =
        ["666", "777", "666", "644", "755", "644", "640", "750", "640", "600", "700", "600"];
    assert_eq!(modes, expected);
}

fn every_type_of_file_is_made(mount: &Mount) {
    mount.shell("mkfifo fifo; mknod char c 1 3; mknod block b 700 300; ln -s nowhere link");
    let kind = |name: &str| fs::symlink_metadata(mount.path(name)).unwrap();
    assert!(kind("fifo").file_type().is_fifo());
    assert!(kind("char").file_type().is_char_device());
    assert_eq!(kind("char").rdev(), libc::makedev(1, 3));
    assert_eq!(kind("block").rdev(), libc::makedev(700, 300));
    assert_eq!(fs::read_link(mount.path("link")).unwrap().to_str(), Some("nowhere"));
    assert_eq!(kind("link").len(), 7);
    fs::remove_file(mount.path("link")).unwrap();
    symlink("elsewhere", mount.path("link")).unwrap();
    assert_eq!(fs::read_link(mount.path("link")).unwrap().to_str(), Some("elsewhere"));
}

fn hard_links_share_one_inode(mount: &Mount) {
    fs::write(mount.path("a"), "1").unwrap();
    for number in 0..20 {
        fs::hard_link(mount.path("a"), mount.path(&format!("link{number}"))).unwrap();
    }
    assert_eq!(fs::metadata(mount.path("a")).unwrap().nlink(), 21);
    fs::write(mount.path("link7"), "changed").unwrap();
    assert_eq!(fs::read(mount.path("a")).unwrap(), b"changed");
    for number in 0..19 {
        fs::remove_file(mount.path(&format!("link{number}"))).unwrap();
    }
    fs::remove_file(mount.path("a")).unwrap();
    assert_eq!(fs::read(mount.path("link19")).unwrap(), b"changed");
    assert_eq!(fs::metadata(mount.path("link19")).unwrap().nlink(), 1);
}

fn a_removed_file_lives_while_it_is_open(mount: &Mount) {
    let path = mount.path("file");
    fs::write(&path, "before").unwrap();
    let mut file = OpenOptions::new().read(true).write(true).open(&path).unwrap();
    fs::remove_file(&path).unwrap();
    fs::write(&path, "another").unwrap();
    file.write_all(b"AFTER").unwrap();
    assert_eq!(file.metadata().unwrap().nlink(), 0);
    file.set_permissions(PermissionsExt::from_mode(0o640)).unwrap();
    file.set_len(3).unwrap();
    let metadata = file.metadata().unwrap();
    assert_eq!((metadata.len(), metadata.mode() & 0o777), (3, 0o640));
    let mut text = String::new();
    file.seek(SeekFrom::Start(0)).unwrap();
    file.read_to_string(&mut text).unwrap();
    assert_eq!(text, "AFT");
    assert_eq!(fs::read(&path).unwrap(), b"another");
    let renamed = mount.path("renamed");
    fs::write(&renamed, "third").unwrap();
    let mut file = File::open(&path).unwrap();
    fs::rename(&renamed, &path).unwrap();
    let mut text = String::new();
    file.read_to_string(&mut text).unwrap();
    assert_eq!((text.as_str(), file.metadata().unwrap().nlink()), ("another", 0));
}

fn a_removed_directory_can_be_the_working_directory(mount: &Mount) {
    mount.shell("mkdir d; cd d; rmdir ../d; test -z \"$(ls -A .)\"; ! (: > file) 2>/dev/null");
}

fn a_mapping_is_written_through(mount: &Mount) {
    let path = mount.path("file");
    fs::write(&path, vec![b'.'; 10_000]).unwrap();
    let file = OpenOptions::new().read(true).write(true).open(&path).unwrap();
    let length = 10_000.try_into().unwrap();
    let access = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
    // SAFETY: the mapping is of a new range, and removed before `file` closes.
    let mapped = unsafe { mmap(None, length, access, MapFlags::MAP_SHARED, &file, 0) }.unwrap();
    // SAFETY: 10,000 bytes are mapped there, and nothing else refers to them.
    let bytes = unsafe { std::slice::from_raw_parts_mut(mapped.as_ptr().cast::<u8>(), 10_000) };
    bytes[5_000] = b'X';
    // SAFETY: the range is the one mapped above, and `bytes` is not used again.
    unsafe { munmap(mapped, 10_000) }.unwrap();
    assert_eq!(fs::read(&path).unwrap()[4_999..5_002], *b".X.");
    let mut below = String::new();
    let lower = mount.view.open_lower("file".as_ref()).unwrap();
    File::from(lower).read_to_string(&mut below).unwrap();
    assert_eq!(below.as_bytes()[4_999..5_002], *b".X.", "the lower file has it too");
}

fn space_is_allocated_punched_and_found(mount: &Mount) {
    let path = mount.path("file");
    let mut file =
        OpenOptions::new().read(true).write(true).create(true).truncate(true).open(&path).unwrap();
    file.write_all(&vec![1; 1 << 20]).unwrap();
    let punch = FallocateFlags::FALLOC_FL_PUNCH_HOLE | FallocateFlags::FALLOC_FL_KEEP_SIZE;
    fallocate(&file, punch, 1 << 18, 1 << 18).unwrap();
    assert_eq!(lseek64(&file, 0, Whence::SeekHole).unwrap(), 1 << 18);
    assert_eq!(lseek64(&file, 1 << 18, Whence::SeekData).unwrap(), 1 << 19);
    fallocate(&file, FallocateFlags::empty(), 0, 3 << 20).unwrap();
    assert_eq!(file.metadata().unwrap().len(), 3 << 20);
    let mut bytes = [9; 4];
    file.read_exact_at(&mut bytes, (1 << 18) - 2).unwrap();
    assert_eq!(bytes, [1, 1, 0, 0]);
}

fn a_range_is_copied(mount: &Mount) {
    fs::write(mount.path("from"), "0123456789").unwrap();
    mount.project("blob", "abcdefghij");
    let to = File::create_new(mount.path("to")).unwrap();
    for (name, at) in [("from", 0), ("blob", 4)] {
        let from = File::open(mount.path(name)).unwrap();
        let (mut read, mut write) = (2, at);
        let copied = copy_file_range(&from, Some(&mut read), &to, Some(&mut write), 4).unwrap();
        assert_eq!(copied, 4);
    }
    assert_eq!(fs::read_to_string(mount.path("to")).unwrap(), "2345cdef");
    mount.shell("cp --reflink=auto to again; cmp to again; cat blob blob > two");
    assert_eq!(fs::metadata(mount.path("two")).unwrap().len(), 20);
}

fn times_and_owners_are_set(mount: &Mount) {
    let told = mount.shell(
        "echo x > f; chown 5:6 f; chmod 4755 f; touch -d '1969-12-31 23:59:58.5 UTC' f; \
         stat -c '%u %g %a %.9Y' f; chown 7 f; stat -c '%u %g %a' f; \
         ln -s f l; touch -h -d '2001-01-01 UTC' l; chown -h 8:9 l; stat -c '%u %g %Y' l; \
         chmod 700 .; chown 3:4 .; stat -c '%u %g %a' .",
    );
    assert_eq!(told, "5 6 4755 -1.500000000\n7 6 755\n8 9 978307200\n3 4 700\n");
}

fn extended_attributes_are_kept(mount: &Mount) {
    mount.shell(
        "python3 -c '
import os, errno
open(\"f\", \"w\").close(); os.mkdir(\"d\")
for p in (\"f\", \"d\"):
    os.setxattr(p, \"user.one\", b\"1\" * 1000)
    os.setxattr(p, \"user.two\", b\"\")
    assert os.getxattr(p, \"user.one\") == b\"1\" * 1000
    assert sorted(os.listxattr(p)) == [\"user.one\", \"user.two\"]
    os.removexattr(p, \"user.one\")
    try: os.getxattr(p, \"user.one\"); assert False
    except OSError as e: assert e.errno == errno.ENODATA
    try: os.setxattr(p, \"user.two\", b\"\", os.XATTR_CREATE); assert False
    except OSError as e: assert e.errno == errno.EEXIST'",
    );
}

/// By a shell, as a process that forks would hold the program open for writing
/// in its other children for a moment.
fn a_program_written_here_runs(mount: &Mount) {
    mount.shell(
        "for i in 1 2 3 4 5 6 7 8 9 10; do \
         cp /bin/true program; ./program; \
         printf '#!/bin/sh\\nexit %s\\n' $i > script; chmod 755 script; \
         code=0; ./script || code=$?; test $code = $i; rm program; done",
    );
}

fn sizes_of_the_file_system_are_told(mount: &Mount) {
    let here = nix::sys::statvfs::statvfs(&mount.path("")).unwrap();
    let outside = nix::sys::statvfs::statvfs(mount.path("").parent().unwrap()).unwrap();
    assert_eq!(here.blocks(), outside.blocks());
    assert_eq!(here.fragment_size(), outside.fragment_size());
    assert_eq!(here.name_max(), 255);
}

/// The kernel caches what it knows of a number; a number used again for another
/// file would show it that.
fn an_inode_number_is_not_used_again_too_soon(mount: &Mount) {
    let path = mount.path("file");
    let mut held = Vec::new();
    for round in 0..200_u32 {
        let text = format!("round {round}{}", "x".repeat(round as usize));
        fs::write(&path, &text).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), text);
        if round % 10 == 0 {
            held.push((File::open(&path).unwrap(), text));
        }
        fs::remove_file(&path).unwrap();
    }
    for (mut file, expected) in held {
        let mut text = String::new();
        file.read_to_string(&mut text).unwrap();
        assert_eq!(text, expected);
    }
}

fn a_script_of_everyday_commands_works(mount: &Mount) {
    let told = mount.shell(
        "mkdir -p src/a src/b; for i in 1 2 3; do echo $i > src/a/$i; done; \
         cp -a src copy; mv copy/a copy/c; tar cf t.tar src; mkdir out; tar xf t.tar -C out; \
         diff -r src out/src; sed -i s/1/one/ src/a/1; cat src/a/1; sort -o src/a/2 src/a/3; \
         cat src/a/2; find copy -type f | sort; rm -r copy out; ls",
    );
    assert_eq!(told, "one\n3\ncopy/c/1\ncopy/c/2\ncopy/c/3\nsrc\nt.tar\n");
}

fn odd_access_modes_work(mount: &Mount) {
    mount.shell(
        "echo 1 > f; echo 2 >> f; exec 3<>f; echo A >&3; exec 3>&-; test \"$(cat f)\" = \"A\n2\"; \
         chmod 000 f; cat f > /dev/null; chmod 400 f; echo 3 >> f; flock f true; \
         dd if=/dev/zero of=direct bs=4096 count=4 oflag=direct status=none; \
         dd if=direct of=/dev/null bs=4096 iflag=direct status=none; test -s direct",
    );
    assert_eq!(names(&mount.path("")), ["direct", "f"]);
}

fn sockets_and_pipes_work(mount: &Mount) {
    let path = mount.path("socket");
    let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
    let mut client = std::os::unix::net::UnixStream::connect(&path).unwrap();
    client.write_all(b"hello").unwrap();
    drop(client);
    let mut text = String::new();
    listener.accept().unwrap().0.read_to_string(&mut text).unwrap();
    assert_eq!(text, "hello");
    assert_eq!(mount.shell("mkfifo p; cat p & echo through > p; wait"), "through\n");
}

/// What is below another mount point has numbers of its own file system, which
/// could be those of files of ours.
#[test]
fn other_file_systems_below_have_numbers_of_their_own() {
    let other = OtherMount(OnceCell::new());
    let below = |root: &Path| {
        let place = root.join("other");
        fs::create_dir(&place).unwrap();
        mount(Some("tmpfs"), &place, Some("tmpfs"), MsFlags::empty(), None::<&str>).unwrap();
        fs::write(place.join("file"), "elsewhere").unwrap();
        other.0.set(place).unwrap();
    };
    let Some(mut mount) = Mount::over(Mode::Passthrough, false, below) else { return };
    let inode = |name: &str| fs::metadata(mount.path(name)).unwrap().ino();
    assert_ne!(inode("other"), inode(""));
    assert_ne!(inode("other/file"), inode("other"));
    assert_eq!(fs::read(mount.path("other/file")).unwrap(), b"elsewhere");
    fs::write(mount.path("other/new"), "new").unwrap();
    mount.project("other/projected", "bytes");
    assert_eq!(names(&mount.path("other")), ["file", "new", "projected"]);
    let error = fs::rename(mount.path("other/projected"), mount.path("here")).unwrap_err();
    assert_eq!(error.raw_os_error(), Some(libc::EXDEV));
    let settled = mount.view.settle(zccache_fs::Settle::Materialise);
    assert_eq!(settled.written, 1);
    mount.unmount();
    assert_eq!(fs::read(mount.path("other/projected")).unwrap(), b"bytes");
    drop(other);
}

/// Unmounted when dropped, which is to be after the view over it.
struct OtherMount(OnceCell<PathBuf>);

impl Drop for OtherMount {
    fn drop(&mut self) {
        if let Some(place) = self.0.get() {
            umount2(place, MntFlags::MNT_DETACH).unwrap();
        }
    }
}
