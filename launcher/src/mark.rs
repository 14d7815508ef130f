//! What all launchers have in common, whatever they are called: so that none of
//! them takes another for a compiler, and both run each other for ever.

use std::ffi::CStr;

use nix::fcntl::{OFlag, open};
use nix::sys::stat::Mode;
use nix::unistd::read;

/// An ELF note (`elf(5)`): lengths of name and description, a type, both texts,
/// padded to words.
#[repr(C, align(4))]
struct Note {
    lengths: [u32; 2],
    kind: u32,
    name: [u8; 8],
    description: [u8; 8],
}

/// In every executable that this crate is part of; linkers put notes right behind
/// the program headers, copying and stripping keeps them.
// SAFETY: the section holds notes, and this is a well-formed one.
#[used]
#[unsafe(link_section = ".note.zccache")]
static MARK: Note =
    Note { lengths: [8, 8], kind: 1, name: *b"zccache\0", description: *b"launcher" };

/// How many bytes of an executable are looked at.
const HEAD: usize = 4096;

/// Whether a file is a launcher: this one or another, a copy of it or a link.
pub(crate) fn is_launcher(file: &CStr) -> bool {
    // A named pipe in the search path must not hold us up.
    let flags = OFlag::O_RDONLY | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
    let mut head = [0; HEAD];
    let Ok(length) = open(file, flags, Mode::empty()).and_then(|file| read(file, &mut head)) else {
        return false;
    };
    let text = [MARK.name, MARK.description].concat();
    head[..length].windows(text.len()).any(|window| window == text)
}
