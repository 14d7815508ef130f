//! The directory of a checkout, and texts that mean the same in every checkout.

use std::borrow::Cow;
use std::path::Path;

use memchr::memmem;
use serde::{Deserialize, Serialize};

use crate::OsBytes;

/// The directory that a checkout of a project is in. What is below it is
/// written relative to it in traces, so that it serves other checkouts.
///
/// A directory whose path compilers would write with escapes, or that is `/`,
/// cannot be recognised in what they write: it is no root, and nothing is below.
#[derive(Clone, Default, PartialEq, Eq, Hash, Debug)]
pub struct Root(OsBytes);

impl Root {
    /// The root at an absolute path without `.`, `..` and links.
    #[must_use]
    pub fn new(path: &Path) -> Self {
        let path = OsBytes::from(path);
        let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"/._-".contains(byte);
        let bytes = path.as_bytes();
        let is_root = bytes.len() > 1 && bytes[0] == b'/' && !bytes.ends_with(b"/");
        if is_root && bytes.iter().all(plain) { Self(path) } else { Self::default() }
    }

    /// Whether nothing is below it.
    #[must_use]
    pub fn is_nowhere(&self) -> bool {
        self.as_bytes().is_empty()
    }

    /// The path; empty if it is nowhere.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }

    /// What follows the root in the path of the root itself or of what is below:
    /// nothing, or a slash and more.
    #[must_use]
    pub fn strip<'p>(&self, path: &'p [u8]) -> Option<&'p [u8]> {
        if self.is_nowhere() {
            return None;
        }
        let rest = path.strip_prefix(self.as_bytes())?;
        (rest.is_empty() || rest[0] == b'/').then_some(rest)
    }

    /// Whether a text holds the path, or the path with `#` for each slash, as
    /// gcc writes it in names of coverage files (`mangle_path` in `gcc/coverage.cc`).
    #[must_use]
    pub fn is_named_in(&self, text: &[u8]) -> bool {
        let holds = |name: &[u8]| memmem::find(text, name).is_some();
        !self.is_nowhere() && (holds(self.as_bytes()) || holds(&self.mangled()))
    }

    /// The path with `#` for each slash.
    #[must_use]
    pub fn mangled(&self) -> Vec<u8> {
        self.as_bytes().iter().map(|&byte| if byte == b'/' { b'#' } else { byte }).collect()
    }
}

/// A path, relative to the root if it is below it.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum Rooted {
    /// As it is.
    Plain(OsBytes),
    /// What follows the root.
    Below(OsBytes),
}

impl Rooted {
    /// A path as seen from a root.
    #[must_use]
    pub fn new(path: &OsBytes, root: &Root) -> Self {
        match root.strip(path.as_bytes()) {
            Some(rest) => Self::Below(rest.into()),
            None => Self::Plain(path.clone()),
        }
    }

    /// The path, or what of it follows the root.
    #[must_use]
    pub fn text(&self) -> &OsBytes {
        let (Self::Plain(text) | Self::Below(text)) = self;
        text
    }

    /// The path where the root is now.
    #[must_use]
    pub fn at(&self, root: &Root) -> Cow<'_, OsBytes> {
        match self {
            Self::Plain(path) => Cow::Borrowed(path),
            Self::Below(rest) => Cow::Owned([root.as_bytes(), rest.as_bytes()].concat().into()),
        }
    }
}

/// A text, with the places where it names the root.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Template {
    /// The text without the root's path.
    #[serde(with = "crate::os_bytes::plain")]
    text: Vec<u8>,
    /// Offsets in `text` at which the root's path stands, rising.
    holes: Vec<u32>,
}

impl Template {
    /// A text that is the same everywhere.
    #[must_use]
    pub fn constant(text: Vec<u8>) -> Self {
        Self { text, holes: Vec::new() }
    }

    /// A text in which the root is named as a path of its own or the beginning of
    /// one, and nowhere otherwise; none if it is.
    #[must_use]
    pub fn cut(text: &[u8], root: &Root) -> Option<Self> {
        let mut kept = Vec::with_capacity(text.len());
        let mut holes = Vec::new();
        let mut end = 0;
        for at in memmem::find_iter(text, root.as_bytes()).filter(|_| !root.is_nowhere()) {
            let next = at + root.as_bytes().len();
            let joins = |byte: u8| byte.is_ascii_alphanumeric() || b"._-/#~+".contains(&byte);
            let begins = at == 0 || !joins(text[at - 1]);
            let ends = text.get(next).is_none_or(|&byte| byte == b'/' || !joins(byte));
            if !begins || !ends {
                return None;
            }
            kept.extend_from_slice(&text[end..at]);
            holes.push(u32::try_from(kept.len()).ok()?);
            end = next;
        }
        kept.extend_from_slice(&text[end..]);
        let whole = Self { text: kept, holes };
        (!root.is_named_in(&whole.text)).then_some(whole)
    }

    /// Whether the text is the same everywhere.
    #[must_use]
    pub fn is_constant(&self) -> bool {
        self.holes.is_empty()
    }

    /// Length of the text without the root's path, in bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.text.len()
    }

    /// Whether there is no text at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.text.is_empty() && self.holes.is_empty()
    }

    /// The text where the root is now.
    #[must_use]
    pub fn at(&self, root: &Root) -> Vec<u8> {
        let mut text = Vec::with_capacity(self.len() + self.holes.len() * root.as_bytes().len());
        let mut end = 0;
        for &hole in &self.holes {
            let hole = (hole as usize).clamp(end, self.text.len());
            text.extend_from_slice(&self.text[end..hole]);
            text.extend_from_slice(root.as_bytes());
            end = hole;
        }
        text.extend_from_slice(&self.text[end..]);
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root(path: &str) -> Root {
        Root::new(Path::new(path))
    }

    #[test]
    fn what_cannot_be_recognised_is_no_root() {
        for path in ["/", "", "src", "/home/a b", "/home/a$b", "/home/ü", "/home/a#b", "/a/"] {
            assert!(root(path).is_nowhere(), "{path}");
        }
        assert!(!root("/home/u-1/w.t_2").is_nowhere());
    }

    #[test]
    fn paths_below_move_with_the_root() {
        let here = root("/a/b");
        let rooted = |path: &str| Rooted::new(&path.into(), &here);
        assert_eq!(*rooted("/a/b/c/../d").at(&root("/x")), "/x/c/../d".into());
        assert_eq!(*rooted("/a/b").at(&root("/x")), "/x".into());
        assert_eq!(*rooted("/a/bc").at(&root("/x")), "/a/bc".into());
        assert_eq!(rooted("b/c"), Rooted::Plain("b/c".into()));
        assert_eq!(Rooted::new(&"/a".into(), &Root::default()), Rooted::Plain("/a".into()));
    }

    #[test]
    fn a_text_names_the_root_of_each_checkout() {
        let here = root("/a/b");
        let text = b"/a/b/x.c:1: in /a/b\n'/a/b/y.h'";
        let template = Template::cut(text, &here).unwrap();
        assert_eq!(template.at(&here), text);
        assert_eq!(template.at(&root("/cd")), b"/cd/x.c:1: in /cd\n'/cd/y.h'");
        assert!(Template::cut(b"nothing", &here).unwrap().is_constant());
        for odd in ["/a/bc", "x/a/b/c", "//a/b/c", "#a#b#c.gcda", "/a/b-2"] {
            assert_eq!(Template::cut(odd.as_bytes(), &here), None, "{odd}");
        }
    }

    #[test]
    fn damaged_holes_cause_no_panic() {
        let template = Template { text: b"ab".to_vec(), holes: vec![9, 1, 0] };
        assert_eq!(template.at(&root("/r")), b"ab/r/r/r");
    }
}
