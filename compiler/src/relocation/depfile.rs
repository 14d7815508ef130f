//! Depfiles that name the checkout, written anew for another checkout.
//!
//! Compilers break the lines of a depfile by the length of the names in it, so
//! that replacing the root is not enough. A rule of breaking is believed only if
//! writing the file anew by it gives the very bytes of the compiler.

use zccache_core::entry::LineBreaks;
use zccache_core::{Root, Template};

use crate::clock::contains;
use crate::program::{Family, family};

/// A depfile that names the root, if it is known how to write it for another one.
/// `compiler` is the name of the program that wrote it.
#[must_use]
pub fn template(
    content: &[u8],
    root: &Root,
    compiler: &[u8],
) -> Option<(Template, Option<LineBreaks>)> {
    let names = |text: &[u8]| compiler.windows(text.len()).any(|window| window == text);
    if family(compiler) == Some(Family::Rust) {
        return is_dep_info(content).then(|| Some((Template::cut(content, root)?, None))).flatten();
    }
    let breaks = if names(b"clang") {
        LineBreaks::Clang
    } else if names(b"gcc") || names(b"g++") {
        LineBreaks::Gcc
    } else {
        return None;
    };
    let known = broken(content, breaks)? == content;
    known.then(|| Template::cut(content, root)).flatten().map(|text| (text, Some(breaks)))
}

/// The depfile where the root is now.
#[must_use]
pub fn at(text: &Template, breaks: Option<LineBreaks>, root: &Root) -> Vec<u8> {
    let content = text.at(root);
    breaks.and_then(|breaks| broken(&content, breaks)).unwrap_or(content)
}

/// Whether a text looks like what rustc writes of its inputs: a rule a line, and the
/// variables it asked for.
fn is_dep_info(content: &[u8]) -> bool {
    let is_rule = |line: &[u8]| line.ends_with(b":") || contains(line, b": ");
    let mut lines = content.split(|&byte| byte == b'\n');
    lines.all(|line| line.is_empty() || line.starts_with(b"# env-dep:") || is_rule(line))
}

/// A depfile with its lines broken anew; none if it is not one rule, followed by
/// phony targets on lines of their own.
fn broken(content: &[u8], breaks: LineBreaks) -> Option<Vec<u8>> {
    let (rule, phony) = first_rule(content, breaks)?;
    let mut page = Page { text: Vec::with_capacity(content.len() + 64), column: 0, breaks };
    let mut names = rule.split(|&byte| byte == b'\0');
    loop {
        let name = names.next()?;
        let Some(last) = name.strip_suffix(b":") else {
            page.target(name);
            continue;
        };
        page.target(last);
        page.text.push(b':');
        page.column += 1;
        break;
    }
    names.for_each(|name| page.prerequisite(name));
    page.text.push(b'\n');
    page.text.extend_from_slice(phony);
    Some(page.text)
}

/// The names of the first rule, separated by NUL, and what follows it.
fn first_rule(content: &[u8], breaks: LineBreaks) -> Option<(Vec<u8>, &[u8])> {
    let mut names = Vec::with_capacity(content.len());
    let mut rest = content;
    loop {
        match rest {
            [b'\n', phony @ ..] => return Some((names, phony)),
            [b' ', b'\\', b'\n', b' ', next @ ..] => {
                names.push(b'\0');
                rest = next.strip_prefix(b" ").unwrap_or(next);
            }
            // clang counts the characters of a name without these.
            [b'\\' | b'$', ..] if breaks == LineBreaks::Clang => return None,
            [b'\\', escaped, next @ ..] => {
                names.extend([b'\\', *escaped]);
                rest = next;
            }
            [b' ', next @ ..] => {
                names.push(b'\0');
                rest = next;
            }
            [byte, next @ ..] => {
                names.push(*byte);
                rest = next;
            }
            [] => return None,
        }
    }
}

/// A depfile being written.
struct Page {
    text: Vec<u8>,
    column: usize,
    breaks: LineBreaks,
}

impl Page {
    fn target(&mut self, name: &[u8]) {
        match self.breaks {
            _ if self.column == 0 => self.column = name.len(),
            LineBreaks::Gcc => return self.prerequisite(name),
            LineBreaks::Clang if self.column + name.len() + 2 > 75 => {
                self.text.extend_from_slice(b" \\\n  ");
                self.column = name.len() + 2;
            }
            LineBreaks::Clang => {
                self.text.push(b' ');
                self.column += name.len() + 1;
            }
        }
        self.text.extend_from_slice(name);
    }

    /// `make_write_name` in gcc's `libcpp/mkdeps.cc`, and
    /// `DependencyFileGenerator::outputDependencyFile` in clang.
    fn prerequisite(&mut self, name: &[u8]) {
        let (too_long, column) = match self.breaks {
            LineBreaks::Gcc => (self.column + name.len() > 72, 0),
            LineBreaks::Clang => (self.column + name.len() + 3 > 75, 2),
        };
        if too_long {
            let indent: &[u8] = if self.breaks == LineBreaks::Gcc { b" \\\n" } else { b" \\\n " };
            self.text.extend_from_slice(indent);
            self.column = column;
        }
        self.text.push(b' ');
        self.text.extend_from_slice(name);
        self.column += name.len() + 1;
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    const GCC: &[u8] = b"/r/o.o: /r/src/a_rather_long_name.c /r/include/another_long_name_.h \\\n \
        /usr/include/stdio.h\n/r/include/another_long_name_.h:\n/usr/include/stdio.h:\n";

    #[test]
    fn lines_are_broken_for_the_length_of_the_root() {
        let root = |path: &str| Root::new(Path::new(path));
        let (text, breaks) = template(GCC, &root("/r"), b"gcc-12").unwrap();
        assert_eq!(at(&text, breaks, &root("/r")), GCC);
        let longer = at(&text, breaks, &root("/a/longer/root"));
        assert_eq!(
            String::from_utf8(longer).unwrap(),
            "/a/longer/root/o.o: /a/longer/root/src/a_rather_long_name.c \\\n \
             /a/longer/root/include/another_long_name_.h /usr/include/stdio.h\n\
             /a/longer/root/include/another_long_name_.h:\n/usr/include/stdio.h:\n"
        );
    }

    #[test]
    fn what_is_no_depfile_of_that_compiler_has_no_template() {
        let root = Root::new(Path::new("/r"));
        for (content, compiler) in [
            (GCC, "clang"),
            (GCC, "cc"),
            (b"\t.file \"/r/a.c\"\n", "gcc"),
            (b"/r/a.o: /r/a.c", "gcc"),
            (b"/r/a.o: /rest/a.c\n", "gcc"),
            (b"/r/a.o: \\\n  /r/a.c\n", "gcc"),
        ] {
            let content: &[u8] = content;
            assert!(template(content, &root, compiler.as_bytes()).is_none(), "{compiler}");
        }
    }
}
