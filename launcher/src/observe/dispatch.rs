//! From a stopped system call to what it means for the record.

use std::ffi::CStr;
use std::os::fd::RawFd;

use zccache_core::Reason;

use super::Setting;
use super::process::tracee::{Tracee, Unreadable};
use super::record::{Ledger, Opening, Privacy, Purpose, Streams, privacy};
use super::seccomp::Notification;
use super::seccomp::filter::{ABI, FOREIGN_NUMBERS};
use super::seccomp::table::{self, At, Call, Follow, OpenFlags};

/// Notes what stopped calls are about to do.
pub(super) struct Dispatcher {
    ledger: Ledger,
    streams: Streams,
    directory: Vec<u8>,
    /// Whether the working directory of some process may differ from ours.
    moved: bool,
    first: PathBuffer,
    second: PathBuffer,
    relative: Vec<u8>,
}

/// An absolute path and its NUL; empty when a call names none.
#[derive(Default)]
struct PathBuffer(Vec<u8>);

impl PathBuffer {
    fn path(&self) -> Option<&CStr> {
        CStr::from_bytes_with_nul(&self.0).ok().filter(|path| !path.is_empty())
    }
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
            streams: Streams::default(),
            directory: setting.directory.to_vec(),
            moved: false,
            first: PathBuffer::default(),
            second: PathBuffer::default(),
            relative: Vec::new(),
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
            Call::Look(at, follow) => {
                let follow = follows(call, follow);
                self.with_path(call, at, Access::Look, |ledger, path| {
                    ledger.look(path, follow, Purpose::Status);
                })
            }
            Call::Execute(at, follow) => self.execute(call, at, follow),
            Call::Remove(at) => self.with_path(call, at, Access::Open, Ledger::remove),
            Call::Make(at) => self.with_path(call, at, Access::Open, Ledger::make),
            Call::Truncate(at) => self.with_path(call, at, Access::Open, Ledger::truncate),
            Call::ChangeMode(at) => self.with_file(call, at, Ledger::change_mode),
            Call::Touch(at) => self.with_file(call, at, Ledger::touch),
            Call::Rename(from, to, flags) => self.rename(call, from, to, flags),
            Call::Link(from, to) => self.with_two_paths(call, from, to, Ledger::link),
            Call::ChangeDirectory(at) => {
                self.with_path(call, at, Access::Open, |ledger, path| {
                    ledger.look(path, true, Purpose::Status);
                })?;
                self.moved = true;
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
            Call::Duplicate => self.streams.duplicate(tracee, fd, low(address)),
            Call::Save => self.streams.save(tracee, fd, low(length)),
            Call::TouchDescriptor => self.touch_descriptor(tracee, fd),
            Call::Connect => self.connect(call),
            Call::Foreign(reason) => Err(reason),
            Call::Move => {
                self.moved = true;
                Ok(())
            }
            _ => Err(Reason::UnreadableTool),
        }
    }

    fn open(&mut self, call: &Notification, at: At, flags: OpenFlags) -> Result<(), Reason> {
        let opening = open_arguments(call, flags)?;
        let follow = opening.follows();
        if opening.has(libc::O_PATH) {
            return self.with_path(call, at, Access::Look, |ledger, path| {
                ledger.look(path, follow, Purpose::Status);
            });
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
        if self.resolve(call, at)? == Named::Nothing {
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
        self.with_two_paths(call, from, to, |ledger, from, to| ledger.rename(from, to, flags))
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

    fn touch_descriptor(&mut self, tracee: Tracee, fd: RawFd) -> Result<(), Reason> {
        self.first.0.clear();
        tracee.append_descriptor(fd, &mut self.first.0)?;
        self.first.0.push(0);
        match self.first.path() {
            Some(path) if path.to_bytes().starts_with(b"/") => self.ledger.change_mode(path),
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
        if self.resolve(call, at)? == Named::Path
            && let Some(path) = self.first.path()
            && is_file(path, access)?
        {
            note(&mut self.ledger, path);
        }
        Ok(())
    }

    /// As `with_path`, but a call without a path means the descriptor itself.
    fn with_file(
        &mut self,
        call: &Notification,
        at: At,
        note: impl FnOnce(&mut Ledger, &CStr),
    ) -> Result<(), Reason> {
        if self.resolve(call, at)? == Named::Nothing {
            self.first.0.clear();
            let fd = at.directory.map_or(-1, |argument| low(argument_of(call, argument)));
            Tracee(call.thread).append_descriptor(fd, &mut self.first.0)?;
            self.first.0.push(0);
        }
        if let Some(path) = self.first.path()
            && path.to_bytes().starts_with(b"/")
            && is_file(path, Access::Open)?
        {
            note(&mut self.ledger, path);
        }
        Ok(())
    }

    fn with_two_paths(
        &mut self,
        call: &Notification,
        from: At,
        to: At,
        note: impl FnOnce(&mut Ledger, &CStr, &CStr),
    ) -> Result<(), Reason> {
        let source = self.resolve(call, from)?;
        std::mem::swap(&mut self.first, &mut self.second);
        let target = self.resolve(call, to)?;
        if source == Named::Nothing || target == Named::Nothing {
            return Err(Reason::SideEffect);
        }
        if let (Some(from), Some(to)) = (self.second.path(), self.first.path())
            && is_file(from, Access::Open)?
            && is_file(to, Access::Open)?
        {
            note(&mut self.ledger, from, to);
        }
        Ok(())
    }

    /// Puts the absolute path that a call names into `first`, joined as text.
    fn resolve(&mut self, call: &Notification, at: At) -> Result<Named, Reason> {
        let (tracee, address) = (Tracee(call.thread), argument_of(call, at.path));
        let buffer = &mut self.first.0;
        buffer.clear();
        if address == 0 {
            return Ok(Named::Nothing);
        }
        tracee.append_text(address, buffer)?;
        if buffer.is_empty() {
            return Ok(Named::Nothing);
        }
        if buffer[0] != b'/' {
            self.make_absolute(call, at)?;
        }
        self.first.0.push(0);
        Ok(Named::Path)
    }

    fn make_absolute(&mut self, call: &Notification, at: At) -> Result<(), Reason> {
        let tracee = Tracee(call.thread);
        let base = at.directory.map_or(libc::AT_FDCWD, |argument| low(argument_of(call, argument)));
        std::mem::swap(&mut self.relative, &mut self.first.0);
        let absolute = &mut self.first.0;
        absolute.clear();
        match base {
            libc::AT_FDCWD if !self.moved => absolute.extend_from_slice(&self.directory),
            libc::AT_FDCWD => tracee.append_directory(absolute)?,
            fd => tracee.append_descriptor(fd, absolute)?,
        }
        if absolute.first() != Some(&b'/') {
            // Not a directory: the call will fail.
            absolute.clear();
            return Ok(());
        }
        if absolute.last() != Some(&b'/') {
            absolute.push(b'/');
        }
        absolute.extend_from_slice(&self.relative);
        Ok(())
    }
}

/// Whether a call names a path.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Named {
    Path,
    Nothing,
}

/// Whether a path is a file like any other, for this access.
fn is_file(path: &CStr, access: Access) -> Result<bool, Reason> {
    match privacy(path.to_bytes()) {
        Privacy::Public => Ok(true),
        Privacy::Ignored => Ok(false),
        Privacy::Descriptor if access == Access::Look => Ok(false),
        Privacy::Descriptor | Privacy::Through => Err(Reason::PrivatePath),
    }
}

fn open_arguments(call: &Notification, flags: OpenFlags) -> Result<Opening, Reason> {
    match flags {
        OpenFlags::Argument(argument) => Ok(Opening {
            flags: low(argument_of(call, argument)),
            mode: low(argument_of(call, argument + 1)).cast_unsigned(),
        }),
        OpenFlags::Creat(argument) => Ok(Opening {
            flags: libc::O_CREAT | libc::O_WRONLY | libc::O_TRUNC,
            mode: low(argument_of(call, argument)).cast_unsigned(),
        }),
        OpenFlags::How(argument) => {
            let mut how = Vec::with_capacity(16);
            Tracee(call.thread).append_all(argument_of(call, argument), 16, &mut how)?;
            let word = |at: usize| how[at..at + 8].try_into().map_or(0, u64::from_ne_bytes);
            Ok(Opening { flags: low(word(0)), mode: low(word(8)).cast_unsigned() })
        }
    }
}

fn follows(call: &Notification, follow: Follow) -> bool {
    match follow {
        Follow::Yes => true,
        Follow::No => false,
        Follow::Unless(argument) => {
            low(argument_of(call, argument)) & libc::AT_SYMLINK_NOFOLLOW == 0
        }
    }
}

fn argument_of(call: &Notification, argument: u8) -> u64 {
    call.arguments.get(usize::from(argument)).copied().unwrap_or(0)
}

/// The low half of a register, in which the kernel looks for an `int`.
#[expect(clippy::cast_possible_truncation, reason = "that is what the kernel does")]
fn low(register: u64) -> i32 {
    register as u32 as i32
}
