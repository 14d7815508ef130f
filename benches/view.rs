//! What a view costs and saves against the directory below it, in one run,
//! alternating. `cargo bench -p zccache-benches --bench view`, as root.
#![allow(clippy::expect_used, clippy::panic)]

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

use zccache_benches::samples::in_turn;
use zccache_benches::{Report, Samples};
use zccache_core::Digest;
use zccache_fs::{
    Change, Content, Journal, ProjectedBytes, Projection, Settle, Shown, View, ViewOptions,
};

/// 500 objects of some 190 KB, as those of the prototype, and their names.
const OBJECTS: &str = "
    rm -f objects
    printf 'int f(int x) { return x; }\\nchar data[180000] = {1};\\n' > o.c
    for n in $(seq 0 499); do
        [ -e $n.o ] || gcc -fPIC -Df=f$n -Ddata=data$n -c o.c -o $n.o
        echo $n.o >> objects
    done";

fn main() {
    let home = tempfile::tempdir().expect("a directory");
    let bench = Bench::new(home.path());
    let mut report = Report::default();
    bench.listing_of_what_is_built(&mut report);
    bench.reading(&mut report);
    bench.mapping(&mut report);
    for linker in ["lld", "bfd"] {
        bench.linking(&mut report, linker);
    }
    bench.remembering(&mut report);
    for (kibibytes, count, bound) in [(100, 1_000, 8.0), (10_240, 20, 500.0)] {
        bench.projecting(&mut report, kibibytes, count, bound);
    }
    print!("{report}");
}

/// A view over one directory, beside a plain one on the same file system.
struct Bench {
    view: View,
    shown: PathBuf,
    plain: PathBuf,
    blobs: PathBuf,
}

/// Files named by their digests.
struct Blobs(PathBuf);

impl Content for Blobs {
    fn open(&self, digest: &Digest) -> io::Result<OwnedFd> {
        Ok(File::open(self.0.join(digest.to_string()))?.into())
    }

    fn opens_at_once(&self, _: &Digest) -> bool {
        true
    }
}

/// Writes every change to a file, as the daemon's does.
struct Notes(Mutex<File>);

impl Journal for Notes {
    fn replay(&self) -> Vec<Shown> {
        Vec::new()
    }

    fn note(&self, changes: &[Change]) -> bool {
        let text: String = changes.iter().map(|change| format!("{change:?}\n")).collect();
        let mut file = self.0.lock().expect("no panic holds it");
        file.write_all(text.as_bytes()).expect("a file can be written");
        false
    }

    fn begin_anew(&self, _: &[Shown]) {}
}

impl Bench {
    fn new(home: &Path) -> Self {
        let [shown, plain, blobs] = ["shown", "plain", "blobs"].map(|name| home.join(name));
        for directory in [&shown, &plain, &blobs] {
            fs::create_dir(directory).expect("a directory");
        }
        let lower = fs::OpenOptions::new().read(true).custom_flags(0o10_000_000).open(&shown);
        let fuse = File::options().read(true).write(true).open("/dev/fuse").expect("/dev/fuse");
        let options = format!("fd={},rootmode=40000,user_id=0,group_id=0", fuse.as_raw_fd());
        let mount = nix::mount::mount(
            Some("bench"),
            &shown,
            Some("fuse"),
            nix::mount::MsFlags::empty(),
            Some(options.as_str()),
        );
        mount.expect("root may mount");
        let notes = Notes(Mutex::new(File::create(home.join("notes")).expect("a file")));
        let view = View::serve(
            lower.expect("a directory").into(),
            fuse.into(),
            ViewOptions::default(),
            Arc::new(Blobs(blobs.clone())),
            Arc::new(notes),
        );
        Self { view: view.expect("a view"), shown, plain, blobs }
    }

    /// `ninja -n` with 2,000 outputs that are up to date.
    fn listing_of_what_is_built(&self, report: &mut Report) {
        let rules = (0..2_000).map(|n| format!("build {n}.o: touch in\n")).collect::<String>();
        let text = format!("rule touch\n  command = touch $out\n{rules}");
        let ninja = |directory: &Path, arguments: &str| {
            let mut ninja = Command::new("ninja");
            ninja.args(arguments.split(' ')).current_dir(directory).stdout(Stdio::null());
            assert!(ninja.status().expect("ninja runs").success());
        };
        for directory in [&self.plain, &self.shown] {
            fs::write(directory.join("in"), "").expect("a file");
            fs::write(directory.join("build.ninja"), &text).expect("a file");
            ninja(directory, "-j4");
            ninja(directory, "-n");
        }
        let time = |directory: &Path, samples: &mut Samples| {
            samples.time(|| ninja(directory, "-n"));
        };
        let samples = in_turn(20, |_, s| time(&self.plain, s), |_, s| time(&self.shown, s));
        report.ratio("ninja -n of 2,000 outputs, view / plain", &samples, Some(1.1));
    }

    /// 50 MB, cached, in order.
    fn reading(&self, report: &mut Report) {
        for directory in [&self.plain, &self.shown] {
            fs::write(directory.join("large"), vec![7; 50 << 20]).expect("a file");
        }
        let read = |directory: &Path, samples: &mut Samples| {
            let mut buffer = vec![0; 1 << 20];
            let mut file = File::open(directory.join("large")).expect("it is there");
            let mut total = 0;
            samples.time(|| {
                loop {
                    match file.read(&mut buffer).expect("it can be read") {
                        0 => break,
                        count => total += count,
                    }
                }
            });
            assert_eq!(total, 50 << 20);
        };
        let samples = in_turn(20, |_, s| read(&self.plain, s), |_, s| read(&self.shown, s));
        report.ratio("reading 50 MB, view / plain", &samples, Some(1.05));
    }

    /// The same, through a mapping: one byte of each page.
    fn mapping(&self, report: &mut Report) {
        let map = |directory: &Path, samples: &mut Samples| {
            let file = File::open(directory.join("large")).expect("it is there");
            samples.time(|| {
                let mapped = Mapped::new(&file, 50 << 20);
                assert!(mapped.bytes().iter().step_by(4096).all(|byte| *byte == 7));
            });
        };
        let samples = in_turn(20, |_, s| map(&self.plain, s), |_, s| map(&self.shown, s));
        report.ratio("mapping 50 MB, view / plain", &samples, Some(1.05));
    }

    /// A link of projected objects against one of copies, while both processors have
    /// other work.
    fn linking(&self, report: &mut Report, linker: &str) {
        let shell = |directory: &Path, script: &str| {
            let mut shell = Command::new("sh");
            shell.args(["-ec", script]).current_dir(directory);
            assert!(shell.status().expect("a shell runs").success(), "{script}");
        };
        shell(&self.plain, OBJECTS);
        let set: Vec<_> = (0..500).map(|n| self.projection(&format!("{n}.o"))).collect();
        self.view.project(&set).expect("they are projected");
        fs::copy(self.plain.join("objects"), self.shown.join("objects")).expect("a file");
        let line = format!("gcc -fuse-ld={linker} -shared -o out.so @objects");
        let busy: Vec<_> = (0..2)
            .map(|_| Command::new("sh").args(["-c", "while :; do :; done"]).spawn())
            .collect();
        let link = |directory: &Path, samples: &mut Samples| {
            samples.time(|| shell(directory, &line));
        };
        let samples = in_turn(10, |_, s| link(&self.plain, s), |_, s| link(&self.shown, s));
        for process in busy {
            let mut process = process.expect("a shell runs");
            process.kill().expect("it runs");
            process.wait().expect("it has run");
        }
        let [plain, shown] =
            [&self.plain, &self.shown].map(|place| fs::read(place.join("out.so")).expect("it"));
        assert_eq!(plain, shown);
        report.ratio(&format!("linking 500 projected objects, {linker}"), &samples, Some(1.12));
        assert!(self.view.settle(Settle::Discard).failed.is_empty());
    }

    /// A projection of a file that lies in the plain directory.
    fn projection(&self, name: &str) -> Projection {
        let bytes = fs::read(self.plain.join(name)).expect("it is there");
        let digest = Digest::of(&bytes);
        fs::write(self.blobs.join(digest.to_string()), &bytes).expect("a file");
        let source = ProjectedBytes::Blob { digest, length: bytes.len() as u64 };
        Projection { path: name.into(), source, mode: 0o644, uid: 0, gid: 0 }
    }

    /// Memory of 100,000 projected files.
    fn remembering(&self, report: &mut Report) {
        const FILES: u32 = 100_000;
        let digest = Digest::of(b"");
        let projection = |number| Projection {
            path: format!("some-name-of-an-object-{number}.o").into(),
            source: ProjectedBytes::Blob { digest, length: 0 },
            mode: 0o644,
            uid: 0,
            gid: 0,
        };
        fs::write(self.blobs.join(digest.to_string()), "").expect("a file");
        let before = resident();
        for first in (0..FILES).step_by(1000) {
            let set: Vec<_> = (first..first + 1000).map(projection).collect();
            self.view.project(&set).expect("they are projected");
        }
        let each = (resident() - before) / f64::from(FILES);
        let kibibyte = Some(1.0 / 1024.0);
        report.bytes("memory of a projected file", each, kibibyte, format!("{each:.0} bytes"));
        assert!(self.view.settle(Settle::Discard).failed.is_empty());
    }

    /// Showing files against copying and hard-linking them.
    fn projecting(&self, report: &mut Report, kibibytes: usize, count: u32, times: f64) {
        let bytes = vec![u8::try_from(kibibytes % 251).expect("small"); kibibytes << 10];
        let digest = Digest::of(&bytes);
        let blob = self.blobs.join(digest.to_string());
        fs::write(&blob, &bytes).expect("a file");
        let source = ProjectedBytes::Blob { digest, length: bytes.len() as u64 };
        let project = |samples: &mut Samples| {
            samples.time(|| {
                for number in 0..count {
                    let (path, source) = (format!("{number}.out").into(), source.clone());
                    let file = Projection { path, source, mode: 0o644, uid: 0, gid: 0 };
                    self.view.project(&[file]).expect("it is projected");
                }
            });
            assert!(self.view.settle(Settle::Discard).failed.is_empty());
        };
        let place = |link: bool, samples: &mut Samples| {
            let path = |number: u32| self.plain.join(format!("{number}.out"));
            samples.time(|| {
                for number in 0..count {
                    match link {
                        true => fs::hard_link(&blob, path(number)),
                        false => fs::copy(&blob, path(number)).map(drop),
                    }
                    .expect("it can be placed");
                }
            });
            (0..count).for_each(|number| fs::remove_file(path(number)).expect("it is there"));
        };
        for (how, link, bound) in [("copying", false, 1.0 / times), ("hard-linking", true, 1.0)] {
            let samples = in_turn(6, |_, s| place(link, s), |_, s| project(s));
            let name = format!("projecting {count} files of {kibibytes} KiB / {how}");
            report.ratio(&name, &samples, Some(bound));
        }
    }
}

/// A file in memory, for reading.
struct Mapped {
    address: std::ptr::NonNull<std::ffi::c_void>,
    length: usize,
}

impl Mapped {
    fn new(file: &File, length: usize) -> Self {
        let size = std::num::NonZeroUsize::new(length).expect("some bytes");
        // SAFETY: the kernel chooses the address; nobody changes the file meanwhile.
        let address = unsafe {
            nix::sys::mman::mmap(
                None,
                size,
                nix::sys::mman::ProtFlags::PROT_READ,
                nix::sys::mman::MapFlags::MAP_SHARED,
                file,
                0,
            )
        };
        Self { address: address.expect("it can be mapped"), length }
    }

    fn bytes(&self) -> &[u8] {
        // SAFETY: the mapping lives as long as this, and is that long.
        unsafe { std::slice::from_raw_parts(self.address.as_ptr().cast(), self.length) }
    }
}

impl Drop for Mapped {
    fn drop(&mut self) {
        // SAFETY: nothing borrows from it any more.
        unsafe { nix::sys::mman::munmap(self.address, self.length) }.expect("it is mapped");
    }
}

/// Resident memory of this process, in bytes (`proc_pid_statm(5)`).
fn resident() -> f64 {
    let text = fs::read_to_string("/proc/self/statm").expect("/proc");
    let pages: f64 = text.split(' ').nth(1).expect("a field").parse().expect("a number");
    pages * 4096.0
}

impl Drop for Bench {
    fn drop(&mut self) {
        nix::mount::umount2(&self.shown, nix::mount::MntFlags::MNT_DETACH).ok();
    }
}
