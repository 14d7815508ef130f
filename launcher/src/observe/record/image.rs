//! The program that the kernel runs to execute a file: the interpreter of a
//! script (`execve(2)`) or the loader of a dynamic executable (`elf(5)`).

use std::ffi::{CStr, CString};
use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;

/// Who runs a file.
#[derive(PartialEq, Eq, Debug)]
pub(super) enum Interpreter {
    /// The program after `#!`.
    Script(CString),
    /// The loader named by `PT_INTERP`.
    Loader(CString),
    /// A program named relative to the working directory.
    Relative,
}

/// What is read at once; program headers follow the file header directly, and
/// linkers put the name of the loader right behind them.
const HEAD: usize = 1024;

const PT_INTERP: u32 = 3;

/// The interpreter of the file at `path`; none if it needs none or cannot be
/// read.
pub(super) fn interpreter(path: &CStr) -> Option<Interpreter> {
    let file = File::open(std::ffi::OsStr::from_bytes(path.to_bytes())).ok()?;
    let mut head = [0; HEAD];
    let length = file.read_at(&mut head, 0).ok()?;
    let head = &head[..length];
    if let Some(line) = head.strip_prefix(b"#!") {
        return script(line).map(|name| classify(name, Interpreter::Script));
    }
    if head.starts_with(b"\x7fELF") {
        return loader(&file, head).map(|name| classify(name, Interpreter::Loader));
    }
    None
}

fn script(line: &[u8]) -> Option<CString> {
    let line = line.split(|&byte| byte == b'\n').next()?;
    let start = line.iter().position(|&byte| byte != b' ' && byte != b'\t')?;
    let name = line[start..].split(|&byte| byte == b' ' || byte == b'\t').next()?;
    CString::new(name).ok()
}

/// Walks the program headers of a 64-bit, little-endian executable.
fn loader(file: &File, head: &[u8]) -> Option<CString> {
    let table = usize::try_from(word(head, 32)?).ok()?;
    let size = usize::from(half(head, 54)?);
    let count = usize::from(half(head, 56)?);
    for index in 0..count {
        let header = head.get(table + index * size..)?;
        if u32::from_le_bytes(header.get(..4)?.try_into().ok()?) == PT_INTERP {
            let length = usize::try_from(word(header, 32)?).ok()?;
            let mut name = vec![0; length.min(libc::PATH_MAX as usize)];
            file.read_exact_at(&mut name, word(header, 8)?).ok()?;
            return Some(CStr::from_bytes_until_nul(&name).ok()?.to_owned());
        }
    }
    None
}

fn classify(name: CString, absolute: fn(CString) -> Interpreter) -> Interpreter {
    if name.to_bytes().starts_with(b"/") { absolute(name) } else { Interpreter::Relative }
}

fn word(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}

fn half(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}
