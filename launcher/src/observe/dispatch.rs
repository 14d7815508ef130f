//! From a stopped system call to what it means for the record.

use std::ffi::CStr;
use std::os::fd::RawFd;

use zccache_core::Reason;
use zccache_core::protocol::Own;

use super::Setting;
use super::arguments::{argument_of, follows, is_attribute_of_the_system, low, open_arguments};
use super::paths::{Named, PathBuffer, Resolver, entry_of};
use super::process::programs::{COMPILERS, LLD, MOLD};
use super::process::tracee::{Tracee, Unreadable};
use super::record::{Jobserver, Ledger, Privacy, Purpose, Streams, is_told_by_the_kernel, privacy};
use super::seccomp::Notification;
use super::seccomp::filter::{ABI, FOREIGN_NUMBERS};
use super::seccomp::table::{self, At, Call, Follow, OpenFlags};

/// Notes what stopped calls are about to do.
pub(super) struct Dispatcher {
    ledger: Ledger,
    streams: Streams,
    jobserver: Jobserver,
    resolver: Resolver,
    own: Own,
    first: PathBuffer,
    second: PathBuffer,
}

/// What of a path a call needs.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Access {
    /// To look at it.
    Look,
    /// To open it.
    Open,
}

impl From<Unreadable> for Reason {
    fn from(_: Unreadable) -> Self {
        Self::UnreadableTool
    }
}

impl Dispatcher {
    /// A dispatcher with an empty record.
    pub(super) fn new(setting: Setting<'_>) -> Self {
        Self {
            ledger: Ledger::new(setting.umask),
            streams: Streams::new(setting.knows_input),
            jobserver: Jobserver::of_process(),
            resolver: Resolver::new(setting.directory),
            own: setting.own.clone(),
            first: PathBuffer::default(),
            second: PathBuffer::default(),
        }
    }

    /// Notes that the run cannot be kept.
    pub(super) fn refuse(&mut self, reason: Reason) {
        self.ledger.refuse(reason);
    }

    /// What was recorded.
    pub(super) fn into_record(self) -> (Ledger, Streams) {
        (self.ledger, self.streams)
    }

    /// Notes one stopped call. Once the run cannot be kept, nothing is looked at
    /// any more.
    pub(super) fn note(&mut self, call: &Notification) {
        if self.ledger.trouble().is_some() {
            return;
        }
        self.ledger.callers.note(call.thread);
        if let Err(reason) = self.interpret(call) {
            let private = |path: &&CStr| privacy(path.to_bytes()) != Privacy::Public;
            match self.first.path().filter(private) {
                Some(path) if reason == Reason::PrivatePath => self.ledger.refuse_at(reason, path),
                _ => self.ledger.refuse(reason),
            }
        }
    }

    fn interpret(&mut self, call: &Notification) -> Result<(), Reason> {
        if call.abi != ABI || call.number.cast_unsigned() >= FOREIGN_NUMBERS {
            return Err(Reason::ForeignAbi);
        }
        if call.thread == 0 {
            return Err(Reason::UnreadableTool);
        }
        let rule = table::rule(call.number.into()).ok_or(Reason::UnreadableTool)?;
        match rule.call {
            Call::Open(at, flags) => self.open(call, at, flags),
            Call::Look(at, follow) => self.look(call, at, follows(call, follow)),
            Call::Attribute(at, follow, name) => {
                is_attribute_of_the_system(call, name)?;
                self.look(call, at, follows(call, follow))
            }
            Call::Attributes(at, follow) => {
                let follow = follows(call, follow);
                self.with_path(call, at, Access::Look, |ledger, path| {
                    ledger.look(path, follow, Purpose::Status);
                    ledger.list_attributes(path);
                })
            }
            Call::Probe(at) => self.with_path(call, at, Access::Look, Ledger::probe),
            Call::Execute(at, follow) => self.execute(call, at, follow),
            Call::Remove(at) => {
                let is_lld = Tracee(call.thread).runs(LLD);
                self.with_path(call, at, Access::Open, |ledger, path| {
                    if is_lld {
                        ledger.disregard_opening(path);
                    }
                    ledger.remove(path);
                })
            }
            Call::Make(at) => self.with_path(call, at, Access::Open, Ledger::make),
            Call::Truncate(at) => self.with_path(call, at, Access::Open, Ledger::truncate),
            Call::ChangeMode(at) => self.with_file(call, at, Ledger::change_mode),
            Call::Touch(at) => self.with_file(call, at, Ledger::touch),
            Call::Stamp(at) => self.with_file(call, at, Ledger::stamp),
            Call::Rename(from, to, flags) => self.rename(call, from, to, flags),
            Call::Link(from, to) => self.with_two_paths(call, from, to, Ledger::link),
            Call::ChangeDirectory(at) => {
                self.with_path(call, at, Access::Open, |ledger, path| {
                    ledger.look(path, true, Purpose::Status);
                })?;
                self.resolver.moved();
                Ok(())
            }
            _ => self.interpret_rest(call, rule.call),
        }
    }

    /// Calls that name no file.
    fn interpret_rest(&mut self, call: &Notification, meaning: Call) -> Result<(), Reason> {
        let [descriptor, address, length, ..] = call.arguments;
        let (tracee, fd) = (Tracee(call.thread), low(descriptor));
        match meaning {
            Call::Write => self.streams.write(tracee, fd, address, length),
            Call::WriteVector => self.streams.write_vector(tracee, fd, address, length),
            Call::HandOn(argument) => {
                self.streams.hand_on(tracee, low(argument_of(call, argument)))
            }
            Call::TakeIn(argument) => {
                self.streams.take_in(tracee, low(argument_of(call, argument)))
            }
            Call::Pass(from, to) => {
                self.streams.take_in(tracee, low(argument_of(call, from)))?;
                self.streams.hand_on(tracee, low(argument_of(call, to)))
            }
            Call::DuplicateAnywhere => {
                self.streams.take_in(tracee, fd)?;
                self.streams.hand_on(tracee, fd)
            }
            Call::Duplicate => self.streams.duplicate(tracee, fd, low(address)),
            Call::Save => self.streams.save(tracee, fd, low(length)),
            Call::TouchDescriptor => self.with_descriptor(tracee, fd, Ledger::change_mode),
            Call::AttributeOfDescriptor => is_attribute_of_the_system(call, 1),
            Call::AttributesOfDescriptor => {
                self.with_descriptor(tracee, fd, Ledger::list_attributes)
            }
            Call::Connect => self.connect(call),
            Call::Foreign(reason) => Err(reason),
            Call::Move => {
                self.resolver.moved();
                Ok(())
            }
            _ => Err(Reason::UnreadableTool),
        }
    }

    fn look(&mut self, call: &Notification, at: At, follow: bool) -> Result<(), Reason> {
        self.with_path(call, at, Access::Look, |ledger, path| {
            ledger.look(path, follow, Purpose::Status);
        })
    }

    fn open(&mut self, call: &Notification, at: At, flags: OpenFlags) -> Result<(), Reason> {
        let opening = open_arguments(call, flags)?;
        let follow = opening.follows();
        if opening.has(libc::O_PATH) {
            return self.look(call, at, follow);
        }
        if opening.has(libc::O_TMPFILE) {
            return Ok(());
        }
        self.with_path(call, at, Access::Open, |ledger, path| {
            if opening.may_change() {
                ledger.open(path, opening);
            } else {
                ledger.look(path, follow, Purpose::Read);
            }
        })
    }

    fn execute(&mut self, call: &Notification, at: At, follow: Follow) -> Result<(), Reason> {
        let follow = follows(call, follow);
        if self.resolver.resolve(call, at, &mut self.first)? == Named::Nothing {
            // `fexecve(3)`: the file is the descriptor.
            let fd = at.directory.map_or(-1, |argument| low(argument_of(call, argument)));
            self.first.0.clear();
            Tracee(call.thread).append_descriptor(fd, &mut self.first.0)?;
            self.first.0.push(0);
        }
        if let Some(path) = self.first.path() {
            match privacy(path.to_bytes()) {
                Privacy::Public => self.ledger.look(path, follow, Purpose::Execute),
                _ => return Err(Reason::PrivatePath),
            }
        }
        Ok(())
    }

    fn rename(
        &mut self,
        call: &Notification,
        from: At,
        to: At,
        flags: Option<u8>,
    ) -> Result<(), Reason> {
        let flags = flags.map_or(0, |argument| low(argument_of(call, argument)).cast_unsigned());
        let is_mold = Tracee(call.thread).runs(MOLD);
        self.with_two_paths(call, from, to, |ledger, from, to| {
            ledger.rename(from, to, flags, is_mold);
        })
    }

    /// Only an absent socket, such as that of a name service cache that does not
    /// run, can be connected to without leaving what can be observed.
    fn connect(&mut self, call: &Notification) -> Result<(), Reason> {
        let [_, address, length, ..] = call.arguments;
        let length = usize::try_from(length).unwrap_or(0).min(size_of::<libc::sockaddr_un>());
        let buffer = &mut self.first.0;
        buffer.clear();
        Tracee(call.thread).append_all(address, length, buffer)?;
        let family = buffer.get(..2).map(|bytes| u16::from_ne_bytes([bytes[0], bytes[1]]));
        if family != Some(libc::AF_UNIX as u16) || buffer.get(2) != Some(&b'/') {
            return Err(Reason::Network);
        }
        buffer.drain(..2);
        let end = buffer.iter().position(|&byte| byte == 0).unwrap_or(buffer.len());
        buffer.truncate(end);
        buffer.push(0);
        let path = self.first.path().ok_or(Reason::Network)?;
        if nix::sys::stat::stat(path) != Err(nix::errno::Errno::ENOENT) {
            return Err(Reason::Network);
        }
        self.ledger.look(path, true, Purpose::Status);
        Ok(())
    }

    /// Applies `note` to the path of a descriptor, if it has one.
    fn with_descriptor(
        &mut self,
        tracee: Tracee,
        fd: RawFd,
        note: impl FnOnce(&mut Ledger, &CStr),
    ) -> Result<(), Reason> {
        self.first.0.clear();
        tracee.append_descriptor(fd, &mut self.first.0)?;
        self.first.0.push(0);
        match self.first.path() {
            Some(path) if path.to_bytes().starts_with(b"/") => note(&mut self.ledger, path),
            _ => {}
        }
        Ok(())
    }

    /// Applies `note` to the path that a call names, if it names a file.
    fn with_path(
        &mut self,
        call: &Notification,
        at: At,
        access: Access,
        note: impl FnOnce(&mut Ledger, &CStr),
    ) -> Result<(), Reason> {
        match self.resolver.resolve(call, at, &mut self.first)? {
            Named::Path => self.note_file(call, access, note),
            Named::Nothing => Ok(()),
        }
    }

    /// As `with_path`, but a call without a path means the descriptor itself.
    fn with_file(
        &mut self,
        call: &Notification,
        at: At,
        note: impl FnOnce(&mut Ledger, &CStr),
    ) -> Result<(), Reason> {
        if self.resolver.resolve(call, at, &mut self.first)? == Named::Nothing {
            self.first.0.clear();
            let fd = at.directory.map_or(-1, |argument| low(argument_of(call, argument)));
            Tracee(call.thread).append_descriptor(fd, &mut self.first.0)?;
            self.first.0.push(0);
        }
        self.note_file(call, Access::Open, note)
    }

    /// Applies `note` to the path in `first`, if it is a file like any other.
    fn note_file(
        &mut self,
        call: &Notification,
        access: Access,
        note: impl FnOnce(&mut Ledger, &CStr),
    ) -> Result<(), Reason> {
        let named = std::mem::take(&mut self.first);
        let path = named.path().filter(|path| path.to_bytes().starts_with(b"/"));
        let is_file = path.map_or(Ok(false), |path| self.is_file(call, path, access));
        if let (Some(path), Ok(true)) = (path, is_file) {
            note(&mut self.ledger, path);
        }
        // Also for a refusal, which names it.
        self.first = named;
        is_file.map(drop)
    }

    fn with_two_paths(
        &mut self,
        call: &Notification,
        from: At,
        to: At,
        note: impl FnOnce(&mut Ledger, &CStr, &CStr),
    ) -> Result<(), Reason> {
        let source = self.resolver.resolve(call, from, &mut self.second)?;
        let target = self.resolver.resolve(call, to, &mut self.first)?;
        if source == Named::Nothing || target == Named::Nothing {
            return Err(Reason::SideEffect);
        }
        let (from, to) = (std::mem::take(&mut self.second), std::mem::take(&mut self.first));
        if let (Some(from), Some(to)) = (from.path(), to.path()) {
            let comes = self.is_file(call, from, Access::Open)?;
            match (comes, self.is_file(call, to, Access::Open)?) {
                (true, true) => note(&mut self.ledger, from, to),
                (true, false) => self.ledger.hand_over(from),
                (false, true) => self.ledger.arrive(to),
                (false, false) => {}
            }
        }
        (self.second, self.first) = (from, to);
        Ok(())
    }

    /// Whether a path is a file like any other, for this access.
    fn is_file(
        &mut self,
        call: &Notification,
        path: &CStr,
        access: Access,
    ) -> Result<bool, Reason> {
        let bytes = path.to_bytes();
        if let Some(cache) = self.own.caches.iter().find_map(|cache| entry_of(cache, bytes)) {
            return self.ledger.enter_cache(&cache).map(|()| false);
        }
        let tracee = Tracee(call.thread);
        if access == Access::Open && is_told_by_the_kernel(bytes) && tracee.runs(COMPILERS) {
            return Err(Reason::PrivatePath);
        }
        match privacy(bytes) {
            _ if self.own.is(bytes) => Ok(false),
            _ if self.jobserver.is_at(bytes, tracee) => Ok(false),
            Privacy::Public => Ok(true),
            Privacy::Ignored => Ok(false),
            Privacy::Descriptor if access == Access::Look => Ok(false),
            Privacy::Descriptor | Privacy::Through => Err(Reason::PrivatePath),
        }
    }
}
