//! Rows of the index of a store: any bytes are a value or an error, and where a
//! checkout is named its name can be put in.
#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use zccache_core::protocol::stats::Counters;
use zccache_core::{Content, Entry, Root, codec};
use zccache_store::fuzzing::{any_record, any_rows};

fuzz_target!(|bytes: &[u8]| {
    any_rows(bytes);
    any_record(bytes);
    let _ = codec::decode::<Counters>(bytes);
    let Ok(entry) = codec::decode::<Entry>(bytes) else { return };
    let root = Root::new(Path::new("/checkout"));
    for output in &entry.result.outputs {
        let _ = output.path.at(&root);
        if let Content::Depfile { text, .. } = &output.content {
            let _ = text.at(&root);
        }
    }
    assert!(codec::encode(&entry).is_ok_and(|again| {
        codec::decode::<Entry>(&again).is_ok_and(|decoded| decoded == entry)
    }));
});
