//! What a view costs and saves against the directory below it, in one run,
//! alternating. `cargo bench -p zccache-benches --bench view`, as root; a name
//! (`-- projecting`) selects what is measured.
#![allow(clippy::expect_used, clippy::panic)]

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use nix::fcntl::AT_FDCWD;
use nix::sys::stat::{UtimensatFlags, utimensat};
use nix::sys::time::TimeSpec;
use zccache_benches::samples::in_turn;
use zccache_benches::usage::memory;
use zccache_benches::{Report, Samples};
use zccache_core::Digest;
use zccache_daemon::ViewJournal;
use zccache_fs::{Content, ProjectedBytes, Projection, Settle, View, ViewOptions};
use zccache_tests::project::Project;

/// 500 objects of some 190 KB, as those of the prototype, and their names.
const OBJECTS: &str = "
    rm -f objects
    printf 'int f(int x) { return x; }\\nchar data[180000] = {1};\\n' > o.c
    for n in $(seq 0 499); do
        [ -e $n.o ] || gcc -fPIC -Df=f$n -Ddata=data$n -c o.c -o $n.o
        echo $n.o >> objects
    done";

type Measure = fn(&Bench, &mut Report);

fn main() {
    // Cargo passes `--bench`; a name in the arguments selects what is measured.
    let wanted: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let parts: [(&str, Measure); 7] = [
        ("listing", Bench::listing_of_what_is_built),
        ("reading", Bench::reading),
        ("mapping", Bench::mapping),
        ("linking", Bench::linking),
        ("building", Bench::building),
        ("remembering", Bench::remembering),
        ("projecting", Bench::projecting),
    ];
    let home = tempfile::tempdir().expect("a directory");
    let bench = Bench::new(home.path());
    let mut report = Report::default();
    for (name, measure) in parts {
        if wanted.is_empty() || wanted.iter().any(|word| word == name) {
            measure(&bench, &mut report);
        }
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
        let journal = ViewJournal::open(&home.join("journal"), &shown.as_path().into());
        let view = View::serve(
            lower.expect("a directory").into(),
            fuse.into(),
            ViewOptions::default(),
            Arc::new(Blobs(blobs.clone())),
            Arc::new(journal.expect("a file")),
        );
        Self { view: view.expect("a view"), shown, plain, blobs }
    }

    /// `ninja -n` with 2,000 outputs that are up to date.
    fn listing_of_what_is_built(&self, report: &mut Report) {
        let rules = (0..2_000).map(|n| format!("build {n}.o: touch in\n")).collect::<String>();
        let text = format!("rule touch\n  command = touch $out\n{rules}");
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
    fn linking(&self, report: &mut Report) {
        ["lld", "bfd"].into_iter().for_each(|linker| self.linking_by(report, linker));
    }

    fn linking_by(&self, report: &mut Report, linker: &str) {
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

    /// The library of fmt by the bare compiler, sources and outputs in the same place.
    fn building(&self, report: &mut Report) {
        let Some(fmt) = Project::find("fmt") else { return };
        let objects = ["format", "os"].map(|file| {
            let object =
                |level| format!("build {file}{level}.o: cc src/{file}.cc\n  level = {level}\n");
            [0, 1, 2, 3].map(object).concat()
        });
        let rule = "rule cc\n  command = g++ -std=c++17 -O$level -Iinclude -MD -c $in -o $out\n";
        let text = format!("{rule}  depfile = $out.d\n  deps = gcc\n{}", objects.concat());
        for directory in [&self.plain, &self.shown] {
            let sources = fmt.sources().display();
            shell(directory, &format!("rm -f .ninja*; cp -r {sources}/include {sources}/src ."));
            fs::write(directory.join("build.ninja"), &text).expect("a file");
        }
        let build = |directory: &Path, samples: &mut Samples| {
            ninja(directory, "-t clean");
            samples.time(|| ninja(directory, "-j2"));
        };
        let samples = in_turn(8, |_, s| build(&self.plain, s), |_, s| build(&self.shown, s));
        report.ratio("cold build of fmt without a cache, view / plain", &samples, Some(1.03));
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
        let resident = || memory(std::process::id(), "VmRSS:").expect("it runs");
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

    /// Showing files against copying and hard-linking them, in sets as results have
    /// them. Their names are looked for in vain first, as build tools do.
    fn projecting(&self, report: &mut Report) {
        for (kibibytes, count, set, times) in [
            (100, 1_000, 1, 8.0),
            (100, 1_000, 10, 8.0),
            (100, 1_000, 1_000, 8.0),
            (10_240, 20, 20, 500.0),
        ] {
            let files = Files::new(self, kibibytes, count);
            let hows: [(&str, Place, Option<f64>); 3] = [
                ("copying", Files::copy, Some(1.0 / times)),
                ("link(2) alone", Files::link, None),
                ("hard-linking", Files::link_as_new, Some(1.0)),
            ];
            for (how, place, bound) in hows {
                let samples = in_turn(8, |_, s| files.placed(place, s), |_, s| files.shown(set, s));
                let name = format!("projecting {count} of {kibibytes} KiB by {set} / {how}");
                report.ratio(&name, &samples, bound);
            }
        }
    }
}

fn shell(directory: &Path, script: &str) {
    let mut shell = Command::new("sh");
    shell.args(["-ec", script]).current_dir(directory);
    assert!(shell.status().expect("a shell runs").success(), "{script}");
}

fn ninja(directory: &Path, arguments: &str) {
    let mut ninja = Command::new("ninja");
    ninja.args(arguments.split(' ')).current_dir(directory).stdout(Stdio::null());
    assert!(ninja.status().expect("ninja runs").success());
}

type Place = fn(&Path, &Path);

/// Files to be placed or projected.
struct Files<'a> {
    bench: &'a Bench,
    blob: PathBuf,
    set: Vec<Projection>,
}

impl<'a> Files<'a> {
    fn new(bench: &'a Bench, kibibytes: usize, count: u32) -> Self {
        let bytes = vec![u8::try_from(kibibytes % 251).expect("small"); kibibytes << 10];
        let digest = Digest::of(&bytes);
        let blob = bench.blobs.join(digest.to_string());
        fs::write(&blob, &bytes).expect("a file");
        let source = ProjectedBytes::Blob { digest, length: bytes.len() as u64 };
        let projection = |number| {
            let (path, source) = (format!("{number}.out").into(), source.clone());
            Projection { path, source, mode: 0o644, uid: 0, gid: 0 }
        };
        Self { bench, blob, set: (0..count).map(projection).collect() }
    }

    fn names_in(&self, directory: &Path) -> Vec<PathBuf> {
        let names: Vec<_> = self.set.iter().map(|file| directory.join(&file.path)).collect();
        assert!(!names.iter().any(|name| name.exists()));
        names
    }

    fn shown(&self, set: usize, samples: &mut Samples) {
        let names = self.names_in(&self.bench.shown);
        samples.time(|| {
            for set in self.set.chunks(set) {
                self.bench.view.project(set).expect("they are projected");
            }
        });
        assert!(names.iter().all(|name| name.exists()));
        assert!(self.bench.view.settle(Settle::Discard).failed.is_empty());
    }

    fn placed(&self, place: Place, samples: &mut Samples) {
        let names = self.names_in(&self.bench.plain);
        samples.time(|| names.iter().for_each(|name| place(&self.blob, name)));
        names.iter().for_each(|name| fs::remove_file(name).expect("it is there"));
    }

    fn copy(blob: &Path, name: &Path) {
        fs::copy(blob, name).expect("it can be copied");
    }

    /// Nothing but the link: the file has the times of the blob.
    fn link(blob: &Path, name: &Path) {
        fs::hard_link(blob, name).expect("it can be linked");
    }

    /// What a projection gives: another file in the place of what is there, in one
    /// step, with the mode and the times of a new one.
    fn link_as_new(blob: &Path, name: &Path) {
        let new = name.with_extension("new");
        fs::hard_link(blob, &new).expect("it can be linked");
        let now = TimeSpec::UTIME_NOW;
        utimensat(AT_FDCWD, &new, &now, &now, UtimensatFlags::NoFollowSymlink).expect("it is ours");
        fs::set_permissions(&new, PermissionsExt::from_mode(0o644)).expect("it is ours");
        fs::rename(&new, name).expect("it can be renamed");
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

impl Drop for Bench {
    fn drop(&mut self) {
        nix::mount::umount2(&self.shown, nix::mount::MntFlags::MNT_DETACH).ok();
    }
}
