//! Response files, as GCC and LLVM expand `@file`: libiberty's `expandargv`
//! and LLVM's `TokenizeGNUCommandLine` split the same way.

use zccache_core::{OsBytes, Reason};

/// The file system, as far as arguments and variables refer to it.
pub trait Files {
    /// The content of a response file, by the path as it stands behind the `@`; none
    /// if the file cannot be read or is too long.
    fn read(&self, path: &[u8]) -> Option<Vec<u8>>;

    /// Whether an absolute path leads to the working directory.
    fn is_working_directory(&self, path: &[u8]) -> bool;
}

/// How many response files one command may name, nested ones included:
/// libiberty stops at 2000 as well.
const MOST_FILES: usize = 2000;

/// The arguments with every `@file` replaced by what the file holds. An `@file`
/// that cannot be read stands for itself, as with the compilers.
///
/// # Errors
/// [`Reason::ResponseFile`] when they nest without end.
pub fn expand(arguments: &[OsBytes], files: &dyn Files) -> Result<Vec<OsBytes>, Reason> {
    let mut pending: Vec<OsBytes> = arguments.iter().rev().cloned().collect();
    let mut expanded = Vec::with_capacity(arguments.len());
    let mut opened = 0;
    while let Some(argument) = pending.pop() {
        let content = argument.as_bytes().strip_prefix(b"@").and_then(|path| files.read(path));
        let Some(content) = content else {
            expanded.push(argument);
            continue;
        };
        opened += 1;
        if opened > MOST_FILES {
            return Err(Reason::ResponseFile);
        }
        pending.extend(split(&content).into_iter().rev());
    }
    Ok(expanded)
}

/// Splits at white space; quotes group, a backslash takes the next byte as it is.
pub(crate) fn split(content: &[u8]) -> Vec<OsBytes> {
    let mut words = Vec::new();
    let mut word: Option<Vec<u8>> = None;
    let mut quote = None;
    let mut bytes = content.iter().copied();
    while let Some(byte) = bytes.next() {
        match (byte, quote) {
            (b'\\', _) => word.get_or_insert_default().extend(bytes.next()),
            (b'"' | b'\'', None) => {
                quote = Some(byte);
                word.get_or_insert_default();
            }
            (_, Some(open)) if open == byte => quote = None,
            (_, None) if byte.is_ascii_whitespace() || byte == 0x0b => words.extend(word.take()),
            _ => word.get_or_insert_default().push(byte),
        }
    }
    words.extend(word);
    words.into_iter().map(OsBytes::from).collect()
}
