//! A random commit to a real project, and the way back.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use zccache_tests::Trial;
use zccache_tests::dice::{Dice, first_seed};

use super::builds::Build;
use super::{is_known, read, rebuild};

/// How many files it changes.
const FILES: usize = 4;

/// Whatever a commit changes, what is built is what is built bare; and all of what
/// was built before is still known when it is taken back.
pub(super) fn random_commit(project: &impl Build, trial: &Trial) {
    let seed = first_seed();
    eprintln!("ZCCACHE_RANDOM_SEED={seed}");
    let mut dice = Dice::new(seed);
    let sources = sources(project, trial.twin());
    let mut originals = BTreeMap::new();
    for number in 0..FILES {
        let path = &sources[dice.below(sources.len())];
        let content = read(trial, path);
        trial.file(path, edited(&mut dice, number, path, &content));
        originals.entry(path).or_insert(content);
    }
    let _ = rebuild(project, trial, "random commit");
    for (path, content) in originals {
        trial.file(path, content);
    }
    let back = rebuild(project, trial, "random commit taken back");
    assert!(is_known(project, &back), "{back:?}");
}

/// A content as a commit leaves it: with a line more above or below.
fn edited(dice: &mut Dice, number: usize, path: &Path, content: &[u8]) -> Vec<u8> {
    let of_headers = ["/* A remark of commit @. */\n", "\n", "#define ZCCACHE_COMMIT_@ @\n"];
    let of_sources = [
        "__attribute__((unused)) static int zccache_commit_@(void) { return __LINE__; }\n",
        "__attribute__((unused)) static const char *zccache_commit_@ = __FILE__;\n",
        "#if ZCCACHE_COMMIT_@ > 1\n__attribute__((unused)) static int zccache_more_@;\n#endif\n",
    ];
    let is_source = path.extension().is_some_and(|extension| extension == "c");
    if is_source && !dice.once_in(3) {
        let line = dice.one_of(&of_sources).replace('@', &number.to_string());
        return [content, line.as_bytes()].concat();
    }
    let line = dice.one_of(&of_headers).replace('@', &number.to_string());
    if dice.once_in(2) {
        [line.as_bytes(), content].concat()
    } else {
        [content, line.as_bytes()].concat()
    }
}

/// The files that are likely to be compiled.
fn sources(project: &impl Build, root: &Path) -> Vec<PathBuf> {
    let listed = |directory: &&str| fs::read_dir(root.join(directory)).expect("it is there");
    let files =
        project.sources().iter().flat_map(listed).map(|entry| entry.expect("listed").path());
    let is_c = |path: &PathBuf| path.extension().is_some_and(|name| name == "c" || name == "h");
    let below = |path: PathBuf| path.strip_prefix(root).expect("below the root").to_owned();
    let mut sources: Vec<_> = files.filter(is_c).map(below).collect();
    sources.sort_unstable();
    sources
}
