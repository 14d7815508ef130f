//! Whether a result holds in every checkout, or only in the one it was made in.
//!
//! `docs/CACHE_KEYS.md`, "Other checkouts", gives the reasons.

use zccache_compiler::relocation::{Exposure, depfile};
use zccache_compiler::{Anywhere, program};
use zccache_core::entry::{Chunk, Environment, LineBreaks, Message, Scope, Variable};
use zccache_core::{InvocationKey, OsBytes, Template, Trace};

use super::publisher::Job;
use super::sift::Sifted;
use super::trace::Remarks;

/// How far a result reaches, as far as is known.
pub(super) struct Reach<'a> {
    job: &'a Job,
    /// None as soon as something is in the way.
    anywhere: Option<Anywhere>,
}

impl<'a> Reach<'a> {
    pub(super) fn new(job: &'a Job) -> Self {
        // What was in a file before is not searched for the root.
        let anywhere = job.plan.anywhere.filter(|_| job.report.revised.is_empty());
        Self { job, anywhere }
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
        let compiler = program::name_of(&self.job.invocation);
        let known = |content: Vec<u8>| depfile::template(&content, &self.job.root, compiler);
        let template = (!sifted.is_opaque).then(content).flatten().and_then(known);
        if template.is_none() {
            self.anywhere = None;
        }
        template
    }

    /// Takes notice of what was written to the streams. Messages for a terminal
    /// are laid out by their length.
    pub(super) fn messages(&mut self) -> Vec<Message> {
        let Job { root, invocation, report, .. } = self.job;
        let for_terminal = invocation.terminals.iter().any(Option::is_some);
        let message = |chunk: &Chunk| {
            let template = (!for_terminal).then(|| Template::cut(&chunk.bytes, root)).flatten();
            let text = template.unwrap_or_else(|| {
                if root.is_named_in(&chunk.bytes) {
                    self.anywhere = None;
                }
                Template::constant(chunk.bytes.clone())
            });
            Message { stream: chunk.stream, text }
        };
        report.streams.iter().map(message).collect()
    }

    /// The key under which a result is kept, and whom of those that have it, it serves.
    /// `can_be_asked` says whether the preprocessor will tell which sources use their path.
    pub(super) fn key(
        self,
        trace: &Trace,
        remarks: Remarks,
        can_be_asked: impl FnOnce() -> bool,
        inputs_name_root: impl FnOnce() -> bool,
    ) -> (InvocationKey, Scope) {
        let here = (self.job.plan.here, Scope::All);
        let Some(Anywhere { key, exposure }) = self.anywhere else { return here };
        let scope = match disclosure(exposure, remarks) {
            Disclosure::None => Scope::All,
            Disclosure::OwnPath if can_be_asked() => Scope::Unproven,
            Disclosure::OwnPath | Disclosure::Other => return here,
        };
        let named = self.is_named_by(&trace.environment) || inputs_name_root();
        if named { here } else { (key, scope) }
    }

    /// Whether what was read of the environment may tell where the root is.
    fn is_named_by(&self, environment: &Environment) -> bool {
        let Job { root, invocation, .. } = self.job;
        let value = |name: &OsBytes| invocation.variable(name.as_bytes()).unwrap_or_default();
        let names = |variable: &Variable| root.is_named_in(value(&variable.name));
        environment.is_whole() || environment.by_name().iter().any(names)
    }
}

/// How the root can reach a result otherwise than as text.
enum Disclosure {
    /// In no way.
    None,
    /// By what a source uses of its own path, if it does.
    OwnPath,
    /// In other ways.
    Other,
}

fn disclosure(exposure: Exposure, remarks: Remarks) -> Disclosure {
    let Exposure::C(exposure) = exposure else { return Disclosure::None };
    let words = remarks.path_words;
    let unmapped = words.have_unmapped() || (words.have_macros() && !exposure.mapped_macros);
    let canonical_names_differ = exposure.system_directories && remarks.link_below_root;
    if canonical_names_differ || remarks.is_precompiled {
        Disclosure::Other
    } else if exposure.absolute_sources && unmapped {
        Disclosure::OwnPath
    } else {
        Disclosure::None
    }
}
