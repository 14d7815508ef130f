//! One command: from what the user typed to the compiler's files, streams and status.

mod command;
mod input;
mod preprocess;
mod replay;
pub mod surroundings;

use std::ffi::CString;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;

use nix::errno::Errno;
use zccache_core::protocol::{Own, Preprocess, Reply, Request, Verdict};
use zccache_core::report::Ended;
use zccache_core::{Invocation, OsBytes, Reason, limits, settings};

use crate::daemon_link::{self, Connection, Home, LinkError, silence};
use crate::environment::variable;
use crate::observe::{self, Observed, Setting};
use crate::place;
use crate::program::Program;
use command::{Command, Typed};
use surroundings::Streams;

const USAGE: &str = "usage: zccache-launch [--tool NAME=cache]... COMPILER [ARGUMENT]...\n\
    Serves the compile from the cache, or runs it and keeps the result.\n\
    --tool NAME=cache says that NAME, a tool of yours, is deterministic.\n";

/// Runs the command that the arguments of this process are, its name first, and returns
/// its exit status. Where the compiler can take over, this does not return.
#[must_use]
pub fn launch(arguments: Vec<CString>) -> i32 {
    let command = match Command::read(arguments) {
        Typed::Command(command) => command,
        Typed::Version => return say(concat!("zccache-launch ", env!("CARGO_PKG_VERSION"), "\n")),
        Typed::Help => return say(USAGE),
        Typed::Nothing => {
            replay::complain(USAGE.as_bytes());
            return 2;
        }
    };
    if settings::is_on(variable(c"ZCCACHE_DISABLE")) {
        return replace(&command.program());
    }
    if !surroundings::streams_are_open() {
        // Whether it is counted does not concern the build.
        let _ = say_bypassed(Reason::ClosedStream);
        return replace(&command.program());
    }
    serve(&command).unwrap_or_else(|_| replace(&command.program()))
}

/// The cache is of no use for this command; the compiler runs as if it were not there.
struct Unserved {
    /// Whether the daemon is to blame, and may keep the next command waiting, too.
    silent: bool,
}

const UNSERVED: Unserved = Unserved { silent: false };

impl From<LinkError> for Unserved {
    fn from(error: LinkError) -> Self {
        Self { silent: error.is_silence() }
    }
}

/// Tells a daemon that runs, if one does. The connection, which may have the number
/// of a stream, is closed again.
fn say_bypassed(reason: Reason) -> Result<(), Unserved> {
    let value = |name: &str| {
        let name = CString::new(name).ok()?;
        Some(PathBuf::from(OsBytes::from(variable(&name)?).as_os_str()))
    };
    let home = Home::find(value).map_err(|_| UNSERVED)?;
    if silence::is_noted(home.directory()) {
        return Err(UNSERVED);
    }
    let session = variable(c"ZCCACHE_SESSION").map(OsBytes::from);
    let mut connection = Connection::open(home.directory())?;
    connection.set_patience(limits::REPORT_WITHIN)?;
    Ok(connection.send(&Request::Bypassed { session, reason }, &[])?)
}

fn serve(command: &Command) -> Result<i32, Unserved> {
    let streams = Streams::of_process();
    let invocation = surroundings::invocation(command, streams).ok_or(UNSERVED)?;
    if surroundings::is_covered(invocation.cwd.as_path()) {
        let _ = say_bypassed(Reason::CoveredDirectory);
        return Err(UNSERVED);
    }
    if surroundings::limits_files() {
        let _ = say_bypassed(Reason::WeakerCaller);
        return Err(UNSERVED);
    }
    let home = Home::find(|name| {
        let value = invocation.variable(name.as_bytes())?;
        Some(PathBuf::from(OsBytes::from(value).as_os_str()))
    })
    .map_err(|_| UNSERVED)?;
    if silence::is_noted(home.directory()) {
        return Err(UNSERVED);
    }
    let served = converse(command, streams, invocation, &home);
    if served.as_ref().is_err_and(|unserved| unserved.silent) {
        silence::suspect(home.directory());
    }
    served
}

fn converse(
    command: &Command,
    streams: Streams,
    invocation: Invocation,
    home: &Home,
) -> Result<i32, Unserved> {
    let directory = invocation.cwd.clone();
    let umask = invocation.umask;
    let mut connection = daemon_link::connect_or_start(home)?;
    let mut knows_input = invocation.input.is_known();
    let mut request = Request::Lookup(Box::new(invocation));
    loop {
        connection.send(&request, &[])?;
        request = match (deliver(&mut connection, command)?, request) {
            (Served::Status(status), _) => return Ok(status),
            (Served::Run { views, own, awaited }, _) => {
                let directory = directory.as_bytes();
                let setting = Setting { directory, umask, views: &views, own: &own, knows_input };
                return run(&mut connection, &command.program(), setting, awaited);
            }
            (Served::NotYet, Request::Lookup(_)) if !knows_input => {
                let mut again = surroundings::invocation(command, streams).ok_or(UNSERVED)?;
                again.input = input::read_ahead().ok_or(UNSERVED)?;
                knows_input = true;
                Request::Lookup(Box::new(again))
            }
            // The daemon has no more to say on a connection after a hit.
            (Served::Undeliverable, Request::Lookup(invocation)) => {
                connection = daemon_link::connect_or_start(home)?;
                Request::Undeliverable(invocation)
            }
            _ => return Err(UNSERVED),
        };
    }
}

/// What a verdict came to.
enum Served {
    /// The result is in place; the exit status.
    Status(i32),
    /// The compiler has to run under observation; see [`Verdict::Run`].
    Run { views: Vec<u64>, own: Own, awaited: bool },
    /// The daemon has to see standard input first.
    NotYet,
    /// There is a result that cannot be put in place.
    Undeliverable,
}

fn deliver(connection: &mut Connection, command: &Command) -> Result<Served, Unserved> {
    let (verdict, descriptors) = verdict(connection, command)?;
    match verdict {
        Verdict::Hit(hit) => {
            let Ok(ready) = place::prepare(&hit.files, &descriptors) else {
                return Ok(Served::Undeliverable);
            };
            // Who cannot say what is wrong leaves no files either.
            if !replay::replay(&hit.streams) {
                return Err(UNSERVED);
            }
            let placed = ready.place().map(|()| Served::Status(hit.status.into()));
            Ok(placed.unwrap_or(Served::Undeliverable))
        }
        Verdict::Run { views, own, awaited } => Ok(Served::Run { views, own, awaited }),
        Verdict::ReadInput => Ok(Served::NotYet),
        Verdict::Bypass(_) | Verdict::Wait | Verdict::Preprocess(_) => Err(UNSERVED),
    }
}

/// The next verdict but those that another follows: [`Verdict::Wait`], which comes again and
/// again while an equal invocation runs, and [`Verdict::Preprocess`].
fn verdict(
    connection: &mut Connection,
    command: &Command,
) -> Result<(Verdict, Vec<OwnedFd>), Unserved> {
    connection.set_patience(limits::ANSWER_WITHIN)?;
    loop {
        match connection.receive()? {
            (Reply::Verdict(Verdict::Wait), _) => {}
            (Reply::Verdict(Verdict::Preprocess(Preprocess { arguments, words })), _) => {
                let program = command.with_arguments(&arguments).ok_or(UNSERVED)?;
                let found = preprocess::preprocess(&program, &words);
                connection.send(&Request::Preprocessed(found), &[])?;
            }
            (Reply::Verdict(verdict), descriptors) => return Ok((verdict, descriptors)),
            _ => return Err(UNSERVED),
        }
    }
}

fn run(
    connection: &mut Connection,
    program: &Program,
    setting: Setting<'_>,
    awaited: bool,
) -> Result<i32, Unserved> {
    let observed = observe::observe(program, setting).map_err(|_| UNSERVED)?;
    let Observed { report, descriptors, not_executed } = observed;
    let ended = report.ended;
    let told = tell(connection, Request::Finished(Box::new(report)), descriptors, awaited);
    if told.is_err_and(|error| error.is_silence()) {
        silence::suspect(connection.home());
    }
    if let Some(errno) = not_executed {
        return Ok(cannot_execute(program, errno));
    }
    match ended {
        Ended::Exit(status) => Ok(status.into()),
        Ended::Signal(signal) => observe::die_by(signal),
    }
}

/// Sends the report, and does not wait until it is read unless that is awaited: an
/// equal invocation that follows waits for as long as the connection holds the ticket.
/// Whether the report arrives does not concern the build. Closes the descriptors: the
/// daemon keeps its own until the connection ends, and so closes them last.
fn tell(
    connection: &mut Connection,
    report: Request,
    descriptors: Vec<OwnedFd>,
    awaited: bool,
) -> Result<(), LinkError> {
    let borrowed: Vec<_> = descriptors.iter().map(AsFd::as_fd).collect();
    connection.set_patience(limits::REPORT_WITHIN)?;
    connection.send(&report, &borrowed)?;
    drop(descriptors);
    if awaited {
        connection.set_patience(limits::ANSWER_WITHIN)?;
        connection.receive()?;
    }
    Ok(())
}

/// Becomes the compiler; returns the status to exit with when that fails.
fn replace(program: &Program) -> i32 {
    cannot_execute(program, program.execute())
}

/// What a shell says, and the status it gives, when a command cannot be executed.
fn cannot_execute(program: &Program, errno: Errno) -> i32 {
    let mut message = b"zccache-launch: ".to_vec();
    message.extend_from_slice(program.name().to_bytes());
    message.extend_from_slice(format!(": {}\n", errno.desc()).as_bytes());
    replay::complain(&message);
    if errno == Errno::ENOENT { 127 } else { 126 }
}

fn say(text: &str) -> i32 {
    replay::write_all(libc::STDOUT_FILENO, text.as_bytes());
    0
}
