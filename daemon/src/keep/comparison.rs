//! Comparing what the compiler made with what would have been served.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use zccache_core::entry::{Message, Stream};
use zccache_core::protocol::explanation::Deviation;
use zccache_core::{CompileResult, Digest, Entry, InvocationKey, OsBytes, Root, Trace};

use super::seal::digest_of;

/// An entry whose result would have been served.
pub(crate) struct Suspect {
    pub(crate) key: InvocationKey,
    pub(crate) entry: Arc<Entry>,
}

/// Whether two runs looked at the same world: nothing that both looked at has
/// changed between them.
pub(super) fn same_world(before: &Trace, now: &Trace, root: &Root) -> bool {
    let at = |trace: &'_ Trace| -> HashMap<(OsBytes, bool), zccache_core::Expected> {
        let observations = trace.observations.iter();
        let place = |o: &zccache_core::Observation| (o.path.at(root).into_owned(), o.follow);
        observations.map(|o| (place(o), o.expected.clone())).collect()
    };
    let now = at(now);
    let unchanged = |(place, expected): ((OsBytes, bool), zccache_core::Expected)| {
        now.get(&place).is_none_or(|seen| *seen == expected)
    };
    at(before).into_iter().all(unchanged)
}

/// In what two results differ where the root is.
pub(super) fn compare(before: &CompileResult, now: &CompileResult, root: &Root) -> Deviation {
    let mut files: BTreeMap<OsBytes, [Option<(u32, Digest)>; 2]> = BTreeMap::new();
    for (number, result) in [before, now].into_iter().enumerate() {
        for output in &result.outputs {
            let state = (output.mode, digest_of(&output.content, root));
            let path = output.path.at(root).into_owned();
            files.entry(path).or_default()[number] = Some(state);
        }
    }
    let differ = files.into_iter().filter(|(_, [before, now])| before != now);
    Deviation {
        status: before.status != now.status,
        streams: said(&before.streams, root) != said(&now.streams, root),
        paths: differ.map(|(path, _)| path).collect(),
    }
}

/// All that was written to each stream; how it was cut into writes may vary.
fn said(streams: &[Message], root: &Root) -> [Vec<u8>; 2] {
    [Stream::Stdout, Stream::Stderr].map(|stream| {
        let messages = streams.iter().filter(|message| message.stream == stream);
        messages.flat_map(|message| message.text.at(root)).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use zccache_core::entry::Manner;
    use zccache_core::{Content, Expected, Observation, Output, Rooted, Template};

    fn result(status: u8, said: &[&str], outputs: &[(&str, u32, &str)]) -> CompileResult {
        let message = |text: &&str| Message {
            stream: Stream::Stderr,
            text: Template::constant(text.as_bytes().to_vec()),
        };
        let output = |(path, mode, bytes): &(&str, u32, &str)| Output {
            path: Rooted::Plain((*path).into()),
            mode: *mode,
            manner: Manner::InPlace,
            content: Content::Inline(bytes.as_bytes().to_vec().into()),
        };
        CompileResult {
            status,
            streams: said.iter().map(message).collect(),
            outputs: outputs.iter().map(output).collect(),
        }
    }

    fn check(now: &CompileResult, status: bool, streams: bool, paths: &[&str]) {
        let before = result(0, &["a warning"], &[("/a.o", 0o644, "x"), ("/a.d", 0o644, "y")]);
        let paths = paths.iter().map(|path| OsBytes::from(*path)).collect();
        let deviation = Deviation { status, streams, paths };
        assert_eq!(compare(&before, now, &Root::default()), deviation);
    }

    #[test]
    fn everything_that_the_caller_sees_is_compared() {
        let (object, depfile) = (("/a.o", 0o644, "x"), ("/a.d", 0o644, "y"));
        check(&result(0, &["a ", "warning"], &[depfile, object]), false, false, &[]);
        check(&result(1, &[], &[]), true, true, &["/a.d", "/a.o"]);
        check(&result(0, &["a warning"], &[object]), false, false, &["/a.d"]);
        let more = ("/a.su", 0o644, "");
        check(&result(0, &["a warning"], &[object, depfile, more]), false, false, &["/a.su"]);
        let (mode, bytes) = (("/a.o", 0o600, "x"), ("/a.d", 0o644, "z"));
        check(&result(0, &["a warning"], &[mode, bytes]), false, false, &["/a.d", "/a.o"]);
    }

    #[test]
    fn runs_in_another_world_are_not_compared() {
        let trace = |observations: &[(&str, Expected)]| {
            let observation = |(path, expected): &(&str, Expected)| {
                Arc::new(Observation {
                    path: Rooted::Plain((*path).into()),
                    follow: true,
                    expected: expected.clone(),
                })
            };
            let observations = observations.iter().map(observation).collect();
            Trace {
                observations,
                twins: Vec::new(),
                same_directories: Vec::new(),
                ages: Vec::new(),
                environment: zccache_core::entry::Environment::Asked(Vec::new()),
                display: None,
            }
        };
        let root = Root::default();
        let before = trace(&[("/a.h", Expected::Absent), ("/b", Expected::Directory)]);
        let more = trace(&[("/a.h", Expected::Absent), ("/c", Expected::Directory)]);
        let other = trace(&[("/a.h", Expected::Directory), ("/b", Expected::Directory)]);
        assert!(same_world(&before, &more, &root));
        assert!(!same_world(&before, &other, &root));
    }
}
