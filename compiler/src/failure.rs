//! Whether a failure says something about the program, or about the machine.

use zccache_core::Invocation;

use crate::program::Family;

/// What resources, signals and the file system say, as `strerror(3)`, gcc, clang
/// and their drivers word it. A failure that mentions one of these may be gone the
/// next time.
const PASSING: &[&str] = &[
    "internal compiler error",
    "PLEASE submit",
    "Please submit",
    "unable to execute command",
    "terminated program",
    "out of memory",
    "memory exhausted",
    "Cannot allocate memory",
    "Connection timed out",
    "Disk quota exceeded",
    "File too large",
    "Input/output error",
    "Interrupted system call",
    "No space left on device",
    "Operation not permitted",
    "Read-only file system",
    "Resource temporarily unavailable",
    "Stale file handle",
    "Text file busy",
    "Too many open files",
    "error writing",
    "error closing",
    "error reading",
];

/// Whether the messages of a failed compile show that the compiler has found an
/// error at a place of the source, and nothing else went wrong. Messages of gcc and
/// clang that do not look like `a.c:1:2: error: …` are not understood.
#[must_use]
pub fn is_diagnosed(family: Family, messages: &[u8]) -> bool {
    let text = String::from_utf8_lossy(messages);
    if PASSING.iter().any(|passing| text.contains(passing)) {
        return false;
    }
    let heads: Vec<Head> = match family {
        Family::C | Family::Emscripten | Family::Checker => {
            text.lines().filter_map(|line| error_head(&without_colours(line))).collect()
        }
        Family::Rust => heads_of_rustc(&text),
        // Who names no place of a source may have found one of its tools wanting.
        Family::Binary | Family::Trusted => Vec::new(),
    };
    heads.contains(&Head::Place) && !heads.contains(&Head::Program)
}

/// The errors of rustc, as text or as JSON (rustc book, "JSON Output").
fn heads_of_rustc(text: &str) -> Vec<Head> {
    const LEVEL: &str = "\"level\":\"error";
    let mut heads = Vec::new();
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        let line = without_colours(line);
        let is_json = line.starts_with('{');
        let is_error = if is_json { line.contains(LEVEL) } else { line.starts_with("error") };
        if !is_error || line.contains("aborting due to ") {
            continue;
        }
        let has_place = if is_json {
            let level = line.split(LEVEL).nth(1).unwrap_or_default();
            level.split_once("\"spans\":").is_some_and(|(_, spans)| spans.starts_with("[{"))
        } else {
            let next = lines.peek().map(|line| without_colours(line)).unwrap_or_default();
            next.trim_start().starts_with("--> ")
        };
        heads.push(if has_place { Head::Place } else { Head::Program });
    }
    heads
}

/// Whether messages come in the language of `PASSING` (`setlocale(3)`, `gettext(3)`).
/// Those of rustc always do.
#[must_use]
pub fn speaks_english(family: Family, invocation: &Invocation) -> bool {
    let english = |value: &[u8]| {
        value.is_empty()
            || [&b"C"[..], b"POSIX", b"en"].contains(&value)
            || value.starts_with(b"C.")
            || value.starts_with(b"en_")
    };
    let names = [&b"LC_ALL"[..], b"LC_MESSAGES", b"LANG", b"LANGUAGE"];
    family == Family::Rust || names.iter().all(|name| invocation.variable(name).is_none_or(english))
}

/// What stands before `error:` in a line.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Head {
    /// `a.c:1:2:`
    Place,
    /// Nothing, or the name of a program.
    Program,
    /// Something else, as in a line of the source that is quoted.
    Text,
}

fn error_head(line: &str) -> Option<Head> {
    let (head, _) = line.split_once("error: ")?;
    let head = head.strip_suffix("fatal ").unwrap_or(head);
    if head.is_empty() {
        return Some(Head::Program);
    }
    let Some(place) = head.strip_suffix(": ") else { return Some(Head::Text) };
    let mut numbers = place.rsplit(':').take_while(|part| is_number(part));
    let is_place = numbers.next().is_some() && place.contains(':');
    let is_name = !place.contains(|c: char| c.is_whitespace() || c == '|');
    Some(match (is_place, is_name) {
        (true, _) => Head::Place,
        (false, true) => Head::Program,
        (false, false) => Head::Text,
    })
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// A line without the sequences that colour it: `ESC [`, parameters, and a letter
/// (ECMA-48, "Select Graphic Rendition" and "Erase in Line").
fn without_colours(line: &str) -> String {
    let mut parts = line.split("\u{1b}[");
    let first = parts.next().unwrap_or_default();
    let rest = parts.map(|part| part.trim_start_matches(|c: char| c.is_ascii_digit() || c == ';'));
    rest.fold(first.to_owned(), |line, part| line + part.get(1..).unwrap_or_default())
}
