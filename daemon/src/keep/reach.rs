//! Whether a result holds in every checkout, or only in the one it was made in.
//!
//! `docs/CACHE_KEYS.md`, "Other checkouts", gives the reasons.

use zccache_compiler::relocation::{Exposure, depfile};
use zccache_compiler::{Anywhere, program};
use zccache_core::entry::{Chunk, Environment, LineBreaks, Message, Variable};
use zccache_core::{Invocation, InvocationKey, OsBytes, Root, Template, Trace};

use super::publisher::Job;
use super::sift::Sifted;
use super::trace::Remarks;

/// How far a result reaches, as far as is known.
pub(super) struct Reach<'a> {
    here: InvocationKey,
    /// None as soon as something is in the way.
    anywhere: Option<Anywhere>,
    root: &'a Root,
    compiler: &'a [u8],
}

impl<'a> Reach<'a> {
    pub(super) fn new(job: &'a Job) -> Self {
        let compiler = job.invocation.argv.first().map_or(&b""[..], |name| name.as_bytes());
        // What was in a file before is not searched for the root.
        let anywhere = job.plan.anywhere.filter(|_| job.report.revised.is_empty());
        Self {
            here: job.plan.here,
            anywhere,
            root: &job.root,
            compiler: program::base_name(compiler),
        }
    }

    /// Takes notice of an output: it may name the root only if it is a depfile
    /// that can be written anew for another root, which is returned then.
    pub(super) fn depfile(
        &mut self,
        sifted: Sifted,
        content: impl FnOnce() -> Option<Vec<u8>>,
    ) -> Option<(Template, Option<LineBreaks>)> {
        let exposure = self.anywhere?.exposure;
        if sifted.holds_metadata && exposure == (Exposure::Rust { works_below: true }) {
            self.anywhere = None;
            return None;
        }
        if !sifted.names_root && !sifted.is_opaque {
            return None;
        }
        let known = |content: Vec<u8>| depfile::template(&content, self.root, self.compiler);
        let template = (!sifted.is_opaque).then(content).flatten().and_then(known);
        if template.is_none() {
            self.anywhere = None;
        }
        template
    }

    /// Takes notice of what was written to the streams. Messages for a terminal
    /// are laid out by their length.
    pub(super) fn messages(&mut self, chunks: &[Chunk], invocation: &Invocation) -> Vec<Message> {
        let for_terminal = invocation.terminals.iter().any(Option::is_some);
        let message = |chunk: &Chunk| {
            let template =
                (!for_terminal).then(|| Template::cut(&chunk.bytes, self.root)).flatten();
            let text = template.unwrap_or_else(|| {
                if self.root.is_named_in(&chunk.bytes) {
                    self.anywhere = None;
                }
                Template::constant(chunk.bytes.clone())
            });
            Message { stream: chunk.stream, text }
        };
        chunks.iter().map(message).collect()
    }

    /// The key under which a result is kept.
    pub(super) fn key(
        self,
        trace: &Trace,
        invocation: &Invocation,
        remarks: Remarks,
        inputs_name_root: impl FnOnce() -> bool,
    ) -> InvocationKey {
        match self.anywhere {
            Some(Anywhere { key, exposure })
                if is_concealed(exposure, remarks)
                    && !self.is_named_by(&trace.environment, invocation)
                    && !inputs_name_root() =>
            {
                key
            }
            _ => self.here,
        }
    }

    /// Whether what was read of the environment may tell where the root is.
    fn is_named_by(&self, environment: &Environment, invocation: &Invocation) -> bool {
        let value = |name: &OsBytes| invocation.variable(name.as_bytes()).unwrap_or_default();
        let names = |variable: &Variable| self.root.is_named_in(value(&variable.name));
        environment.is_whole() || environment.by_name().iter().any(names)
    }
}

/// Whether the root can reach the result in no way but as text.
fn is_concealed(exposure: Exposure, remarks: Remarks) -> bool {
    let Exposure::C(exposure) = exposure else { return true };
    let unmapped = remarks.unmapped_path || (remarks.own_path && !exposure.mapped_macros);
    let computes_with_path = exposure.absolute_sources && unmapped;
    let canonical_names_differ = exposure.system_directories && remarks.link_below_root;
    !computes_with_path && !canonical_names_differ && !remarks.is_precompiled
}
