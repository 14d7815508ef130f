//! Whatever is in arguments, response files, depfiles, sources and objects, reading it
//! does not panic, and what is read is written again as it was.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../../../core/tests/decoding/mutant.rs"]
mod mutant;

use std::path::Path;

use fastrand::Rng;
use zccache_compiler::clock::Clock;
use zccache_compiler::comments::Outline;
use zccache_compiler::program::Family;
use zccache_compiler::relocation::path_words::PathWords;
use zccache_compiler::relocation::{depfile, elf};
use zccache_compiler::response::{Files, expand};
use zccache_compiler::{TimeWords, failure, outputs, plan, rust, source};
use zccache_core::{Invocation, OsBytes, Root};

use mutant::mutant;

/// Mutants of each kind.
const MUTANTS: usize = 30_000;

/// Pieces of command lines.
const WORDS: &[&str] = &[
    "gcc",
    "g++-12",
    "clang",
    "rustc",
    "/usr/bin/cc",
    "-c",
    "a.c",
    "-o",
    "a.o",
    "-MD",
    "-MF",
    "-",
    "--",
    "@r",
    "@",
    "-I",
    "-Iinclude",
    "-x",
    "c",
    "-E",
    "-S",
    "-g",
    "-gsplit-dwarf",
    "-flto",
    "-march=native",
    "-Wp,-MD,x",
    "-Xclang",
    "-fmodules",
    "--crate-name",
    "x",
    "--emit=link,dep-info",
    "--out-dir",
    "target",
    "--extern",
    "y=liby.rlib",
    "-C",
    "incremental=i",
    "-Cextra-filename=-1",
    "src/lib.rs",
    "--target",
    "-L",
    "dependency=deps",
    "--error-format=json",
    "-frandom-seed=",
    "-D",
    "=",
];

/// A response file that may name itself.
struct Response(Vec<u8>);

impl Files for Response {
    fn read(&self, path: &[u8]) -> Option<Vec<u8>> {
        (!path.is_empty()).then(|| self.0.clone())
    }

    fn is_working_directory(&self, path: &[u8]) -> bool {
        path == b"/b"
    }
}

fn invocation(argv: Vec<OsBytes>) -> Invocation {
    let environment = ["PATH=/usr/bin", "CARGO_PKG_NAME=x", "="].map(OsBytes::from);
    Invocation::plain(argv, environment.into())
}

fn each_mutant(seed: u64, samples: &[&[u8]], mut read: impl FnMut(&[u8])) {
    let samples: Vec<_> = samples.iter().map(|sample| sample.to_vec()).collect();
    let mut rng = Rng::with_seed(seed);
    for _ in 0..MUTANTS {
        read(&mutant(&mut rng, &samples));
    }
}

#[test]
fn arguments_and_response_files() {
    let mut rng = Rng::with_seed(1);
    let samples = [b"-c 'a b.c' \"-o\" a\\ b.o @r -I\"x\n".to_vec(), b"@r".to_vec()];
    for _ in 0..MUTANTS {
        let content = mutant(&mut rng, &samples);
        let word = |rng: &mut Rng| match rng.u8(..8) {
            0 => OsBytes::from(&mutant(rng, &[b"-Iinclude".to_vec()])[..]),
            _ => OsBytes::from(WORDS[rng.usize(..WORDS.len())]),
        };
        let argv: Vec<_> = (0..rng.usize(1..8)).map(|_| word(&mut rng)).collect();
        let files = Response(content);
        if let Ok(expanded) = expand(&argv, &files) {
            assert!(
                expanded.len() >= argv.iter().filter(|a| !a.as_bytes().starts_with(b"@")).count()
            );
        }
        let invocation = invocation(argv);
        let _ = plan(&invocation, &files, &Root::new(Path::new("/b")));
        let _ =
            (outputs::guess(&invocation), rust::own_paths(&invocation), rust::asks(&invocation));
        let _searched = rust::searched(&invocation.argv, b"/b", b"/b/target");
    }
}

#[test]
fn depfiles() {
    let gcc: &[u8] = b"/r/o.o: /r/src/a_rather_long_name.c /r/include/another_long_name_.h \\\n \
        /usr/include/stdio.h\n/r/include/another_long_name_.h:\n";
    let rustc: &[u8] =
        b"/r/t/a.d: /r/src/lib.rs /r/src/a\\ b.rs\n\n/r/src/lib.rs:\n\n# env-dep:X=a\\nb\n";
    let root = Root::new(Path::new("/r"));
    each_mutant(2, &[gcc, rustc], |content| {
        for compiler in [&b"gcc"[..], b"clang-16", b"rustc"] {
            if let Some((text, breaks)) = depfile::template(content, &root, compiler) {
                assert_eq!(depfile::at(&text, breaks, &root), content);
            }
        }
        let _ = rust::tracked_variables(content);
    });
}

#[test]
fn sources_and_messages() {
    let c: &[u8] = b"#include <a.h>\n// ??/\nconst char *t = __DATE__ \"\\\n\" __TI\\\nME__;\n";
    let said: &[u8] = b"a.c:1:5: error: expected ';' before 'x'\n    1 | int\nerror[E0425]: no\n";
    let told: &[u8] = b"Nov 25 2026\0 13:14:15 Wed Nov 25 13:14:15 2026";
    let clock = Clock {
        from: 1_795_612_000,
        to: 1_795_612_600,
        offset: 0,
        is_usual: true,
        is_fixed: false,
        modified: vec![1_795_612_100],
    };
    each_mutant(3, &[c, said, told], |content| {
        let _ = TimeWords::of(content).whole();
        let mut words = clock.told_by(content);
        words.strike_out(content);
        assert!(words.is_empty() || content.contains(&0), "what a text tells, it strikes out");
        let _ = PathWords::of(content);
        let _ = Outline::of(content);
        let _ = (source::is_precompiled(content), source::holds_stamps(content, &[]));
        for family in [Family::Binary, Family::C, Family::Checker, Family::Rust] {
            let _ = failure::is_diagnosed(family, content);
        }
    });
}

#[test]
fn object_files() {
    let mut header = b"\x7fELF\x02\x01\x01".to_vec();
    header.resize(64, 0);
    header[40] = 64;
    header[58] = 64;
    header[60] = 3;
    header[62] = 2;
    let table = vec![1; 3 * elf::SECTION];
    each_mutant(4, &[&header, &table, b"\0.text\0.zdebug_info\0.shstrtab\0"], |bytes| {
        if let Some(sections) = elf::sections(bytes) {
            let _ = sections.names(bytes);
        }
        let _ = (elf::hides_text(bytes, bytes), elf::holds_metadata(bytes, bytes));
    });
}
