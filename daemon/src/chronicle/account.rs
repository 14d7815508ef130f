//! One decision, with what is needed to compare its invocation with another.

use std::sync::{Arc, OnceLock};
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use zccache_compiler::environment;
use zccache_core::protocol::explanation::{Fate, Told, Value};
use zccache_core::{Digest, Invocation, InvocationKey, OsBytes, Root, Stamp};

/// One decision.
pub(crate) struct Account {
    pub(crate) at: Stamp,
    pub(super) summary: Summary,
    pub(super) environment: Arc<Environment>,
    /// As it was decided; the fate of a run is not in here.
    pub(super) told: Told,
    fate: OnceLock<Fate>,
}

/// What is kept of an invocation, besides its environment.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Summary {
    /// The arguments, a NUL byte after each: one allocation instead of many.
    #[serde(with = "zccache_core::os_bytes::plain")]
    arguments: Vec<u8>,
    pub(super) cwd: OsBytes,
    pub(super) root: OsBytes,
    pub(super) umask: u32,
    pub(super) columns: [Option<u16>; 2],
    /// None for what was bypassed.
    pub(super) key: Option<InvocationKey>,
}

/// Variables with their values, in the order of their names.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Environment {
    pub(super) variables: Vec<(OsBytes, Value)>,
}

/// Memory of an account besides its texts, in bytes.
const OVERHEAD: usize = 300;

impl Summary {
    pub(super) fn new(invocation: &Invocation, root: &Root, key: Option<InvocationKey>) -> Self {
        let with_end = |argument| [OsBytes::as_bytes(argument), &[0]];
        Self {
            arguments: invocation.argv.iter().flat_map(with_end).collect::<Vec<_>>().concat(),
            cwd: invocation.cwd.clone(),
            root: root.as_bytes().into(),
            umask: invocation.umask,
            columns: invocation.terminals.map(|terminal| terminal.map(|t| t.columns)),
            key,
        }
    }

    pub(super) fn arguments(&self) -> Vec<OsBytes> {
        let texts = self.arguments.split_inclusive(|&byte| byte == 0);
        texts.map(|text| OsBytes::from(text.strip_suffix(&[0]).unwrap_or(text))).collect()
    }
}

impl Environment {
    /// The environment of an invocation. Of variables that compilers do not read
    /// only hashes are kept.
    pub(super) fn new(invocation: &Invocation) -> Self {
        let value = |variable: &environment::Variable<'_>| match variable.of_compilers {
            true => Value::Shown(variable.value.into()),
            false => Value::Hidden(hash(variable.value)),
        };
        let variables = environment::telling(invocation);
        let variables = variables.iter().map(|v| (v.name.into(), value(v))).collect();
        Self { variables }
    }

    pub(super) fn weight(&self) -> usize {
        let length = |value: &Value| match value {
            Value::Shown(text) => text.as_bytes().len(),
            Value::Hidden(_) => 0,
        };
        self.variables.iter().map(|(name, value)| 64 + name.as_bytes().len() + length(value)).sum()
    }
}

/// The time by the clock that does not tick: accounts are told apart by it.
fn now() -> Stamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let seconds = i64::try_from(since.as_secs()).unwrap_or(i64::MAX);
    Stamp { seconds, nanos: since.subsec_nanos() }
}

fn hash(value: &[u8]) -> u64 {
    let digest = Digest::of(value);
    u64::from_le_bytes(std::array::from_fn(|n| digest.as_bytes()[n]))
}

impl Account {
    pub(super) fn new(summary: Summary, environment: Arc<Environment>, told: Told) -> Self {
        Self { at: now(), summary, environment, told, fate: OnceLock::new() }
    }

    pub(super) fn restored(
        at: Stamp,
        summary: Summary,
        environment: Arc<Environment>,
        told: Told,
        fate: Option<Fate>,
    ) -> Self {
        let known = OnceLock::new();
        if let Some(fate) = fate {
            let _first = known.set(fate);
        }
        Self { at, summary, environment, told, fate: known }
    }

    /// Says what became of the run. The first word counts.
    pub(crate) fn end(&self, fate: Fate) {
        let _earlier = self.fate.set(fate);
    }

    pub(crate) fn fate(&self) -> Option<&Fate> {
        self.fate.get()
    }

    /// Whether a run is going on, or its result on its way to the disk.
    pub(crate) fn is_open(&self) -> bool {
        matches!(self.told, Told::Miss { .. } | Told::Verified { .. }) && self.fate.get().is_none()
    }

    /// Bytes of memory, the environment not counted.
    pub(super) fn weight(&self) -> usize {
        let Summary { arguments, cwd, root, .. } = &self.summary;
        OVERHEAD + arguments.len() + cwd.as_bytes().len() + root.as_bytes().len()
    }
}
