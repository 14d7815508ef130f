//! Paths that are neither input nor output: the one table of what is ignored.
//!
//! | path | why it cannot matter, or matters always |
//! |---|---|
//! | `/dev/null`, `/dev/zero`, `/dev/full` | constant |
//! | `/dev/random`, `/dev/urandom` | names of temporary files; a result that depends on it is not reproducible anyway |
//! | `/etc/ld.so.cache` | the libraries it leads to are observed |
//! | `/proc/self/…`, `/proc/<pid>/…`, `/proc/thread-self/…` | the process about itself; the executable and its libraries are observed |
//! | `/proc/meminfo`, `/proc/cpuinfo`, `/proc/sys/vm/overcommit_memory`, … | how much of the machine to use, not what to produce |
//! | `/sys/devices/system/cpu`, `/sys/devices/system/node`, `/sys/fs/cgroup` | as above |
//! | `/sys/kernel/mm/transparent_hugepage` | how an allocator maps memory |
//!
//! A compiler or linker that opens any of them but those that run-time libraries open was told
//! to: what it read there is in its output. Such a run is not kept.
//!
//! The features of the processor that a compiler chooses code by are part of
//! the invocation key, whether or not it reads `/proc/cpuinfo`.

/// How a path has to do with the process rather than with files.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Privacy {
    /// A file like any other.
    Public,
    /// Ignored.
    Ignored,
    /// Ignored when looked at; opening it reaches a descriptor or the terminal of
    /// the process.
    Descriptor,
    /// Leads through the process to any other file.
    Through,
}

const IGNORED: &[&[u8]] = &[
    b"/dev/null",
    b"/dev/zero",
    b"/dev/full",
    b"/dev/random",
    b"/dev/urandom",
    b"/etc/ld.so.cache",
    b"/proc/cgroups",
    b"/proc/cpuinfo",
    b"/proc/filesystems",
    b"/proc/loadavg",
    b"/proc/meminfo",
    b"/proc/mounts",
    b"/proc/stat",
    b"/proc/sys/vm/overcommit_memory",
    b"/proc/uptime",
    b"/proc/version",
    b"/sys/kernel/mm/transparent_hugepage/enabled",
    b"/sys/kernel/mm/transparent_hugepage/hpage_pmd_size",
];

const IGNORED_BELOW: &[&[u8]] =
    &[b"/sys/devices/system/cpu/", b"/sys/devices/system/node/", b"/sys/fs/cgroup/"];

const DESCRIPTORS: &[&[u8]] = &[b"/dev/tty", b"/dev/stdin", b"/dev/stdout", b"/dev/stderr"];

/// What allocators, counters of processors and other run-time libraries read in any program.
const OF_RUN_TIMES: &[&[u8]] = &[
    b"/proc/cpuinfo",
    b"/proc/meminfo",
    b"/proc/self/cgroup",
    b"/proc/self/maps",
    b"/proc/self/mountinfo",
    b"/proc/self/statm",
    b"/proc/stat",
    b"/proc/sys/vm/overcommit_memory",
];

/// Whether the kernel says at such a path how it or a process is, which no run-time library
/// asks. Executables and descriptors of a process have rules of their own.
pub(crate) fn is_told_by_the_kernel(path: &[u8]) -> bool {
    match path.get(..5) {
        Some(b"/proc") => {
            let is_of_run_times = OF_RUN_TIMES.contains(&path) || path.ends_with(b"/exe");
            !is_of_run_times && privacy(path) != Privacy::Descriptor
        }
        Some(b"/sys/") => privacy(path) == Privacy::Public,
        _ => false,
    }
}

/// Where a path belongs.
pub(crate) fn privacy(path: &[u8]) -> Privacy {
    match path.get(..5) {
        Some(b"/proc") => process(path),
        Some(b"/dev/" | b"/sys/" | b"/etc/") => device(path),
        _ => Privacy::Public,
    }
}

fn device(path: &[u8]) -> Privacy {
    if DESCRIPTORS.contains(&path) || path.starts_with(b"/dev/fd/") || path == b"/dev/fd" {
        return Privacy::Descriptor;
    }
    if IGNORED.contains(&path) || IGNORED_BELOW.iter().any(|below| path.starts_with(below)) {
        return Privacy::Ignored;
    }
    Privacy::Public
}

fn process(path: &[u8]) -> Privacy {
    if IGNORED.contains(&path) {
        return Privacy::Ignored;
    }
    let mut names = path[1..].split(|&byte| byte == b'/').skip(1);
    let Some(first) = names.next() else { return Privacy::Public };
    let of_a_process = first == b"self"
        || first == b"thread-self"
        || (!first.is_empty() && first.iter().all(u8::is_ascii_digit));
    if !of_a_process {
        return Privacy::Public;
    }
    let mut rest = names.skip_while(|name| *name == b"task" || name.iter().all(u8::is_ascii_digit));
    match rest.next() {
        Some(b"fd") => Privacy::Descriptor,
        Some(b"root" | b"cwd" | b"map_files") => Privacy::Through,
        Some(b"exe") if rest.next().is_some() => Privacy::Through,
        _ => Privacy::Ignored,
    }
}
