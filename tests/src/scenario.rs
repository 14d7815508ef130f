//! Cases as text: what is done to a tree, which commands are run in it, and
//! what is to become of each.
//!
//! ```text
//! echo 'int x;' >a.c
//! kept: $CC -c a.c -o a.o
//! touch a.c
//! hit: $CC -c a.c -o a.o
//! ```
//!
//! A line that begins with a verdict and a colon runs a command bare and through
//! zccache and compares. Any other line is for the shell, and changes both
//! copies of the tree in the same way. See `Verdict` for the verdicts; `in DIR`
//! behind one runs the command there, `@view`, `@plain`, `@gcc` and `@clang`
//! restrict the line. Words `NAME=VALUE` in front of a command set its
//! environment, `(unset)` removes the variable, `STDIN=` and `UMASK=` are what
//! they say; single quotes group.

use std::path::Path;

use crate::command::Command;
use crate::trial::{Compiler, Place, Step, Trial};

/// What has to become of a command.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Verdict {
    /// `hit`: it is served.
    Hit,
    /// `kept`: it is compiled, and the result kept.
    Kept,
    /// `abandoned`, `abandoned SLUG`: it is compiled under observation and not kept.
    Abandoned(Option<String>),
    /// `bypassed`, `bypassed SLUG`: it is run unobserved.
    Bypassed(Option<String>),
    /// `miss`: it is not served.
    Miss,
    /// `any`: it is counted, as whatever it was.
    Any,
}

/// A command line of a scenario.
struct Line<'a> {
    verdict: Verdict,
    places: Vec<&'a str>,
    directory: &'a str,
    command: &'a str,
}

/// Runs a scenario in a trial.
///
/// # Panics
/// When anything differs from bare, or a verdict is another one.
pub fn play(trial: &Trial, text: &str) {
    let mut edits = String::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let Some(line) = Line::parse(line) else {
            edits.push_str(line);
            edits.push('\n');
            continue;
        };
        if !line.applies_to(trial) {
            continue;
        }
        shell_in_both(trial, &std::mem::take(&mut edits));
        line.run(trial);
    }
    shell_in_both(trial, &edits);
    trial.assert_same_trees("the last edit");
}

/// Lets a shell change each copy in turn, which is its working directory. The
/// compilers are `$CC` and `$CXX`, the path that commands see is `$TREE`.
///
/// # Panics
/// When the shell fails.
pub fn shell_in_both(trial: &Trial, edits: &str) {
    if edits.is_empty() {
        return;
    }
    trial.edit(|root| shell(trial, root, edits));
}

fn shell(trial: &Trial, root: &Path, text: &str) {
    let compiler = trial.compiler();
    let tools = [("CC", compiler.c()), ("CXX", compiler.cxx())];
    let status = std::process::Command::new("/bin/sh")
        .args(["-ec", text])
        .current_dir(root)
        .env_clear()
        .envs(trial.sandbox().environment().iter().cloned())
        .envs(tools)
        .env("TREE", trial.tree())
        .status()
        .expect("there is a shell");
    assert!(status.success(), "{status} in {}: {text}", root.display());
}

impl<'a> Line<'a> {
    /// None when the line is for the shell.
    fn parse(line: &'a str) -> Option<Self> {
        let (head, command) = line.split_once(": ")?;
        let mut words = head.split(' ');
        let mut parts = words.next()?.split('@');
        let name = parts.next()?;
        let places: Vec<_> = parts.collect();
        let mut rest: Vec<_> = words.collect();
        let mut directory = "";
        if let [.., "in", path] = rest[..] {
            directory = path;
            rest.truncate(rest.len() - 2);
        }
        let slug = rest.first().map(|slug| (*slug).to_owned());
        let verdict = match name {
            "hit" => Verdict::Hit,
            "kept" => Verdict::Kept,
            "abandoned" => Verdict::Abandoned(slug),
            "bypassed" => Verdict::Bypassed(slug),
            "miss" => Verdict::Miss,
            "any" => Verdict::Any,
            _ => return None,
        };
        Some(Self { verdict, places, directory, command })
    }

    fn applies_to(&self, trial: &Trial) -> bool {
        self.places.iter().all(|place| match *place {
            "view" => trial.place() == Place::View,
            "plain" => trial.place() == Place::Plain,
            "gcc" => trial.compiler() == Compiler::Gcc,
            "clang" => trial.compiler() == Compiler::Clang,
            other => panic!("no such place or compiler: {other}"),
        })
    }

    fn run(&self, trial: &Trial) {
        let step = trial.run(self.command(trial).below(self.directory));
        let label = format!("{:?}", self.verdict);
        match &self.verdict {
            Verdict::Hit => drop(step.hit()),
            Verdict::Kept => drop(step.kept()),
            Verdict::Miss => drop(step.not_hit()),
            Verdict::Any => drop(step.counted_once()),
            Verdict::Abandoned(slug) => {
                assert_eq!((step.counted.misses, step.counted.abandoned), (1, 1), "{step:?}");
                assert_reason(&step, slug.as_deref(), &label);
            }
            Verdict::Bypassed(slug) => {
                assert_eq!(step.counted.bypassed, 1, "{step:?}");
                assert_reason(&step, slug.as_deref(), &label);
            }
        }
    }

    fn command(&self, trial: &Trial) -> Command {
        let tree = trial.tree().to_str().expect("temporary directories have plain names");
        let compiler = trial.compiler();
        let expand = |word: String| {
            let word = word.replace("$CXX", compiler.cxx()).replace("$CC", compiler.c());
            let word = word.replace("$EXTERNAL_AS", external_assembler(compiler));
            word.replace("$PWD", tree)
        };
        let words: Vec<_> = words(self.command).into_iter().map(expand).collect();
        let assigned = words.iter().take_while(|word| is_assignment(word)).count();
        let (variables, argv) = words.split_at(assigned);
        variables.iter().filter_map(|word| word.split_once('=')).fold(
            Command::new(argv),
            |command, (name, value)| match (name, value) {
                ("STDIN", text) => command.stdin(format!("{text}\n").as_bytes()),
                ("UMASK", mask) => command.umask(u32::from_str_radix(mask, 8).expect("octal")),
                (_, "(unset)") => command.env_remove(name),
                _ => command.env(name, value),
            },
        )
    }
}

/// An option with which the compiler runs an assembler of its own, or gcc, which
/// always does, has nothing else to say.
fn external_assembler(compiler: Compiler) -> &'static str {
    match compiler {
        Compiler::Gcc => "-fno-common",
        Compiler::Clang => "-fno-integrated-as",
    }
}

fn assert_reason(step: &Step, slug: Option<&str>, label: &str) {
    if let Some(slug) = slug {
        assert!(step.counted.reasons.contains_key(slug), "{label}: {step:?}");
    }
}

fn is_assignment(word: &str) -> bool {
    word.split_once('=').is_some_and(|(name, _)| {
        !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    })
}

/// Splits at blanks; single quotes group.
fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quoted = false;
    for character in text.chars() {
        match character {
            '\'' => {
                quoted = !quoted;
                word.get_or_insert_default();
            }
            ' ' if !quoted => words.extend(word.take()),
            other => word.get_or_insert_default().push(other),
        }
    }
    words.extend(word);
    words
}
