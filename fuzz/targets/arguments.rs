//! Command lines: lines of the input are arguments, those with a `=` in front variables.
#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use zccache_compiler::response::Files;
use zccache_compiler::{clock, failure, outputs, plan, program, rust};
use zccache_core::{Invocation, OsBytes, Root};

struct NoFiles;

impl Files for NoFiles {
    fn read(&self, _path: &[u8]) -> Option<Vec<u8>> {
        None
    }

    fn is_working_directory(&self, path: &[u8]) -> bool {
        path == b"/b"
    }
}

fuzz_target!(|bytes: &[u8]| {
    let invocation = invocation(bytes);
    for root in ["/b", "/", "/elsewhere"] {
        let root = Root::new(Path::new(root));
        let first = plan(&invocation, &NoFiles, &root);
        let again = plan(&invocation, &NoFiles, &root);
        assert_eq!(first.map(|plan| plan.here), again.map(|plan| plan.here));
    }
    let _ = (outputs::guess(&invocation), rust::own_paths(&invocation), rust::asks(&invocation));
    let _ = (rust::searched(&invocation.argv, b"/b", b"/b/target"), clock::is_usual(&invocation));
    if let Some(family) = program::family_of(&invocation) {
        let _ = failure::speaks_english(family, &invocation);
    }
});

fn invocation(bytes: &[u8]) -> Invocation {
    let lines = bytes.split(|byte| *byte == b'\n').map(OsBytes::from);
    let (environment, argv) = lines.partition(|line| line.as_bytes().starts_with(b"="));
    let variables: Vec<OsBytes> = environment;
    let environment = variables.iter().map(|line| OsBytes::from(&line.as_bytes()[1..]));
    Invocation::plain(argv, environment.collect())
}
