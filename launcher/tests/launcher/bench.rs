//! A store, a directory to work in, and the launcher with nothing else of the
//! caller's environment.

use std::fs;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;
use zccache_core::entry::{Chunk, Stream};
use zccache_core::report::{Report, Seen, Sighting};

use crate::daemon::{self, Answer, Heard};

pub(crate) const LAUNCHER: &str = env!("CARGO_BIN_EXE_zccache-launch");

pub(crate) struct Bench {
    root: TempDir,
}

/// A command that has ended, and what the daemon heard of it.
pub(crate) struct Done {
    pub output: Output,
    pub heard: Heard,
}

impl Bench {
    pub(crate) fn new() -> Self {
        let root = TempDir::new().unwrap();
        fs::create_dir(root.path().join("store")).unwrap();
        fs::create_dir(root.path().join("work")).unwrap();
        Self { root }
    }

    pub(crate) fn store(&self) -> PathBuf {
        self.root.path().join("store")
    }

    /// The absolute path of a file in the working directory.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.root.path().join("work").join(name)
    }

    pub(crate) fn write(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }

    /// An executable shell script.
    pub(crate) fn script(&self, name: &str, text: &str) -> PathBuf {
        let text = self.write(&format!("{name}.text"), format!("#!/bin/sh\n{text}\n"));
        let path = self.install(&text, name);
        fs::remove_file(text).unwrap();
        path
    }

    /// An executable copy. Another process writes it, because one that this
    /// process has open while another test forks is busy for `execve(2)`.
    pub(crate) fn install(&self, file: impl AsRef<Path>, name: &str) -> PathBuf {
        let path = self.path(name);
        let mut install = Command::new("install");
        install.args(["-m", "755", "-T"]).arg(file.as_ref()).arg(&path);
        assert!(install.status().unwrap().success());
        path
    }

    /// A program compiled from C.
    pub(crate) fn program(&self, name: &str, source: &str, options: &[&str]) -> PathBuf {
        let code = self.write(&format!("{name}.program.c"), source);
        let path = self.path(name);
        let mut compiler = Command::new("gcc");
        compiler.args(["-O1", "-w", "-o"]).arg(&path).arg(&code).args(options);
        assert!(compiler.status().unwrap().success());
        fs::remove_file(code).unwrap();
        path
    }

    /// A command without the caller's environment, in the working directory.
    pub(crate) fn bare(&self, program: impl AsRef<Path>) -> Command {
        let mut command = Command::new(program.as_ref());
        command
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .env("ZCCACHE_DIR", self.store())
            .current_dir(self.path(""))
            .stdin(Stdio::null());
        command
    }

    pub(crate) fn launcher(&self, arguments: &[&str]) -> Command {
        let mut command = self.bare(LAUNCHER);
        command.args(arguments);
        command
    }

    /// Runs a command line under observation.
    pub(crate) fn observe(&self, arguments: &[&str]) -> Done {
        self.observe_command(self.launcher(arguments))
    }

    pub(crate) fn observe_command(&self, command: Command) -> Done {
        self.answered(command, vec![daemon::run(Vec::new()).into()])
    }

    /// Runs a command with a daemon that gives these answers.
    pub(crate) fn answered(&self, mut command: Command, answers: Vec<Answer>) -> Done {
        let socket = self.store().join("daemon.sock");
        let daemon = daemon::serve(&self.store(), answers);
        let output = command.output().unwrap();
        // It may be waiting for another connection.
        drop(UnixStream::connect(&socket));
        let heard = daemon.join().unwrap();
        fs::remove_file(socket).unwrap();
        Done { output, heard }
    }
}

impl Done {
    pub(crate) fn report(&self) -> &Report {
        self.heard.report()
    }

    /// The report of a run that can be kept.
    pub(crate) fn kept(&self) -> &Report {
        let report = self.report();
        let said = String::from_utf8_lossy(&self.output.stderr);
        assert_eq!(report.unobservable, None, "{said}");
        report
    }

    pub(crate) fn sighting(&self, path: impl AsRef<Path>, follow: bool) -> Option<&Sighting> {
        let path = path.as_ref();
        self.kept().sightings.iter().find(|s| s.path.as_path() == path && s.follow == follow)
    }

    /// What was seen at a path that was followed.
    pub(crate) fn seen(&self, path: impl AsRef<Path>) -> Option<&Seen> {
        self.sighting(path, true).map(|sighting| &sighting.seen)
    }

    pub(crate) fn saw_file(&self, path: impl AsRef<Path>) -> bool {
        matches!(self.seen(path), Some(Seen::File { .. }))
    }

    pub(crate) fn outputs(&self) -> Vec<PathBuf> {
        self.kept().outputs.iter().map(|file| file.path.as_path().to_owned()).collect()
    }

    /// What was recorded of one stream.
    pub(crate) fn stream(&self, stream: Stream) -> Vec<u8> {
        joined(&self.kept().streams, stream)
    }
}

fn joined(chunks: &[Chunk], stream: Stream) -> Vec<u8> {
    chunks.iter().filter(|chunk| chunk.stream == stream).flat_map(|c| c.bytes.clone()).collect()
}
