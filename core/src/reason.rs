//! Why an invocation was not served from the cache or not kept: one numbered
//! table, from which statistics and documentation are made.

use serde::{Deserialize, Serialize};

macro_rules! reasons {
    ($($(#[doc = $doc:literal])+ $name:ident = $number:literal, $slug:literal;)+) => {
        /// Why an invocation was bypassed, or its result not kept.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
        pub enum Reason { $($(#[doc = $doc])+ $name,)+ }

        impl Reason {
            /// All reasons, by number.
            pub const ALL: &[Self] = &[$(Self::$name),+];

            /// The number, stable across versions.
            #[must_use]
            pub const fn number(self) -> u16 {
                match self { $(Self::$name => $number),+ }
            }

            /// The name by which statistics count it.
            #[must_use]
            pub const fn slug(self) -> &'static str {
                match self { $(Self::$name => $slug),+ }
            }

            /// One sentence for people.
            #[must_use]
            pub const fn explanation(self) -> &'static str {
                match self { $(Self::$name => concat!($($doc),+)),+ }
            }
        }
    };
}

reasons! {
    /// The program is not a compiler that zccache knows.
    UnknownTool = 100, "unknown_tool";
    /// The command asks the tool about itself, or for what is not known to be repeatable.
    NotACompile = 101, "not_a_compile";
    /// The command names no source file.
    NoSource = 102, "no_source";
    /// The source comes from a standard input that cannot be read ahead.
    SourceFromStdin = 103, "source_from_stdin";
    /// An option makes the result depend on what cannot be observed.
    UnsupportedOption = 104, "unsupported_option";
    /// A response file cannot be read.
    ResponseFile = 105, "response_file";
    /// An argument names a stream or descriptor of the process.
    DescriptorPath = 106, "descriptor_path";
    /// A setting or an environment variable switches the cache off.
    Disabled = 107, "disabled";
    /// The settings cannot be understood.
    BadSettings = 108, "bad_settings";
    /// The launcher sees other mounts than the daemon can follow.
    ForeignPlace = 109, "foreign_place";
    /// An output is a link, a device or a read-only file, which only the compiler treats right.
    OddOutput = 110, "odd_output";
    /// Standard input, output or error was closed.
    ClosedStream = 111, "closed_stream";
    /// A view or another file system has been mounted over the working directory.
    CoveredDirectory = 112, "covered_directory";
    /// The command may do less than the daemon, which has more capabilities or may
    /// write longer files.
    WeakerCaller = 113, "weaker_caller";
    /// The environment names a job server that cannot be reached, of which rustc complains.
    BrokenJobserver = 120, "broken_jobserver";

    /// The kernel or the container does not permit observing (seccomp user notification).
    ObserverUnavailable = 200, "observer_unavailable";
    /// The tool used the network or connected to another process.
    Network = 201, "network";
    /// The tool used io_uring, which cannot be observed.
    IoUring = 202, "io_uring";
    /// The tool made system calls of a foreign ABI.
    ForeignAbi = 203, "foreign_abi";
    /// A process of the tool outlived it.
    EscapedProcess = 204, "escaped_process";
    /// The tool changed its mounts, root or namespaces, traced a process, or used memory shared
    /// by key or extended attributes.
    ForeignOperation = 205, "foreign_operation";
    /// The memory or descriptors of the tool could not be read.
    UnreadableTool = 206, "unreadable_tool";
    /// The tool observed more paths than are kept.
    TooManyObservations = 207, "too_many_observations";
    /// The tool wrote more to its streams than is kept.
    TooMuchOutput = 208, "too_much_output";
    /// The tool handed its streams on in a way that cannot be observed.
    StreamHandedOn = 209, "stream_handed_on";
    /// The tool removed or changed a file that it had not made.
    SideEffect = 210, "side_effect";
    /// An output is not a regular file.
    SpecialOutput = 211, "special_output";
    /// A file was both read and written.
    ReadAndWritten = 212, "read_and_written";
    /// The run left more files than are kept.
    TooManyOutputs = 213, "too_many_outputs";
    /// The tool wrote to or looked at something private to its process.
    PrivatePath = 214, "private_path";
    /// The tool read its standard input, or handed it on.
    InputRead = 215, "input_read";
    /// A script or an unknown program had descriptors of its caller besides the streams.
    InheritedDescriptor = 216, "inherited_descriptor";
    /// An input is a pipe, a socket or a device, which cannot be read twice.
    SpecialInput = 217, "special_input";
    /// A file could not be created where the tool wanted it.
    OutputRefused = 218, "output_refused";
    /// The directory of an output could not be watched for other writers.
    UnwatchedOutput = 219, "unwatched_output";
    /// An output is named after the number of a process of the run; the next one has another.
    NamedByProcess = 220, "named_by_process";
    /// The tool went on from a cache of its own, which results may tell, or added to it.
    OwnCache = 230, "own_cache";

    /// The compiler failed, and not by an error that it found in a source.
    CompilerFailed = 300, "compiler_failed";
    /// The compiler was ended by a signal.
    KilledBySignal = 301, "killed_by_signal";
    /// An input changed while the compiler ran or while it was hashed.
    InputChanged = 302, "input_changed";
    /// An input changed too shortly before the run for its time stamps to tell.
    InputRacy = 303, "input_racy";
    /// An output changed before it could be kept.
    OutputChanged = 304, "output_changed";
    /// An input uses the time of the compile.
    TimeMacro = 305, "time_macro";
    /// An input cannot be read.
    InputUnreadable = 306, "input_unreadable";
    /// The bytes waiting for the disk exceed their bound.
    InFlightLimit = 307, "in_flight_limit";
    /// The store cannot be written.
    StoreFailed = 308, "store_failed";
    /// The store is used read-only.
    ReadOnly = 309, "read_only";
    /// The launcher went away before it reported.
    LauncherGone = 310, "launcher_gone";
    /// The daemon is stopping.
    Stopping = 311, "stopping";
    /// An input is open for writing, so that its time stamps cannot be trusted.
    InputOpenForWriting = 312, "input_open_for_writing";
    /// A precompiled header was made without the cache: it may hold the time stamps
    /// of its sources, or use the time of the compile.
    StampedInput = 313, "stamped_input";
    /// The run made an archive or a precompiled header that holds the time stamps of its
    /// sources, or uses the time of the compile.
    StampedOutput = 314, "stamped_output";
    /// The file system of the store has less room left than it is to have.
    NoRoom = 315, "no_room";
    /// The compiler made another result than before from the same inputs.
    ResultDiffers = 320, "result_differs";
}

impl Reason {
    /// One sentence for people, without the full stop.
    #[must_use]
    pub fn sentence(self) -> &'static str {
        self.explanation().trim().trim_end_matches('.')
    }
}

impl Reason {
    /// What somebody can do about it, as a sentence without the full stop; empty
    /// where nothing helps or nothing is wrong.
    #[must_use]
    pub const fn advice(self) -> &'static str {
        match self {
            Self::UnsupportedOption => "leave out -v, -time, modules or the like to have it cached",
            Self::SourceFromStdin => "give the compiler a source file",
            Self::ResponseFile => "check that the @file exists and can be read",
            Self::DescriptorPath => "give a file instead of a pipe or /dev/fd",
            Self::Disabled => "unset ZCCACHE_DISABLE; 'zccache config' says where it is set",
            Self::ReadOnly => {
                "unset ZCCACHE_READONLY, or make the store writable, to have results kept"
            }
            Self::BadSettings => "see 'zccache config'",
            Self::ForeignPlace => "use 'zccache run --mount' to have views in a mount namespace",
            Self::ObserverUnavailable => "'zccache doctor' says what is missing",
            Self::OddOutput | Self::SpecialOutput => {
                "let the compiler write to a plain, writable file"
            }
            Self::TooMuchOutput => "silence the warnings, or let fewer through",
            Self::CompilerFailed => {
                "mend the error; a failure that the compiler does not explain is compiled each time"
            }
            Self::InputChanged | Self::InputRacy => {
                "compile again; see what writes the file during builds"
            }
            Self::OutputChanged => "compile again; see what strips, edits or replaces the output",
            Self::UnwatchedOutput => "raise fs.inotify.max_user_instances and max_user_watches",
            Self::TimeMacro => {
                "set SOURCE_DATE_EPOCH, or keep __DATE__, __TIME__ and __TIMESTAMP__ in one small file"
            }
            Self::InputUnreadable => "check the permissions of the file",
            Self::InputOpenForWriting => "close the file in the program that writes it",
            Self::InFlightLimit => "nothing is wrong; the disk was slower than the build",
            Self::StoreFailed => "see daemon.log in the store, and free some space",
            Self::NoRoom => "free some space, or lower ZCCACHE_MIN_FREE",
            Self::LauncherGone | Self::Stopping => "compile again",
            Self::EscapedProcess => "let the compiler or its wrapper wait for what it starts",
            Self::PrivatePath => {
                "keep the wrapper from its terminal and descriptors; bash opens /dev/tty, sh need not"
            }
            Self::Network => "keep the wrapper around the compiler from using the network",
            Self::ResultDiffers => {
                "find what the compiler or its wrapper uses that is no file: time, random numbers, a service"
            }
            _ => "",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_rise_and_names_differ() {
        assert!(Reason::ALL.windows(2).all(|pair| pair[0].number() < pair[1].number()));
        let mut slugs: Vec<_> = Reason::ALL.iter().map(|reason| reason.slug()).collect();
        slugs.sort_unstable();
        slugs.dedup();
        assert_eq!(slugs.len(), Reason::ALL.len());
    }
}
