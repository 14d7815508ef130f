//! From an invocation to its keys, or to the reason why it has none.

use zccache_core::invocation::Input;
use zccache_core::settings::EXACT;
use zccache_core::{Invocation, InvocationKey, OsBytes, Reason, Root, TaggedHasher};

use crate::environment::display::display;
use crate::program::Family;
use crate::relocation::{self, Exposure, add_rooted};
use crate::response::Files;
use crate::tools::{binary, checker, emscripten, lto};
use crate::{arguments, cpu, environment, program, response, rust};

/// Changes whenever the meaning of a key changes, so that old entries are not
/// found under new rules.
const KEY_VERSION: &[u8] = b"zccache key 5";

/// The tags of the fields of a key.
mod tag {
    pub(super) const VERSION: u8 = 0;
    pub(super) const ARGUMENT: u8 = 1;
    pub(super) const DIRECTORY: u8 = 2;
    pub(super) const UMASK: u8 = 3;
    pub(super) const DISPLAY: u8 = 4;
    pub(super) const VARIABLE: u8 = 5;
    pub(super) const WHOLE_ENVIRONMENT: u8 = 6;
    pub(super) const CPU: u8 = 7;
    pub(super) const ROOT: u8 = 8;
    pub(super) const SHOWN_DIRECTORY: u8 = 9;
    pub(super) const DIRECTORY_BELOW_ROOT: u8 = 10;
    pub(super) const ROOTED: u8 = 11;
    pub(super) const INPUT: u8 = 12;
    pub(super) const PATHS: u8 = 13;
    pub(super) const LINKING: u8 = 14;
    pub(super) const MAKE_FLAG: u8 = 15;
    pub(super) const EXACT: u8 = 16;
}

/// Under which keys the results of an invocation are kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Plan {
    /// For results that hold in this checkout.
    pub here: InvocationKey,
    /// For results that hold in every checkout, if there can be any.
    pub anywhere: Option<Anywhere>,
}

/// How results are shared between checkouts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Anywhere {
    /// Equal for the same command in every checkout.
    pub key: InvocationKey,
    /// What has to be ruled out before a result is shared.
    pub exposure: Exposure,
}

/// The keys under which results of an invocation in the checkout at `root` are kept.
///
/// # Errors
/// The reason why its results cannot be kept: it is to be bypassed.
pub fn plan(invocation: &Invocation, files: &dyn Files, root: &Root) -> Result<Plan, Reason> {
    let (compiler, arguments) = invocation.argv.split_first().ok_or(Reason::UnknownTool)?;
    let name = program::base_name(compiler.as_bytes());
    let family = program::family_of(invocation).ok_or(Reason::UnknownTool)?;
    let (traits, obscure) = match family {
        Family::C | Family::Binary => {
            let expanded = response::expand(arguments, files)?;
            let mut traits = match binary::tool(name) {
                Some(tool) => binary::examine(tool, &expanded)?,
                None => arguments::examine(&expanded)?,
            };
            traits.loads_code |= traits.links && lto::is_expanded(invocation, &expanded);
            // What a linker does with a path is not known.
            let is_told = |word: &OsBytes| root.is_named_in(word.as_bytes());
            let told = |words: &[OsBytes]| words.iter().filter(|word| is_told(word)).count();
            let obscure = if traits.links || family == Family::Binary {
                told(&expanded) > 0 || relocation::are_obscure_to_tools(&expanded, root)
            } else {
                // What response files say is the same for every checkout.
                told(&expanded) > told(arguments)
                    || relocation::are_obscure(name, &expanded, root)
                    || relocation::has_relative_system_directories(invocation)
            };
            (traits, obscure)
        }
        Family::Checker => (checker::examine(&response::expand(arguments, files)?)?, true),
        Family::Emscripten => {
            let expanded = response::expand(arguments, files)?;
            (emscripten::examine(name, expanded, invocation)?, true)
        }
        Family::Trusted => {
            arguments.iter().try_for_each(|word| arguments::refuse_private(word.as_bytes()))?;
            (arguments::Traits { loads_code: true, ..Default::default() }, true)
        }
        Family::Rust => (rust::examine(invocation, files)?, rust::has_response_file(arguments)),
    };
    if traits.reads_input && !invocation.input.is_known() {
        return Err(Reason::SourceFromStdin);
    }
    let loads_code = traits.loads_code || has_code_brought_in(invocation);
    let key = Key { invocation, family, root, shown: shown_directory(invocation, files) };
    let common = key.common(traits, loads_code);
    let sharable = !loads_code && !obscure;
    let anywhere = sharable.then(|| key.anywhere(common.clone())).flatten();
    Ok(Plan { here: key.here(common), anywhere })
}

/// Whether variables or files that hold arguments may have code loaded that reads what it likes:
/// `ld.so(8)`, `clang/tools/driver/driver.cpp`, Clang's manual ("Configuration files").
pub(crate) fn has_code_brought_in(invocation: &Invocation) -> bool {
    let brings = |entry: &OsBytes| BRINGING.iter().any(|name| entry.as_bytes().starts_with(name));
    invocation.environment.iter().any(brings)
        || invocation.argv.iter().any(|argument| argument.as_bytes().starts_with(b"--config"))
}

const BRINGING: [&[u8]; 3] = [b"CCC_", b"LD_AUDIT=", b"LD_PRELOAD="];

/// The spelling of the working directory that compilers take over: `PWD`, if it leads
/// there (libiberty's `getpwd`, LLVM's `sys::fs::current_path`).
fn shown_directory<'a>(invocation: &'a Invocation, files: &dyn Files) -> &'a [u8] {
    let cwd = invocation.cwd.as_bytes();
    let leads_there =
        |path: &&[u8]| path.starts_with(b"/") && *path != cwd && files.is_working_directory(path);
    invocation.variable(environment::DIRECTORY).filter(leads_there).unwrap_or(cwd)
}

/// What the keys of an invocation are made of.
struct Key<'a> {
    invocation: &'a Invocation,
    family: Family,
    root: &'a Root,
    /// How compilers spell the working directory.
    shown: &'a [u8],
}

impl Key<'_> {
    /// What both keys have in common.
    fn common(&self, traits: arguments::Traits, loads_code: bool) -> TaggedHasher {
        let invocation = self.invocation;
        let mut hasher = TaggedHasher::new();
        hasher.field(tag::VERSION, KEY_VERSION);
        hasher.field(tag::UMASK, &invocation.umask.to_le_bytes());
        environment::add_of_compilers(invocation, self.family, tag::VARIABLE, &mut hasher);
        if loads_code {
            hasher.field(tag::WHOLE_ENVIRONMENT, environment::whole(invocation).as_bytes());
        }
        // What others load or record may be of the terminal, too.
        if loads_code || traits.records_command {
            hasher.field(tag::DISPLAY, display(invocation).as_bytes());
        }
        if invocation.is_on(EXACT) {
            hasher.field(tag::EXACT, b"");
        }
        if let Input::Text { bytes, .. } = &invocation.input {
            hasher.field(tag::INPUT, bytes);
        }
        if traits.links {
            self.add_of_linking(&mut hasher);
        }
        if traits.native {
            hasher.field(tag::CPU, cpu::identity().as_bytes());
        }
        hasher
    }

    /// `lto-wrapper` complains where it is to use a job server and finds none, and has `make`
    /// work; maps and messages of links have the names of temporary files.
    fn add_of_linking(&self, hasher: &mut TaggedHasher) {
        let invocation = self.invocation;
        let flags = invocation.variable(b"MAKEFLAGS").unwrap_or_default();
        let jobserver = [lto::jobserver(flags), u8::from(invocation.jobserver_is_broken)];
        hasher.field(tag::LINKING, &jobserver);
        for name in environment::TEMPORARY_DIRECTORY {
            hasher.field(tag::LINKING, invocation.variable(name).unwrap_or_default());
        }
        for word in lto::flags_that_count(flags) {
            hasher.field(tag::MAKE_FLAG, word);
        }
        environment::add_sorted(invocation, lto::reads, tag::LINKING, hasher);
    }

    fn here(&self, mut hasher: TaggedHasher) -> InvocationKey {
        hasher.field(tag::ROOT, self.root.as_bytes());
        hasher.field(tag::DIRECTORY, self.invocation.cwd.as_bytes());
        hasher.field(tag::SHOWN_DIRECTORY, self.shown);
        for name in environment::paths(self.family) {
            hasher.field(tag::PATHS, self.invocation.variable(name.as_bytes()).unwrap_or_default());
        }
        for argument in self.arguments() {
            hasher.field(tag::ARGUMENT, argument.as_bytes());
        }
        InvocationKey(hasher.finish())
    }

    /// None if a result may depend on where the checkout is in a way that does not show.
    fn anywhere(&self, mut hasher: TaggedHasher) -> Option<Anywhere> {
        let Self { invocation, family, root, shown } = self;
        let cwd = invocation.cwd.as_bytes();
        let compiler = invocation.argv.first()?.as_bytes();
        let text = match &invocation.input {
            Input::Text { bytes, .. } => &bytes[..],
            _ => &[],
        };
        if *shown != cwd
            || root.is_nowhere()
            || root.is_named_in(text)
            || root.is_named_in(compiler)
            || environment::of_compilers_name(invocation, *family, root)
        {
            return None;
        }
        let below = root.strip(cwd);
        if below.is_none() && root.is_named_in(cwd) {
            return None;
        }
        hasher.field(tag::ROOTED, below.map_or(b"", |_| b"below"));
        hasher.field(tag::DIRECTORY_BELOW_ROOT, below.unwrap_or(cwd));
        for name in environment::paths(*family) {
            let paths = invocation.variable(name.as_bytes()).unwrap_or_default();
            for path in paths.split(|&byte| byte == b':') {
                let is_below = root.strip(path).is_some();
                add_rooted([b"", path], is_below, (root, tag::PATHS), &mut hasher)?;
            }
        }
        hasher.field(tag::ARGUMENT, compiler);
        let arguments = self.arguments().skip(1);
        let exposure = match family {
            Family::C | Family::Binary | Family::Emscripten | Family::Checker | Family::Trusted => {
                below?;
                Exposure::C(relocation::add_arguments(arguments, root, tag::ROOTED, &mut hasher)?)
            }
            Family::Rust => {
                let mapped =
                    relocation::rustc::add_arguments(arguments, root, tag::ROOTED, &mut hasher)?;
                Exposure::Rust { works_below: below.is_some() && !mapped }
            }
        };
        Some(Anywhere { key: InvocationKey(hasher.finish()), exposure })
    }

    /// The command, without what only lays messages out.
    fn arguments(&self) -> impl Iterator<Item = &OsBytes> {
        let is_rust = self.family == Family::Rust;
        let words = self.invocation.argv.iter();
        words.filter(move |word| !(is_rust && rust::is_width(word.as_bytes())))
    }
}
