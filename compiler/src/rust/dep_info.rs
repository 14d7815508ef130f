//! The dep-info, which tells what rustc asked of its environment.

use zccache_core::{Invocation, OsBytes};

use super::{Argument, absolute, has_response_file, parse};

/// Which output is the dep-info; none if there is none, or none that can be told from what a
/// macro may have written or another kind of output is called.
pub fn dep_info_among<'o>(
    invocation: &Invocation,
    outputs: impl Iterator<Item = &'o OsBytes>,
) -> Option<&'o OsBytes> {
    let mut is_emitted = has_response_file(&invocation.argv);
    let (mut said, mut others) = (None, Vec::new());
    let emitted = parse(&invocation.argv).into_iter().filter_map(|argument| match argument {
        Argument::Emit(kinds) => Some(kinds),
        _ => None,
    });
    for kind in emitted.flat_map(|kinds| kinds.split(|&byte| byte == b',')) {
        let (kind, path) = match kind.iter().position(|&byte| byte == b'=') {
            Some(at) => (&kind[..at], Some(&kind[at + 1..])),
            None => (kind, None),
        };
        let path = path.map(|path| absolute(path, invocation.cwd.as_bytes()));
        match (kind, path) {
            (b"dep-info", None) => is_emitted = true,
            (b"dep-info", path) => said = path,
            (_, path) => others.extend(path),
        }
    }
    let is_usual =
        |path: &OsBytes| is_emitted && path.as_bytes().ends_with(b".d") && !others.contains(path);
    let may_be =
        |path: &&OsBytes| said.as_ref().map_or_else(|| is_usual(path), |said| said == *path);
    let mut found = outputs.filter(may_be);
    found.next().filter(|_| found.next().is_none())
}

/// The names of the variables that the compile asked for by `env!` and
/// `option_env!`, as the dep-info it wrote tells them (rustc book, "dep-info").
#[must_use]
pub fn tracked_variables(dep_info: &[u8]) -> Vec<Vec<u8>> {
    let names = dep_info.split(|&byte| byte == b'\n').filter_map(|line| {
        let told = line.strip_prefix(b"# env-dep:")?;
        let name = told.split(|&byte| byte == b'=').next().unwrap_or(told);
        Some(unescape(name))
    });
    names.collect()
}

/// Backslash, newline and carriage return are written with a backslash.
fn unescape(text: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(text.len());
    let mut bytes = text.iter();
    while let Some(&byte) = bytes.next() {
        plain.push(match (byte, byte == b'\\') {
            (_, true) => match bytes.next() {
                Some(b'n') => b'\n',
                Some(b'r') => b'\r',
                Some(&other) => other,
                None => b'\\',
            },
            (other, false) => other,
        });
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_dep_info_is_told_from_other_outputs() {
        let found = |arguments: &str, outputs: &str| {
            let argv = arguments.split(' ').map(OsBytes::from).collect();
            let outputs: Vec<_> = outputs.split(' ').map(OsBytes::from).collect();
            let invocation = Invocation::plain(argv, Vec::new());
            dep_info_among(&invocation, outputs.iter()).map(ToString::to_string)
        };
        let in_b = |name: &str| Some(format!("/b/{name}"));
        assert_eq!(found("rustc a.rs --emit=dep-info,link", "/b/a.d /b/a"), in_b("a.d"));
        assert_eq!(found("rustc a.rs --emit link,dep-info --out-dir o", "/b/o/a.d"), in_b("o/a.d"));
        assert_eq!(
            found("rustc a.rs --emit=dep-info=deps.mk,asm=u.d", "/b/deps.mk /b/u.d"),
            in_b("deps.mk")
        );
        assert_eq!(found("rustc a.rs --emit=dep-info,asm=u.d", "/b/a.d /b/u.d"), in_b("a.d"));
        assert_eq!(found("rustc a.rs --emit=asm -o u.d", "/b/u.d"), None);
        assert_eq!(found("rustc a.rs --emit=dep-info,link", "/b/a.d /b/by-a-macro.d"), None);
        assert_eq!(found("rustc a.rs --emit=dep-info -o a.mk", "/b/a.mk"), None);
        assert_eq!(found("rustc @arguments", "/b/a.d /b/a"), in_b("a.d"));
    }
}
