use std::fs::{self, File, OpenOptions, Permissions};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use tempfile::TempDir;
use zccache_core::settings::Watching;
use zccache_core::{Expected, Observation, Root, Rooted};

use super::lesson::is_watchable;
use super::{Answer, Fact, Made, Proof, Question, Recalled, Watch, What};
use crate::world::{Found, Namespace};

/// A directory of which everything asked is watched: `d/file`, `d/link` to it, `up`, a
/// link to `d`, and `d/absent`, which is not there.
struct Place {
    home: TempDir,
    namespace: Namespace,
}

impl Place {
    fn new() -> Self {
        // In a container temporary files may be on an overlay.
        let home = tempfile::tempdir().unwrap();
        let of_home = OwnedFd::from(File::open(home.path()).unwrap());
        let home = match is_watchable(&of_home) {
            true => home,
            false => tempfile::tempdir_in("/dev/shm").unwrap(),
        };
        let mountinfo = File::open("/proc/self/mountinfo").unwrap().into();
        let (watch, _) = Watch::new(Watching::AtOnce).unwrap();
        let namespace = Namespace::new(None, mountinfo).unwrap().with_watch(watch);
        let this = Self { home, namespace };
        fs::create_dir(this.path("d")).unwrap();
        fs::write(this.path("d/file"), vec![b'x'; 8192]).unwrap();
        symlink("file", this.path("d/link")).unwrap();
        symlink("d", this.path("up")).unwrap();
        this
    }

    fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    fn watch(&self) -> &Watch {
        self.namespace.watch().unwrap()
    }

    fn learn(&self, name: &str) {
        let question = Question::new(&self.path(name), What::Target);
        self.watch().learn(&self.namespace, vec![question]);
    }

    /// What is remembered of a path now.
    fn recall(&self, name: &str) -> Option<Found> {
        self.watch().refresh();
        match self.watch().recall(&self.path(name), What::Target) {
            Recalled::Known(Answer::Found(found), _) => Some(found),
            _ => None,
        }
    }

    fn knows(&self, name: &str) -> bool {
        let remembered = self.recall(name);
        let Some(found) = &remembered else { return false };
        let really = fs::metadata(self.path(name));
        match found {
            Found::Absent | Found::Unreachable(libc::ENOTDIR) => {
                assert!(really.is_err(), "{name} is there");
            }
            Found::File(file) => assert_eq!(file.identity.inode, really.unwrap().ino(), "{name}"),
            Found::Directory(it) => assert_eq!(it.inode, really.unwrap().ino(), "{name}"),
            other => panic!("{name} is {other:?}"),
        }
        true
    }
}

/// That a change makes these forgotten, and nothing else makes them so.
fn is_noticed(names: &[&str], change: impl FnOnce(&Place)) {
    let place = Place::new();
    for name in names {
        place.learn(name);
        assert!(place.knows(name) && place.knows(name), "{name} is not watched");
    }
    change(&place);
    for name in names {
        assert!(place.recall(name).is_none(), "{name} is still remembered");
    }
}

const FILE: &[&str] = &["d/file", "d/link", "up/file", "up/link"];

#[test]
fn what_does_not_change_is_remembered() {
    let place = Place::new();
    let names = [
        "d/file",
        "up/link",
        "d/absent",
        "none/absent",
        "d/file/absent",
        "d",
        "up",
        "up/",
        "d/.",
        "d/../up/.",
        "d/file/",
        "d/link/.",
    ];
    names.iter().for_each(|name| place.learn(name));
    fs::write(place.path("d/other"), "x").unwrap();
    fs::rename(place.path("d/other"), place.path("d/another")).unwrap();
    fs::set_permissions(place.path("d/another"), Permissions::from_mode(0o600)).unwrap();
    fs::remove_file(place.path("d/another")).unwrap();
    names.iter().for_each(|name| assert!(place.knows(name), "{name}"));
}

/// Its names may lead elsewhere then, or nowhere; where it is stays known.
#[test]
fn a_directory_whose_attributes_change_is_where_it_was() {
    let place = Place::new();
    ["d", "up", "d/file", "d/absent"].iter().for_each(|name| place.learn(name));
    fs::set_permissions(place.path("d"), Permissions::from_mode(0o500)).unwrap();
    let known = ["d", "up", "d/file", "d/absent"].map(|name| place.knows(name));
    assert_eq!(known, [true, true, false, false]);
}

#[test]
fn a_write_is_noticed() {
    is_noticed(FILE, |place| fs::write(place.path("d/file"), "new").unwrap());
}

#[test]
fn a_change_without_opening_is_noticed() {
    is_noticed(FILE, |place| nix::unistd::truncate(&place.path("d/file"), 100).unwrap());
    let mode = Permissions::from_mode(0o700);
    is_noticed(FILE, |place| fs::set_permissions(place.path("d/file"), mode).unwrap());
    is_noticed(FILE, |place| fs::remove_file(place.path("d/file")).unwrap());
}

#[test]
fn a_write_by_another_name_is_noticed() {
    let place = Place::new();
    fs::create_dir(place.path("e")).unwrap();
    fs::hard_link(place.path("d/file"), place.path("e/hard")).unwrap();
    place.learn("d/file");
    assert!(place.knows("d/file"));
    fs::write(place.path("e/hard"), "new").unwrap();
    assert!(place.recall("d/file").is_none());
}

#[test]
fn names_that_lead_elsewhere_are_noticed() {
    is_noticed(FILE, |place| {
        fs::write(place.path("new"), "new").unwrap();
        fs::rename(place.path("new"), place.path("d/file")).unwrap();
    });
    is_noticed(&["d/link", "up/link"], |place| {
        fs::remove_file(place.path("d/link")).unwrap();
        symlink("absent", place.path("d/link")).unwrap();
    });
    is_noticed(&["up/file", "up/absent"], |place| {
        fs::create_dir(place.path("e")).unwrap();
        fs::remove_file(place.path("up")).unwrap();
        symlink("e", place.path("up")).unwrap();
    });
    let all = &["d/file", "up/link", "d/absent", "d"];
    is_noticed(all, |place| fs::rename(place.path("d"), place.path("e")).unwrap());
    is_noticed(all, |place| {
        fs::set_permissions(place.path("d"), Permissions::from_mode(0o500)).unwrap();
        fs::remove_dir_all(place.path("d")).unwrap();
    });
}

#[test]
fn a_link_whose_target_ends_in_a_slash_leads_to_no_file() {
    let place = Place::new();
    symlink("file/", place.path("d/closed")).unwrap();
    symlink("../d/", place.path("d/open")).unwrap();
    for name in ["d/closed", "up/closed", "d/open", "d/open/file"] {
        place.learn(name);
        assert!(place.knows(name), "{name}");
    }
    assert!(matches!(place.recall("d/closed"), Some(Found::Unreachable(libc::ENOTDIR))));
}

#[test]
fn a_link_that_changes_hands_is_noticed() {
    is_noticed(&["d/link", "up/link"], |place| {
        std::os::unix::fs::lchown(place.path("d/link"), None, Some(nix::unistd::getgid().as_raw()))
            .unwrap();
    });
}

#[test]
fn names_that_appear_are_noticed() {
    is_noticed(&["d/absent", "up/absent"], |place| {
        fs::write(place.path("d/absent"), "new").unwrap();
    });
    // Where upper and lower case are the same, either is announced.
    is_noticed(&["d/absent"], |place| fs::write(place.path("d/ABSENT"), "new").unwrap());
    is_noticed(&["e/absent", "e/f/absent"], |place| fs::create_dir(place.path("e")).unwrap());
    is_noticed(&["d/file/absent"], |place| {
        fs::remove_file(place.path("d/file")).unwrap();
    });
}

#[test]
fn nothing_is_remembered_of_a_file_that_is_written() {
    let place = Place::new();
    let writer = OpenOptions::new().write(true).open(place.path("d/file")).unwrap();
    place.learn("d/file");
    assert!(place.recall("d/file").is_none());
    drop(writer);
}

/// A store through a shared mapping of a file.
fn store_through_mapping(path: &Path) {
    use nix::sys::mman::{MapFlags, ProtFlags, mmap, munmap};
    let file = OpenOptions::new().read(true).write(true).open(path).unwrap();
    let length = 4096.try_into().unwrap();
    let access = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
    // SAFETY: a new mapping, which nothing else knows.
    let page = unsafe { mmap(None, length, access, MapFlags::MAP_SHARED, &file, 0) }.unwrap();
    // SAFETY: the file has that page, and it may be written.
    unsafe { page.cast::<u8>().write_volatile(b'y') };
    // SAFETY: nothing points there any more.
    unsafe { munmap(page, 4096) }.unwrap();
}

#[test]
fn a_store_through_a_mapping_is_noticed() {
    is_noticed(FILE, |place| store_through_mapping(&place.path("d/file")));
}

#[test]
fn whoever_opens_a_file_might_write_it() {
    let place = Place::new();
    place.learn("d/file");
    let reader = File::open(place.path("d/file")).unwrap();
    assert!(place.recall("d/file").is_none());
    drop(reader);
}

/// A file on the root file system, which alone are kept open.
fn often_opened(place: &Place) -> Option<PathBuf> {
    let device = |path: &Path| fs::metadata(path).unwrap().dev();
    let same = device(Path::new("/")) == device(place.home.path());
    if !same {
        println!("SKIP: temporary files are not on the root file system");
    }
    same.then(|| place.path("d/file"))
}

#[test]
fn a_file_that_many_read_is_asked_for_its_writers() {
    let place = Place::new();
    let Some(path) = often_opened(&place) else { return };
    let question = || vec![Question::new(&path, What::Target)];
    for _ in 0..super::limits::OPENED_OFTEN {
        place.watch().learn(&place.namespace, question());
        assert!(place.knows("d/file"));
        drop(File::open(&path).unwrap());
        assert!(place.recall("d/file").is_none());
        std::thread::sleep(super::limits::AGAIN);
    }
    place.watch().learn(&place.namespace, question());
    for _ in 0..3 {
        let reader = File::open(&path).unwrap();
        assert!(place.knows("d/file"));
        drop(reader);
        assert!(place.knows("d/file"));
    }
    let before = place.watch().generation();
    store_through_mapping(&path);
    assert!(place.recall("d/file").is_none());
    assert_ne!(place.watch().generation(), before);
}

#[test]
fn files_that_are_opened_all_the_time_cost_the_memory_of_nothing_else() {
    let place = Place::new();
    let Some(path) = often_opened(&place) else { return };
    for _ in 0..=super::limits::OPENED_OFTEN {
        place.learn("d/file");
        assert!(place.knows("d/file"));
        drop(File::open(&path).unwrap());
        if place.recall("d/file").is_none() {
            std::thread::sleep(super::limits::AGAIN);
        }
    }
    place.learn("d/absent");
    let opened = AtomicU32::new(0);
    let all = 100_000;
    let lasts = std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while opened.fetch_add(1, Ordering::Relaxed) < all {
                    drop(File::open(&path).unwrap());
                }
            });
        }
        let mut lasts = true;
        while opened.load(Ordering::Relaxed) < all {
            lasts = lasts && place.knows("d/absent");
        }
        lasts
    });
    assert!(lasts, "everything was forgotten");
}

#[test]
fn more_events_than_the_kernel_keeps_make_everything_new() {
    let place = Place::new();
    let limit = fs::read_to_string("/proc/sys/fs/inotify/max_queued_events").unwrap();
    let limit: usize = limit.trim().parse().unwrap();
    if limit > 100_000 {
        println!("SKIP: the kernel keeps more than 100,000 events");
        return;
    }
    place.learn("d/file");
    place.learn("d/absent");
    for number in 0..limit + 1 {
        let (old, new) = (number % 2, (number + 1) % 2);
        if number == 0 {
            fs::write(place.path("d/0"), "x").unwrap();
        }
        fs::rename(place.path(&format!("d/{old}")), place.path(&format!("d/{new}"))).unwrap();
    }
    fs::write(place.path("d/absent"), "lost").unwrap();
    assert!(place.recall("d/absent").is_none());
    assert!(place.recall("d/file").is_none());
    place.learn("d/file");
    assert!(place.knows("d/file"), "nothing is watched any more");
}

#[test]
fn a_generation_ends_with_what_is_remembered() {
    let place = Place::new();
    place.learn("d/file");
    place.learn("d/absent");
    let before = place.watch().generation();
    fs::write(place.path("d/other"), "x").unwrap();
    place.watch().refresh();
    assert_eq!(place.watch().generation(), before);
    fs::write(place.path("d/absent"), "x").unwrap();
    place.watch().refresh();
    assert_ne!(place.watch().generation(), before);
}

/// Facts that tell when `d/file` changes.
fn facts_of_the_file(place: &Place) -> Arc<[Fact]> {
    place.learn("d/file");
    place.watch().refresh();
    match place.watch().recall(&place.path("d/file"), What::Target) {
        Recalled::Known(_, facts) => facts,
        _ => panic!("d/file is not watched"),
    }
}

#[test]
fn what_is_proven_holds_until_a_fact_ends() {
    let edit = |place: &Place| fs::write(place.path("d/file"), "new").unwrap();
    let forget = |place: &Place| place.watch().forget();
    for change in [&edit as &dyn Fn(&Place), &forget] {
        is_proven_until(change);
    }
}

fn is_proven_until(change: &dyn Fn(&Place)) {
    let place = Place::new();
    let (watch, facts) = (place.watch(), facts_of_the_file(&place));
    let observation = |path, expected| Arc::new(Observation { path, follow: false, expected });
    let below = || Rooted::Below("/b".into());
    let outside = || Rooted::Plain("/a".into());
    let some = [
        observation(outside(), Expected::Absent),
        observation(below(), Expected::Absent),
        observation(outside(), Expected::Symlink(below())),
    ];
    let [here, there] = ["/here", "/there"].map(|path| Root::new(Path::new(path)));
    let proven = |root| watch.proven(root, &some).iter().map(Option::is_some).collect::<Vec<_>>();
    let prove = |generation| {
        let proof = |it| Proof::new(it, Made { identity: None }, Arc::clone(&facts));
        watch.prove(generation, &here, some.iter().map(proof).collect());
    };
    prove(watch.generation() + 1);
    assert_eq!(proven(&here), [false; 3], "what was recalled has ended since");
    prove(watch.generation());
    assert_eq!((proven(&here), proven(&there)), (vec![true; 3], vec![true, false, false]));
    change(&place);
    watch.refresh();
    assert_eq!((proven(&here), proven(&there)), (vec![false; 3], vec![false; 3]));
}

#[test]
fn what_is_not_on_a_disk_is_not_remembered() {
    let place = Place::new();
    for path in ["/proc/self/stat", "/sys/kernel/notes", "/dev/null"] {
        place.watch().learn(&place.namespace, vec![Question::new(Path::new(path), What::Target)]);
        let recalled = place.watch().recall(Path::new(path), What::Target);
        assert!(!matches!(recalled, Recalled::Known(..)), "{path}");
    }
}

#[test]
fn names_that_come_and_go_are_noticed() {
    let place = Place::new();
    let learn = || {
        place.watch().learn(&place.namespace, vec![Question::new(&place.path("up"), What::Names)]);
    };
    let names = || {
        place.watch().refresh();
        match place.watch().recall(&place.path("up"), What::Names) {
            Recalled::Known(Answer::Names(digest), _) => Some(digest),
            _ => None,
        }
    };
    learn();
    let before = names();
    assert!(before.is_some());
    fs::write(place.path("d/file"), "no name changes").unwrap();
    assert_eq!(names(), before);
    fs::write(place.path("d/new"), "").unwrap();
    assert_eq!(names(), None);
    std::thread::sleep(super::limits::AGAIN);
    learn();
    assert!(names().is_some() && names() != before);
    fs::remove_file(place.path("d/new")).unwrap();
    assert_eq!(names(), None);
}
