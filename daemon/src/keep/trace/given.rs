//! What a run was given to read besides files.

use zccache_compiler::TimeWords;
use zccache_core::invocation::Input;
use zccache_core::{Invocation, OsBytes};

/// What the caller gave besides files says of times.
pub(super) fn of_given_text(invocation: &Invocation) -> TimeWords {
    let mut words = TimeWords::default();
    for_each_given_text(invocation, |text| words = words | TimeWords::of(text));
    words
}

/// What the caller gave besides files: arguments, also those in variables of clang's
/// driver (`CCC_OVERRIDE_OPTIONS`), and a source on standard input.
pub(super) fn for_each_given_text(invocation: &Invocation, mut take: impl FnMut(&[u8])) {
    let variables = invocation.environment.iter().map(OsBytes::as_bytes);
    let of_driver = variables.filter(|entry| entry.starts_with(b"CCC_"));
    invocation.argv.iter().map(OsBytes::as_bytes).chain(of_driver).for_each(&mut take);
    if let Input::Text { bytes, .. } = &invocation.input {
        take(bytes);
    }
}
