//! Outlines of sources: one more comment behind a text that has one is no more than a line.
#![no_main]

use libfuzzer_sys::fuzz_target;
use zccache_compiler::comments::Outline;

fuzz_target!(|text: &[u8]| {
    let Some(outline) = Outline::of(text) else { return };
    let is_ended =
        text.strip_suffix(b"\n").is_some_and(|all| !all.trim_ascii_end().ends_with(b"\\"));
    // Behind a long line, which may be one of several, comments count.
    let is_long = |line: &[u8]| line.len() > 400 || line.trim_ascii_end().ends_with(b"\\");
    let is_narrow = text.len() <= 400 || !text.split(|byte| *byte == b'\n').any(is_long);
    // Too many empty lines are no outline.
    if is_ended && is_narrow && outline.empty_lines < 60 {
        let longer = Outline::of(&[text, b"/* c */ // d\n"].concat());
        let expected = Outline { empty_lines: outline.empty_lines + 1, ..outline.clone() };
        assert_eq!(longer, Some(expected));
    }
});
