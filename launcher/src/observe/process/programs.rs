//! Programs whose habits matter.

use super::tracee::Tracee;

/// lld opens its last output before it removes it, so that the file goes away only when it
/// closes it, in a thread that nobody waits for (`unlinkAsync` in `lld/Common/Filesystem.cpp`).
pub(crate) const LLD: &[&[u8]] = &[b"lld", b"rust-lld", b"ld.lld"];

/// mold gives its last output a temporary name, writes all of the new one into it, and gives it
/// its name back (`elf/output-file-unix.cc`).
pub(crate) const MOLD: &[&[u8]] = &[b"mold"];

/// What opens files of `/proc` and `/sys`, but those that run-time libraries do, only where a
/// source or the command says so (`.incbin`, `include_bytes!`, a linker's script).
pub(crate) const COMPILERS: &[&[u8]] = &[
    b"ar",
    b"as",
    b"cc1",
    b"cc1obj",
    b"cc1objplus",
    b"cc1plus",
    b"clang",
    b"clippy-driver",
    b"g++",
    b"gcc",
    b"gold",
    b"ld",
    b"ld.bfd",
    b"ld.gold",
    b"ld.lld",
    b"lld",
    b"lto1",
    b"mold",
    b"rust-lld",
    b"rustc",
];

impl Tracee {
    /// Whether it runs one of these programs, for whatever target (`aarch64-linux-gnu-as`) and of
    /// whatever version (`clang-14`).
    pub(crate) fn runs(self, names: &[&[u8]]) -> bool {
        let mut program = Vec::new();
        self.append_program(&mut program).is_ok() && names.contains(&plain_name(&program))
    }
}

fn plain_name(program: &[u8]) -> &[u8] {
    let mut words = program.rsplit(|&byte| byte == b'/').next().unwrap_or_default();
    let is_version = |word: &[u8]| word.iter().all(|byte| byte.is_ascii_digit() || *byte == b'.');
    while let Some(dash) = words.iter().rposition(|&byte| byte == b'-') {
        match &words[dash + 1..] {
            version if is_version(version) => words = &words[..dash],
            b"lld" | b"driver" => return words,
            name => return name,
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_and_versions_do_not_count() {
        let names: [(&[u8], &[u8]); 7] = [
            (b"/usr/bin/x86_64-linux-gnu-as", b"as"),
            (b"/usr/bin/x86_64-linux-gnu-g++-12", b"g++"),
            (b"/usr/lib/llvm-14/bin/clang-14.0.6", b"clang"),
            (b"/usr/lib/gcc/x86_64-linux-gnu/12/cc1plus", b"cc1plus"),
            (b"/opt/rust/bin/clippy-driver", b"clippy-driver"),
            (b"/opt/rust/bin/rust-lld", b"rust-lld"),
            (b"/usr/bin/x86_64-linux-gnu-ld.bfd", b"ld.bfd"),
        ];
        for (program, name) in names {
            assert_eq!(plain_name(program), name);
            assert!(COMPILERS.contains(&name));
        }
    }

    #[test]
    fn a_process_runs_its_program() {
        let us = Tracee(std::process::id().cast_signed());
        let name = std::env::current_exe().unwrap();
        let name = plain_name(name.as_os_str().as_encoded_bytes()).to_vec();
        assert!(us.runs(&[&name]) && !us.runs(COMPILERS));
    }
}
