//! Explanations as people read them: the verdict in a line, its grounds below.

use std::fmt::Write;
use std::path::Path;

use zccache_core::entry::Stream;
use zccache_core::protocol::explanation::{
    Cause, Change, Deviation, Difference, Earlier, Explanation, Fate, InvocationChange, Kind,
    Origin, Refusal, Told, Value,
};
use zccache_core::{OsBytes, Reason, Stamp};

use crate::show::size;

/// Who reads it.
pub(super) struct Reader<'a> {
    /// Their working directory: paths below it are shown relative to it.
    pub(super) here: &'a Path,
    /// Seconds since the epoch.
    pub(super) now: i64,
}

/// Length from which commands and values are cut, in characters.
const LONG: usize = 160;

/// What is said of a file that no remembered command made.
pub(super) fn unknown(file: &Path) -> String {
    format!(
        "{}: nothing is known of a compile that makes this file\n    \
         Name an output as the compiler writes it (an object, a depfile); only recent compiles through\n    \
         zccache-launch are remembered. 'zccache stats' shows whether there were any.\n",
        file.display()
    )
}

impl Reader<'_> {
    pub(super) fn explanation(&self, file: &Path, explanation: &Explanation) -> String {
        let Explanation { at, command, cwd, told } = explanation;
        let verdict = match told {
            Told::Hit(_) => "hit",
            Told::Miss { .. } => "miss",
            Told::Verified { .. } => "hit, compiled all the same to compare (ZCCACHE_VERIFY)",
            Told::Bypass { .. } => "bypassed",
        };
        let mut text = format!("{}: {verdict}, {}\n", file.display(), self.ago(*at));
        for line in self.grounds(told) {
            let _infallible = writeln!(text, "    {line}");
        }
        let words: Vec<_> = command.iter().map(quoted).collect();
        let _infallible = writeln!(text, "    In {cwd}: {}", shortened(&words.join(" ")));
        text
    }

    fn grounds(&self, told: &Told) -> Vec<String> {
        match told {
            Told::Hit(origin) => vec![self.origin(origin)],
            Told::Miss { cause, fate } => {
                let mut lines = self.cause(cause);
                lines.extend(self.fate(fate.as_ref()));
                lines
            }
            Told::Verified { origin, fate } => {
                let mut lines = vec![self.origin(origin)];
                lines.extend(self.fate(fate.as_ref()));
                lines
            }
            Told::Bypass { reason, cause } => {
                let mut lines = cause.as_ref().map_or_else(Vec::new, |cause| self.cause(cause));
                lines.extend(self.refusal("", &Refusal::from(*reason)));
                lines
            }
        }
    }

    fn origin(&self, origin: &Origin) -> String {
        let Origin { made, checkout, cost, bytes, .. } = origin;
        let checkout = checkout.as_ref().map_or_else(String::new, |root| match root.as_bytes() {
            b"" => " outside any checkout".to_owned(),
            _ => format!(" in the checkout {root}"),
        });
        #[expect(clippy::cast_precision_loss, reason = "two decimals for people")]
        let cost = *cost as f64 / 1e6;
        let (ago, bytes) = (self.ago(*made), size(*bytes));
        format!("The result was made {ago}{checkout}; it saves {cost:.2} s of compiling ({bytes}).")
    }

    fn cause(&self, cause: &Cause) -> Vec<String> {
        match cause {
            Cause::Recache => vec!["ZCCACHE_RECACHE is set: no result is used.".to_owned()],
            Cause::Undeliverable { made } => vec![format!(
                "There is a result, made {}, but it cannot be put in place as the compiler would do it.",
                self.ago(*made)
            )],
            Cause::OwnPath { made, checkout } => vec![format!(
                "There is a result, made {} in the checkout {checkout}, which holds only there: \
                 a source uses its own path (__FILE__).",
                self.ago(*made)
            )],
            Cause::Observation { traces, made, difference } => {
                vec![self.difference(difference), self.compared(*traces, *made)]
            }
            Cause::Environment { traces, made, changes } => {
                let mut lines = vec![
                    "The environment has changed; all of it counts where a script or another \
                     unknown program takes part, and of rustc what the crate asks for."
                        .to_owned(),
                ];
                lines.extend(self.changes(changes));
                lines.push(self.compared(*traces, *made));
                lines
            }
            Cause::NoTrace(earlier) => self.earlier(earlier),
        }
    }

    fn compared(&self, traces: u32, made: Stamp) -> String {
        let made = self.ago(made);
        match traces {
            1 => format!("This differs from the one result of this command, made {made}."),
            _ => format!("This differs first from the nearest of {traces} results, made {made}."),
        }
    }

    fn difference(&self, difference: &Difference) -> String {
        let Difference { path, change, hides } = difference;
        let change = match change {
            Change::Kind { before: Kind::Nothing, now: Kind::File } => {
                let hides = hides.as_ref().map_or_else(String::new, |hidden| {
                    format!(" and comes before {} in the search path", self.path(hidden))
                });
                format!("did not exist, now exists{hides}")
            }
            Change::Kind { before: Kind::Nothing, now } => {
                format!("did not exist, now is {}", kind(*now))
            }
            Change::Kind { now: Kind::Nothing, .. } => "existed, is gone now".to_owned(),
            Change::Kind { before: Kind::Special, now: Kind::Special } => {
                "is another device now".to_owned()
            }
            Change::Kind { before, now } => format!("was {}, is {} now", kind(*before), kind(*now)),
            Change::Content => "content changed".to_owned(),
            Change::Executable { now: true } => "became executable".to_owned(),
            Change::Mode { before, now } => format!("had mode {before:o}, now has {now:o}"),
            Change::Executable { now: false } => "is executable no more".to_owned(),
            Change::Untold(reason) => format!("content is not certain: {}", sentence(*reason)),
            Change::Age => "has another time stamp, which a macro may have read".to_owned(),
            Change::Elsewhere => {
                "is above the checkout that the result is from, and not above this one".to_owned()
            }
            Change::NamesCheckout => {
                "names this checkout, where prefixes of paths are mapped".to_owned()
            }
            Change::Listing => "directory listing changed".to_owned(),
            Change::Target { before, now } => format!("link led to {before}, leads to {now} now"),
            Change::Kinship { other } => format!(
                "has the content of {}, but is no longer related to it as before (same file, same time), \
                 which decides whether both are included",
                self.path(other)
            ),
        };
        format!("{}: {change}", self.path(path))
    }

    fn earlier(&self, earlier: &Earlier) -> Vec<String> {
        match earlier {
            Earlier::Unknown => vec![
                "No result of this command is kept; it is the first one remembered that makes the file."
                    .to_owned(),
            ],
            Earlier::Same { at, fate } => {
                let front = format!("The same command came {}, but", self.ago(*at));
                match fate {
                    Some(Fate::NotKept(refusal)) => {
                        let lines = self.refusal(&format!("{front} its result was not kept: "), refusal);
                        lines.into_iter().take(1).collect()
                    }
                    Some(Fate::Differed(_)) => {
                        vec![format!("{front} its result was wrong and removed.")]
                    }
                    Some(Fate::Kept | Fate::Confirmed) | None => vec![format!(
                        "{front} its result is gone: evicted, cleared, or of another version of zccache."
                    )],
                }
            }
            Earlier::Changed { at, changes } => {
                let mut lines = vec![format!(
                    "No result of this command is kept. Since the one that made the file {}:",
                    self.ago(*at)
                )];
                lines.extend(self.changes(changes));
                lines
            }
        }
    }

    fn changes<'c>(&'c self, changes: &'c [InvocationChange]) -> impl Iterator<Item = String> + 'c {
        changes.iter().map(|change| format!("  {}", self.change(change)))
    }

    fn change(&self, change: &InvocationChange) -> String {
        let became = |what: &str, before: &dyn std::fmt::Display, now: &dyn std::fmt::Display| {
            format!("{what}: {before} became {now}")
        };
        match change {
            InvocationChange::Arguments { before, now } => match (&before[..], &now[..]) {
                ([], now) => format!("{} {} new", arguments(now), is_or_are(now)),
                (before, []) => format!("{} {} gone", arguments(before), is_or_are(before)),
                (before, now) => format!("{} became {}", arguments(before), list(now)),
            },
            InvocationChange::Variable { name, before, now } => match (before, now) {
                (Some(Value::Shown(before)), Some(Value::Shown(now))) => {
                    became(&name.to_string(), &shown(before), &shown(now))
                }
                (None, Some(Value::Shown(now))) => format!("{name} is set: {}", shown(now)),
                (Some(Value::Shown(before)), None) => {
                    format!("{name} is no longer set: it was {}", shown(before))
                }
                (None, _) => format!("{name} is set"),
                (_, None) => format!("{name} is no longer set"),
                _ => format!("{name} has another value"),
            },
            InvocationChange::Directory { before, now } => {
                became("working directory", &self.path(before), &self.path(now))
            }
            InvocationChange::Checkout { before, now } => {
                became("root of the checkout", &self.path(before), &self.path(now))
            }
            InvocationChange::Umask { before, now } => {
                format!("umask: {before:03o} became {now:03o}")
            }
            InvocationChange::Terminal { stream, before, now } => {
                let stream = match stream {
                    Stream::Stdout => "standard output",
                    Stream::Stderr => "standard error",
                };
                became(stream, &terminal(*before), &terminal(*now))
            }
            InvocationChange::Other => {
                "something that is not remembered, such as the processor or the version of zccache"
                    .to_owned()
            }
        }
    }

    fn fate(&self, fate: Option<&Fate>) -> Vec<String> {
        match fate {
            None => {
                vec![
                    "The compiler is running, or its result is on the way to the store.".to_owned(),
                ]
            }
            Some(Fate::Kept) => vec!["The new result is kept.".to_owned()],
            Some(Fate::NotKept(refusal)) => self.refusal("The new result is not kept: ", refusal),
            Some(Fate::Confirmed) => vec!["The compiler made the same again.".to_owned()],
            Some(Fate::Differed(deviation)) => {
                let mut lines = vec![format!(
                    "The compiler made something else: {}. The kept result is removed.",
                    self.deviation(deviation)
                )];
                lines.extend(self.refusal("", &Reason::ResultDiffers.into()));
                lines
            }
        }
    }

    fn deviation(&self, deviation: &Deviation) -> String {
        let Deviation { status, streams, paths } = deviation;
        let status = status.then(|| "the exit status".to_owned());
        let streams = streams.then(|| "the messages".to_owned());
        let paths = paths.iter().map(|path| self.path(path));
        status.into_iter().chain(streams).chain(paths).collect::<Vec<_>>().join(", ")
    }

    /// A reason, and what helps.
    fn refusal(&self, front: &str, refusal: &Refusal) -> Vec<String> {
        let Refusal { reason, path } = refusal;
        let path = path.as_ref().map_or_else(String::new, |path| format!(": {}", self.path(path)));
        let (number, slug) = (reason.number(), reason.slug());
        let why = format!("{front}{}{path} ({number} {slug}).", sentence(*reason));
        let advice = Some(reason.advice()).filter(|advice| !advice.is_empty());
        [Some(why), advice.map(|advice| format!("What helps: {advice}."))]
            .into_iter()
            .flatten()
            .collect()
    }

    fn path(&self, path: &OsBytes) -> String {
        let path = path.as_path();
        match path.strip_prefix(self.here) {
            Ok(below) if !below.as_os_str().is_empty() => below.display().to_string(),
            _ => path.display().to_string(),
        }
    }

    fn ago(&self, at: Stamp) -> String {
        let seconds = self.now.saturating_sub(at.seconds).max(0);
        match seconds {
            0..120 => format!("{seconds} s ago"),
            120..7200 => format!("{} min ago", seconds / 60),
            7200..172_800 => format!("{} h ago", seconds / 3600),
            _ => format!("{} days ago", seconds / 86_400),
        }
    }
}

/// The sentence of a reason, to go on in a line.
fn sentence(reason: Reason) -> &'static str {
    reason.sentence()
}

fn kind(kind: Kind) -> String {
    match kind {
        Kind::Nothing => "nothing".to_owned(),
        Kind::File => "a file".to_owned(),
        Kind::Directory => "a directory".to_owned(),
        Kind::Symlink => "a symbolic link".to_owned(),
        Kind::Special => "a device, fifo or socket".to_owned(),
        Kind::Error(errno) => {
            format!("an error ({})", nix::errno::Errno::from_raw(errno).desc())
        }
    }
}

fn terminal(columns: Option<u16>) -> String {
    columns.map_or_else(
        || "no terminal".to_owned(),
        |columns| format!("a terminal of {columns} columns"),
    )
}

fn arguments(arguments: &[OsBytes]) -> String {
    let word = if arguments.len() == 1 { "argument" } else { "arguments" };
    format!("{word} {}", list(arguments))
}

fn is_or_are(arguments: &[OsBytes]) -> &'static str {
    if arguments.len() == 1 { "is" } else { "are" }
}

fn list(arguments: &[OsBytes]) -> String {
    shortened(&arguments.iter().map(quoted).collect::<Vec<_>>().join(" "))
}

fn shown(value: &OsBytes) -> String {
    shortened(&quoted(value))
}

/// As a shell would take it.
fn quoted(text: &OsBytes) -> String {
    let text = text.to_string();
    let plain = |c: char| c.is_alphanumeric() || "_-+=./,:@%^".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return text;
    }
    format!("'{}'", text.replace('\'', "'\\''"))
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(LONG) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
