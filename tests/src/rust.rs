//! The Rust toolchain that cases are tried with.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The directory of the programs of the toolchain itself, past any rustup.
///
/// # Panics
/// When there is no rustc.
#[must_use]
pub fn bin() -> &'static Path {
    static BIN: OnceLock<PathBuf> = OnceLock::new();
    BIN.get_or_init(|| {
        let told = Command::new("rustc").args(["--print", "sysroot"]).output();
        let told = String::from_utf8(told.expect("rustc runs").stdout).expect("a plain path");
        Path::new(told.trim()).join("bin")
    })
}

/// A command line in which `$RUSTC`, `$CARGO` and `$CLIPPY` stand for programs of
/// the toolchain.
#[must_use]
pub fn line(line: &str) -> String {
    let bin = bin().display().to_string();
    let line = line.replace("$RUSTC", &format!("{bin}/rustc"));
    line.replace("$CARGO", &format!("{bin}/cargo"))
        .replace("$CLIPPY", &format!("{bin}/clippy-driver"))
}
