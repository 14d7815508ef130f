//! Values and files of settings, and names of digests: any text has a meaning or is refused, and
//! a digest is written as it was read.
#![no_main]

use std::path::PathBuf;

use libfuzzer_sys::fuzz_target;
use zccache_core::settings::{Author, Written};
use zccache_core::{Digest, settings};

fuzz_target!(|bytes: &[u8]| {
    for author in [Author::User, Author::Project] {
        let Ok(written) = Written::read(bytes, author) else { continue };
        // What was understood is understood again when it is written down anew.
        let anew: String = (written.values())
            .map(|(name, value)| {
                format!("{} = \"{value}\"\n", &name["ZCCACHE_".len()..].to_lowercase())
            })
            .collect();
        let again = Written::read(anew.as_bytes(), author).unwrap_or_default();
        assert!(again.values().eq(written.values()) && again.mistakes().is_empty());
    }
    let part = settings::verified_part(Some(bytes));
    assert!((0.0..=1.0).contains(&part));
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let _ = (settings::size("ZCCACHE_MAX_SIZE", text), settings::seconds("ZCCACHE_MAX_AGE", text));
    if let Ok(digest) = text.parse::<Digest>() {
        assert!(digest.to_string().eq_ignore_ascii_case(text));
    }
    if let Ok(store) = settings::store_directory(|_| Some(PathBuf::from(text))) {
        assert!(store.is_absolute() && settings::socket_path(&store).starts_with(&store));
    }
});
