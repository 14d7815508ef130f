//! The preprocessor, run for what its output tells of the sources.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::OwnedFd;

use memchr::memmem::Finder;
use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::sys::stat::Mode;
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid, dup2_stderr, dup2_stdin, dup2_stdout, fork, pipe2};
use zccache_core::OsBytes;
use zccache_core::protocol::Preprocessed;

use crate::program::Program;

/// Bytes of output looked at in one go: what a pipe holds (`pipe(7)`).
const PIECE: usize = 64 << 10;

/// Runs a program that writes nothing but its standard output, and says whether one of
/// the words is in that.
pub(super) fn preprocess(program: &Program, words: &[OsBytes]) -> Preprocessed {
    let Ok((output, child)) = start(program) else { return Preprocessed::Failed };
    // The output is closed before the end is waited for, so that a writer ends, too.
    let found = holds_one(File::from(output), words);
    match (found, end_of(child)) {
        (Ok(true), _) => Preprocessed::With,
        (Ok(false), Ok(WaitStatus::Exited(_, 0))) => Preprocessed::Without,
        _ => Preprocessed::Failed,
    }
}

/// Starts the program; what it says to the user is not for the user.
fn start(program: &Program) -> nix::Result<(OwnedFd, Pid)> {
    let null = open(c"/dev/null", OFlag::O_RDWR | OFlag::O_CLOEXEC, Mode::empty())?;
    let (output, input) = pipe2(OFlag::O_CLOEXEC)?;
    // SAFETY: this process has one thread, and the child only calls what is safe then.
    match unsafe { fork() }? {
        ForkResult::Parent { child } => Ok((output, child)),
        ForkResult::Child => {
            let redirected = dup2_stdin(&null)
                .and_then(|()| dup2_stderr(&null))
                .and_then(|()| dup2_stdout(&input));
            if redirected.is_ok() {
                program.execute();
            }
            // SAFETY: ends the process without running what belongs to its parent.
            unsafe { libc::_exit(127) }
        }
    }
}

fn end_of(child: Pid) -> nix::Result<WaitStatus> {
    loop {
        match waitpid(child, None) {
            Err(Errno::EINTR) => {}
            ended => return ended,
        }
    }
}

/// Whether one of the words is in a stream; what follows the first is not read.
fn holds_one(mut stream: impl Read, words: &[OsBytes]) -> io::Result<bool> {
    let finders: Vec<_> = words.iter().map(|word| Finder::new(word.as_bytes())).collect();
    let longest = words.iter().map(|word| word.as_bytes().len()).max().unwrap_or(1);
    let mut bytes = Vec::with_capacity(PIECE + longest);
    loop {
        // No word is cut: its beginning is seen again.
        bytes.drain(..bytes.len().saturating_sub(longest - 1));
        let room = (&mut stream).take(PIECE as u64);
        if { room }.read_to_end(&mut bytes)? == 0 {
            return Ok(false);
        }
        if finders.iter().any(|finder| finder.find(&bytes).is_some()) {
            return Ok(true);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A stream that is read in pieces of this many bytes.
    struct Trickle<'a>(&'a [u8], usize);

    impl Read for Trickle<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let length = self.1.min(self.0.len()).min(buffer.len());
            let (piece, rest) = self.0.split_at(length);
            buffer[..length].copy_from_slice(piece);
            self.0 = rest;
            Ok(length)
        }
    }

    #[test]
    fn words_are_found_wherever_pieces_end() {
        let words = ["needle", "pin"].map(OsBytes::from);
        for before in [0, 1, PIECE - 7, PIECE - 6, PIECE - 5, PIECE - 1, PIECE, 3 * PIECE - 3] {
            for (word, held) in [("needle", true), ("pin", true), ("needl", false)] {
                let mut text = vec![b'.'; before];
                text.extend_from_slice(word.as_bytes());
                text.extend_from_slice(&[b'.'; 100]);
                for step in [1 << 10, PIECE, 4 * PIECE] {
                    let found = holds_one(Trickle(&text, step), &words);
                    assert_eq!(found.ok(), Some(held), "{word} behind {before} by {step}");
                }
            }
        }
    }

    #[test]
    fn what_a_program_writes_is_searched_and_how_it_ends_counts() {
        let run = |script: &str| {
            let words = [OsBytes::from("needle")];
            let arguments = [c"/bin/sh", c"-c"].map(ToOwned::to_owned).into_iter();
            let script = std::ffi::CString::new(script).expect("a script");
            preprocess(&Program::new(arguments.chain([script]).collect(), None), &words)
        };
        assert_eq!(run("echo hay"), Preprocessed::Without);
        assert_eq!(run("echo a needle"), Preprocessed::With);
        assert_eq!(run("echo hay; exit 1"), Preprocessed::Failed);
        assert_eq!(run("echo needle >&2"), Preprocessed::Without);
        assert_eq!(run("echo a needle; while echo hay; do :; done 2>&1"), Preprocessed::With);
        assert_eq!(run("kill -9 $$"), Preprocessed::Failed);
        let missing = Program::new(vec![c"/nonexistent/compiler".to_owned()], None);
        assert_eq!(preprocess(&missing, &[]), Preprocessed::Failed);
    }
}
