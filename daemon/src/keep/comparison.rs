//! Comparing what the compiler made with what would have been served.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use zccache_compiler::relocation::depfile;
use zccache_core::entry::{Message, Stream};
use zccache_core::protocol::explanation::Deviation;
use zccache_core::{CompileResult, Content, Digest, Entry, InvocationKey, OsBytes, Root, Trace};

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
            let state = (output.mode, digest(&output.content, root));
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

fn digest(content: &Content, root: &Root) -> Digest {
    match content {
        Content::Blob { digest, .. } => *digest,
        Content::Inline(bytes) => Digest::of(bytes),
        Content::Depfile { text, breaks } => Digest::of(&depfile::at(text, *breaks, root)),
    }
}

/// All that was written to each stream; how it was cut into writes may vary.
fn said(streams: &[Message], root: &Root) -> [Vec<u8>; 2] {
    [Stream::Stdout, Stream::Stderr].map(|stream| {
        let messages = streams.iter().filter(|message| message.stream == stream);
        messages.flat_map(|message| message.text.at(root)).collect()
    })
}
