//! Depfiles and object files: what is read of a depfile is written for the same
//! checkout byte for byte.
#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use zccache_compiler::relocation::{depfile, elf};
use zccache_compiler::rust;
use zccache_core::Root;

fuzz_target!(|bytes: &[u8]| {
    for root in ["/r", "/home/me/a b", "/"].map(|root| Root::new(Path::new(root))) {
        for compiler in [&b"gcc"[..], b"clang-16", b"rustc"] {
            if let Some((text, breaks)) = depfile::template(bytes, &root, compiler) {
                assert_eq!(depfile::at(&text, breaks, &root), bytes);
            }
        }
    }
    let _ = rust::tracked_variables(bytes);
    if let Some(sections) = elf::sections(bytes) {
        let _ = sections.names(bytes);
    }
    let _ = (elf::hides_text(bytes, bytes), elf::holds_metadata(bytes, bytes));
});
