//! The preprocessor, run for what its output tells of the sources.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::OwnedFd;

use memchr::memmem;
use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::sys::stat::Mode;
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid, dup2_stderr, dup2_stdin, dup2_stdout, fork, pipe2};
use zccache_core::limits;
use zccache_core::protocol::{Preprocessed, Word};

use crate::program::Program;

/// Runs a program that writes nothing but its standard output, and says whether one of
/// the words is in that.
pub(super) fn preprocess(program: &Program, words: &[Word]) -> Preprocessed {
    let Ok((output, child)) = start(program) else { return Preprocessed::Failed };
    // The output is closed before the end is waited for, so that a writer ends, too.
    let found = holds_one(File::from(output), words);
    match (found, end_of(child)) {
        (Ok(true), Ok(WaitStatus::Exited(_, 0))) => Preprocessed::With,
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

/// Whether one of the words is in a stream. It is kept in memory: what follows a word counts.
fn holds_one(stream: impl Read, words: &[Word]) -> io::Result<bool> {
    let mut bytes = Vec::new();
    let most = limits::PREPROCESSED_BYTES;
    if stream.take(most).read_to_end(&mut bytes)? as u64 == most {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    let counts = |word: &Word| {
        memmem::find_iter(&bytes, word.text.as_bytes()).any(|at| {
            let rest = &bytes[at + word.text.as_bytes().len()..];
            !word.unless.iter().any(|follows| rest.starts_with(follows.as_bytes()))
        })
    };
    Ok(words.iter().any(counts))
}

#[cfg(test)]
mod tests {
    use zccache_core::OsBytes;

    use super::*;

    fn word(text: &str, unless: &[&str]) -> Word {
        let unless = unless.iter().map(|text| OsBytes::from(*text)).collect();
        Word { text: text.into(), unless }
    }

    #[test]
    fn a_word_counts_unless_it_goes_on_as_it_may() {
        let words = [word("needle", &[]), word("#pragma ", &["once", "omp "])];
        let holds = |text: &str| holds_one(text.as_bytes(), &words).ok();
        for text in ["a needle", "needle", "#pragma unroll", "#pragma once #pragma omq", "#pragma "]
        {
            assert_eq!(holds(text), Some(true), "{text}");
        }
        for text in ["", "needl", "#pragma once", "x\n#pragma omp simd\n#pragma once\n"] {
            assert_eq!(holds(text), Some(false), "{text}");
        }
    }

    #[test]
    fn what_a_program_writes_is_searched_and_how_it_ends_counts() {
        let run = |script: &str| {
            let arguments = [c"/bin/sh", c"-c"].map(ToOwned::to_owned).into_iter();
            let script = std::ffi::CString::new(script).expect("a script");
            let program = Program::new(arguments.chain([script]).collect(), None);
            preprocess(&program, &[word("needle", &[])])
        };
        assert_eq!(run("echo hay"), Preprocessed::Without);
        assert_eq!(run("echo a needle"), Preprocessed::With);
        assert_eq!(run("echo hay; exit 1"), Preprocessed::Failed);
        assert_eq!(run("echo a needle; exit 1"), Preprocessed::Failed);
        assert_eq!(run("echo needle >&2"), Preprocessed::Without);
        assert_eq!(run("kill -9 $$"), Preprocessed::Failed);
        let missing = Program::new(vec![c"/nonexistent/compiler".to_owned()], None);
        assert_eq!(preprocess(&missing, &[]), Preprocessed::Failed);
    }
}
