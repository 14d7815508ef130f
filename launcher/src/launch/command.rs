//! What the user typed.

use std::ffi::CString;

use zccache_core::OsBytes;

use crate::environment::variable;
use crate::mark::is_launcher;
use crate::program::{Program, base_name};

/// Our own name; under any other we stand for the compiler of that name.
const OWN_NAME: &[u8] = b"zccache-launch";

/// A command to serve.
pub(super) struct Command {
    /// The compiler as the user named it, and its arguments.
    pub arguments: Vec<CString>,
    /// What is said of tools in front of it: `NAME=cache`, each with a comma behind it.
    pub tools: Vec<u8>,
}

/// What the user asked for.
pub(super) enum Typed {
    /// A compile, or anything else to run.
    Command(Command),
    /// Nothing.
    Nothing,
    /// Our version.
    Version,
    /// How to use us.
    Help,
}

impl Typed {
    fn option(name: &[u8]) -> Self {
        match name {
            b"--version" | b"-V" => Self::Version,
            b"--help" | b"-h" => Self::Help,
            _ => Self::Nothing,
        }
    }
}

impl Command {
    /// Reads the arguments of this process, its name first.
    pub(super) fn read(mut typed: Vec<CString>) -> Typed {
        if typed.first().is_none_or(|name| base_name(name) == OWN_NAME) {
            typed.drain(..typed.len().min(1));
        }
        let mut tools = Vec::new();
        loop {
            if typed.first().is_some_and(calls_ourselves) {
                typed.remove(0);
            } else if typed.len() > 1 && typed[0].as_bytes() == b"--tool" {
                tools.extend_from_slice(typed[1].as_bytes());
                tools.push(b',');
                typed.drain(..2);
            } else {
                break;
            }
        }
        let Some(name) = typed.first() else { return Typed::Nothing };
        if name.to_bytes().starts_with(b"-") {
            return Typed::option(name.to_bytes());
        }
        Typed::Command(Self::new(typed, tools))
    }

    /// A path that leads to a launcher, such as that of a masquerading link, means
    /// the compiler of its name along `PATH`.
    fn new(mut arguments: Vec<CString>, tools: Vec<u8>) -> Self {
        let name = &arguments[0];
        if name.to_bytes().contains(&b'/') && is_launcher(name) {
            let base = base_name(name).to_vec();
            arguments[0] = CString::new(base).unwrap_or_default();
        }
        Self { arguments, tools }
    }

    /// The compiler to run. Looking for it takes a few system calls for each
    /// directory along `PATH`, which a hit does without.
    pub(super) fn program(&self) -> Program {
        Program::new(self.arguments.clone(), variable(c"PATH"))
    }

    /// The same compiler with other arguments; none if one holds a zero byte.
    pub(super) fn with_arguments(&self, others: &[OsBytes]) -> Option<Program> {
        let others = others.iter().map(|argument| CString::new(argument.as_bytes()));
        let arguments = self.arguments.iter().take(1).cloned().map(Ok).chain(others);
        Some(Program::new(arguments.collect::<Result<_, _>>().ok()?, variable(c"PATH")))
    }
}

/// Whether a launcher stands where the compiler should, as when both the build
/// tool and `CC` put one there.
fn calls_ourselves(name: &CString) -> bool {
    base_name(name) == OWN_NAME
}
