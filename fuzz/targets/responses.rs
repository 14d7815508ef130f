//! Response files, also those that name each other: the input is cut at each NUL.
#![no_main]

use libfuzzer_sys::fuzz_target;
use zccache_compiler::response::{Files, expand};
use zccache_core::OsBytes;

/// Files named by their number.
struct Responses<'a>(Vec<&'a [u8]>);

impl Files for Responses<'_> {
    fn read(&self, path: &[u8]) -> Option<Vec<u8>> {
        let number: usize = std::str::from_utf8(path).ok()?.parse().ok()?;
        self.0.get(number).map(|content| content.to_vec())
    }

    fn is_working_directory(&self, _path: &[u8]) -> bool {
        false
    }
}

fuzz_target!(|bytes: &[u8]| {
    let files = Responses(bytes.split(|byte| *byte == 0).collect());
    let arguments = ["-c", "@0", "a.c", "@missing"].map(OsBytes::from);
    if let Ok(expanded) = expand(&arguments, &files) {
        assert_eq!(expanded.first(), Some(&arguments[0]));
        assert_eq!(expanded.last(), Some(&arguments[3]));
    }
});
