//! The numbers of the processes of a run, after which tools name files: a profile
//! (`LLVM_PROFILE_FILE=%p`), a log. The next run has others, and would leave other files.

use rustc_hash::FxHashSet;

/// The threads of a run that were seen.
#[derive(Default)]
pub(crate) struct Numbers {
    last: libc::pid_t,
    all: FxHashSet<libc::pid_t>,
}

impl Numbers {
    /// Notes that a thread has made a call.
    pub(crate) fn note(&mut self, thread: libc::pid_t) {
        if self.last != thread {
            self.last = thread;
            self.all.insert(thread);
        }
    }

    /// Whether the file at a path is named after one of them: its name has that number between
    /// what is no letter and no digit.
    pub(crate) fn name(&self, path: &[u8]) -> bool {
        let name = path.rsplit(|&byte| byte == b'/').next().unwrap_or_default();
        let words = name.split(|byte| !byte.is_ascii_alphanumeric());
        let mut numbers = words.filter_map(|word| str::from_utf8(word).ok()?.parse().ok());
        numbers.any(|number| self.all.contains(&number))
    }
}

#[cfg(test)]
mod tests {
    use super::Numbers;

    #[test]
    fn a_number_counts_only_whole() {
        let mut numbers = Numbers::default();
        numbers.note(812);
        numbers.note(4711);
        for name in ["/t/cov-4711.profraw", "/t/4711", "/t/a.812", "/t/812_0.gcda"] {
            assert!(numbers.name(name.as_bytes()), "{name}");
        }
        for name in ["/4711/a.o", "/t/a4711.o", "/t/47110", "/t/f4711e.rlib", "/t/a-813.o", "/t/+"]
        {
            assert!(!numbers.name(name.as_bytes()), "{name}");
        }
    }
}
