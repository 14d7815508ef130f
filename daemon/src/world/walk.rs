//! Following symbolic links by hand (`path_resolution(7)`).

use std::ffi::OsString;
use std::path::{Component, Path, PathBuf};

use nix::errno::Errno;
use zccache_core::limits;

use super::namespace::Found;

/// A place on the way: a path without links, and how many were followed to it.
#[derive(Clone, Debug)]
pub(super) struct Here {
    pub(super) path: PathBuf,
    links: u32,
}

impl Default for Here {
    fn default() -> Self {
        Self { path: "/".into(), links: 0 }
    }
}

/// Where a path leads from a directory, and what is there; `look` tells what is at a
/// path without following a link at its end. A link at the end of `path` is followed
/// if `follow` says so.
///
/// # Errors
/// `ENOENT`, `ENOTDIR`, `ELOOP`, or what a look-up says, of what is on the way.
pub(super) fn walk(
    from: &Here,
    path: &Path,
    follow: bool,
    mut look: impl FnMut(&Path) -> Found,
) -> nix::Result<(Here, Found)> {
    let mut here = from.clone();
    let mut ahead = Ahead::default();
    ahead.push(path);
    let mut ends_open = false;
    while let Some(name) = ahead.0.pop() {
        if name == ".." {
            here.path.pop();
            continue;
        }
        let last = ahead.0.is_empty();
        here.path.push(&name);
        match look(&here.path) {
            Found::Symlink(target) if follow || !last => {
                here.links += 1;
                if here.links > limits::LINKS {
                    return Err(Errno::ELOOP);
                }
                let target = target.as_path();
                ends_open |= last && target.as_os_str().as_encoded_bytes().ends_with(b"/");
                here.path.pop();
                if target.is_absolute() {
                    here.path = PathBuf::from("/");
                }
                ahead.push(target);
            }
            Found::File(_) | Found::Special { .. } if last && ends_open => {
                return Err(Errno::ENOTDIR);
            }
            found if last => return Ok((here, found)),
            Found::Directory(_) => {}
            Found::Unreachable(errno) => return Err(Errno::from_raw(errno)),
            Found::Absent => return Err(Errno::ENOENT),
            _ => return Err(Errno::ENOTDIR),
        }
    }
    let found = look(&here.path);
    Ok((here, found))
}

/// The components still to be passed, the next at the end.
#[derive(Default)]
struct Ahead(Vec<OsString>);

impl Ahead {
    fn push(&mut self, path: &Path) {
        let names = path.components().rev().filter_map(|component| match component {
            Component::Normal(name) => Some(name.to_owned()),
            Component::ParentDir => Some("..".into()),
            Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
        });
        self.0.extend(names);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use zccache_core::{Identity, Stamp};

    use super::*;

    const STAMP: Stamp = Stamp { seconds: 0, nanos: 0 };
    const IDENTITY: Identity =
        Identity { device: 1, inode: 1, size: 0, mtime: STAMP, ctime: STAMP };

    /// Walks where there are the directories `/d` and `/d/e`, and these links.
    fn walked(path: &str, follow: bool, links: &[(&str, &str)]) -> Result<String, Errno> {
        let links: HashMap<_, _> = links.iter().copied().collect();
        let look = |path: &Path| match path.to_str().unwrap() {
            "/" | "/d" | "/d/e" => Found::Directory(IDENTITY),
            path => links
                .get(path)
                .map_or(Found::Absent, |target| Found::Symlink(target.as_bytes().into())),
        };
        walk(&Here::default(), Path::new(path), follow, look)
            .map(|(here, _)| here.path.to_str().unwrap().to_owned())
    }

    #[test]
    fn links_lead_on_from_where_they_are() {
        let links = [("/d/up", "../d/e/"), ("/d/e/out", "/d"), ("/l", "d/./up/out/e/new")];
        assert_eq!(walked("/d/up/new", true, &links), Ok("/d/e/new".into()));
        assert_eq!(walked("/d/up/../up/out", true, &links), Ok("/d".into()));
        assert_eq!(walked("/l", true, &links), Ok("/d/e/new".into()));
        assert_eq!(walked("/l", false, &links), Ok("/l".into()));
        assert_eq!(walked("/d/up", false, &links), Ok("/d/up".into()));
        assert_eq!(walked("/../d/..", true, &links), Ok("/".into()));
    }

    #[test]
    fn what_is_in_the_way_is_an_error() {
        let links = [("/d/self", "self"), ("/d/gone", "nowhere/x")];
        assert_eq!(walked("/d/self", true, &links), Err(Errno::ELOOP));
        assert_eq!(walked("/d/gone", true, &links), Err(Errno::ENOENT));
        assert_eq!(walked("/d/none/../e", true, &links), Err(Errno::ENOENT));
    }
}
