//! What running something took, of the processes that ran and of daemons.
#![allow(clippy::expect_used)]

use std::fs;
use std::ops::{Add, Sub};
use std::path::Path;
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use nix::time::{clock_getcpuclockid, clock_gettime};
use nix::unistd::{Pid, SysconfVar, sync, sysconf};
use serde::{Deserialize, Serialize};

/// How long a daemon that has just worked may go on.
const PATIENCE: Duration = Duration::from_secs(30);

/// What a build took.
#[derive(Clone, Copy, Default, Debug, Serialize, Deserialize)]
pub struct Usage {
    /// From start to exit, in seconds.
    pub wall: f64,
    /// Processor time of the build and of daemons until they rest, in seconds.
    pub cpu: f64,
    /// What was handed to the file system, in bytes: `write_bytes` of
    /// `/proc/PID/io`, of the build and of daemons until they rest.
    pub written: f64,
    /// The most that the daemons ever had resident, in bytes.
    pub memory: f64,
}

/// Runs commands at the same time until the last has ended, so many times in a
/// row; what one time takes. The daemons are those processes that were told of
/// `root`.
///
/// # Panics
/// When a command cannot be run or fails.
pub fn measure(commands: &mut [Command], times: u32, root: &Path) -> Usage {
    measure_each(times, root, || (0..times).for_each(|_| run(commands)))
}

/// What each of so many things takes that `work` does.
///
/// # Panics
/// See [`measure`].
pub fn measure_each(times: u32, root: &Path, work: impl FnOnce()) -> Usage {
    // No run pays for what the one before has left to write.
    sync();
    let before = Spent::until_now(root);
    let start = Instant::now();
    work();
    let wall = start.elapsed().as_secs_f64();
    rest(root);
    let spent = Spent::until_now(root) - before;
    let memory = daemons(root).iter().filter_map(|pid| memory(*pid, "VmHWM:")).sum();
    let times = f64::from(times);
    Usage { wall: wall / times, cpu: spent.cpu / times, written: spent.written / times, memory }
}

/// Runs commands at the same time until the last has ended.
///
/// # Panics
/// When a command cannot be run or fails.
pub fn run(commands: &mut [Command]) {
    let start = |command: &mut Command| command.spawn().expect("it can be started");
    let children: Vec<_> = commands.iter_mut().map(start).collect();
    for (mut child, command) in children.into_iter().zip(commands) {
        let status = child.wait().expect("it can be waited for");
        assert!(status.success(), "{command:?}: {status}");
    }
}

/// Processor seconds and bytes.
#[derive(Clone, Copy, Default)]
struct Spent {
    cpu: f64,
    written: f64,
}

impl Spent {
    /// Of the children that were waited for, and of daemons.
    fn until_now(root: &Path) -> Self {
        let children = getrusage(UsageWho::RUSAGE_CHILDREN).expect("it is always known");
        let time = children.user_time() + children.system_time();
        #[expect(clippy::cast_precision_loss, reason = "far below 2^53 microseconds")]
        let cpu = time.num_microseconds() as f64 / 1e6;
        let own = Self { cpu, written: written("self") };
        daemons(root).into_iter().map(Self::of_daemon).fold(own, Add::add)
    }

    fn of_daemon(pid: u32) -> Self {
        Self { cpu: time_with_children(pid), written: written(&pid.to_string()) }
    }
}

impl Add for Spent {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { cpu: self.cpu + other.cpu, written: self.written + other.written }
    }
}

impl Sub for Spent {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self { cpu: self.cpu - other.cpu, written: self.written - other.written }
    }
}

/// Waits until the daemons of a lane have done what a build left to them.
fn rest(root: &Path) {
    let cpu = || daemons(root).into_iter().map(time_with_children).sum::<f64>();
    let deadline = Instant::now() + PATIENCE;
    let mut last = cpu();
    while Instant::now() < deadline {
        sleep(Duration::from_millis(300));
        let now = cpu();
        // One tick of the clock is what a timer may take.
        if now - last < 0.015 {
            return;
        }
        last = now;
    }
}

/// The processes that were told of a directory: while no build runs, the daemons.
///
/// # Panics
/// When processes cannot be listed.
#[must_use]
pub fn daemons(root: &Path) -> Vec<u32> {
    let root = root.as_os_str().as_encoded_bytes();
    let told = |pid: &u32| {
        ["environ", "cmdline"].iter().any(|file| {
            let text = fs::read(format!("/proc/{pid}/{file}")).unwrap_or_default();
            text.windows(root.len()).any(|window| window == root)
        })
    };
    let processes = fs::read_dir("/proc").expect("/proc is mounted");
    let names = processes.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    names.filter_map(|name| name.parse().ok()).filter(told).collect()
}

/// Seconds of a processor that a process has had, with all its threads.
///
/// # Panics
/// When there is none.
#[must_use]
pub fn processor_time(pid: Pid) -> f64 {
    let clock = clock_getcpuclockid(pid).expect("it runs");
    let time = clock_gettime(clock).expect("it runs");
    Duration::from(time).as_secs_f64()
}

/// User and system time of a process and of its children that have ended.
fn time_with_children(pid: u32) -> f64 {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // The name of the program, in parentheses, may hold anything.
    let fields = text.rsplit(')').next().unwrap_or_default();
    let ticks = fields.split_whitespace().skip(11).take(4).map(number).sum::<f64>();
    let per_second = sysconf(SysconfVar::CLK_TCK).ok().flatten().unwrap_or(100);
    ticks / f64::from(i32::try_from(per_second).unwrap_or(100))
}

fn written(pid: &str) -> f64 {
    let text = fs::read_to_string(format!("/proc/{pid}/io")).unwrap_or_default();
    field(&text, "write_bytes:")
}

/// A field of `/proc/PID/status` in bytes, such as `VmRSS:`, what is resident, and `VmHWM:`,
/// the most that ever was; none when the process has ended.
#[must_use]
pub fn memory(pid: u32, field: &str) -> Option<f64> {
    memory_told(&fs::read_to_string(format!("/proc/{pid}/status")).ok()?, field)
}

/// The same, of lines of such a file.
#[must_use]
pub fn memory_told(status: &str, field: &str) -> Option<f64> {
    Some(self::field(status, field) * 1024.0).filter(|bytes| *bytes > 0.0)
}

/// The number after a name at the start of a line.
fn field(text: &str, name: &str) -> f64 {
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|rest| rest.split_whitespace().next()).map_or(0.0, number)
}

fn number(text: &str) -> f64 {
    text.parse().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_the_number_after_its_name() {
        let text = "rchar: 7\nwrite_bytes: 4096\ncancelled_write_bytes: 1\n";
        assert!((field(text, "write_bytes:") - 4096.0).abs() < 0.5);
        assert!(field(text, "VmHWM:").abs() < 0.5);
    }

    #[test]
    fn what_daemons_hold_is_counted() {
        let root = tempfile::tempdir().unwrap();
        let mut daemon = Command::new("sleep").arg("60").env("HOME", root.path()).spawn().unwrap();
        let usage = measure(&mut [Command::new("true")], 1, root.path());
        daemon.kill().unwrap();
        daemon.wait().unwrap();
        assert!(usage.wall > 0.0 && usage.memory > 0.0, "{usage:?}");
    }
}
