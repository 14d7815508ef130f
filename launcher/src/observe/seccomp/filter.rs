//! The filter: a classic BPF program (`seccomp(2)`) made from the table of rules.

use libc::{c_long, sock_filter};

use super::table::{self, Rule, When};

const LOAD: u16 = (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16;
const EQUAL: u16 = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
const AT_LEAST: u16 = (libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K) as u16;
const HAS_BITS: u16 = (libc::BPF_JMP | libc::BPF_JSET | libc::BPF_K) as u16;
const RETURN: u16 = (libc::BPF_RET | libc::BPF_K) as u16;

/// Offsets in `struct seccomp_data`.
const NUMBER: u32 = 0;
const ARCHITECTURE: u32 = 4;
const ARGUMENTS: u32 = 16;

/// `AUDIT_ARCH_*` of the system call ABI that is observed
/// (`include/uapi/linux/audit.h`: ELF machine, 64 bits, little endian).
#[cfg(target_arch = "x86_64")]
pub(crate) const ABI: u32 = libc::EM_X86_64 as u32 | 0xc000_0000;
#[cfg(target_arch = "aarch64")]
pub(crate) const ABI: u32 = libc::EM_AARCH64 as u32 | 0xc000_0000;

/// From this number on, a call is of the x32 ABI (`__X32_SYSCALL_BIT`), or none.
pub(crate) const FOREIGN_NUMBERS: u32 = 0x4000_0000;

/// How many rules are skipped in one step: a jump passes 255 instructions at most,
/// and a rule has sixteen at most.
const GROUP: usize = 10;

/// The program.
pub(crate) struct Filter(Vec<sock_filter>);

impl Filter {
    /// A filter that stops what the table says and every call of a foreign ABI;
    /// with `probes` also questions that are mostly idle.
    pub(crate) fn new(probes: bool) -> Self {
        let mut filter = Self(Vec::with_capacity(352));
        filter.load(ARCHITECTURE);
        filter.skip_if(EQUAL, ABI, 1);
        filter.stop();
        filter.load(NUMBER);
        filter.skip_unless(AT_LEAST, FOREIGN_NUMBERS, 1);
        filter.stop();
        let probes = if probes { table::PROBES } else { &[] };
        let mut rules: Vec<&Rule> = table::rules().chain(probes).collect();
        rules.sort_unstable_by_key(|rule| rule.number);
        rules.chunks(GROUP).for_each(|group| filter.group(group));
        filter.allow();
        filter
    }

    /// The rules of a few calls, skipped in one step by calls with larger numbers.
    /// When it takes a filter, the kernel tries it with each number there is.
    fn group(&mut self, rules: &[&Rule]) {
        let Some(last) = rules.last() else { return };
        let test = self.0.len();
        self.skip_if(AT_LEAST, number(last.number) + 1, 0);
        rules.iter().for_each(|rule| self.rule(rule));
        self.allow();
        #[expect(clippy::cast_possible_truncation, reason = "a rule is a dozen instructions")]
        let length = (self.0.len() - test - 1) as u8;
        self.0[test].jt = length;
    }

    /// The instructions, for `struct sock_fprog`.
    pub(crate) fn program(&mut self) -> libc::sock_fprog {
        #[expect(clippy::cast_possible_truncation, reason = "BPF_MAXINSNS is 4096")]
        libc::sock_fprog { len: self.0.len() as u16, filter: self.0.as_mut_ptr() }
    }

    fn rule(&mut self, rule: &Rule) {
        let test = self.0.len();
        self.skip_unless(EQUAL, number(rule.number), 0);
        match rule.when {
            When::Always => {}
            When::OnStream(argument) => self.on_stream(argument),
            When::OnInput(argument) => self.on_input(argument),
            When::FromInput(from, to) => {
                self.load(argument_offset(from));
                self.skip_if(EQUAL, libc::STDIN_FILENO as u32, 5);
                self.on_stream(to);
            }
            When::Duplicates => self.duplicates(),
            When::MapsInput => {
                self.on_input(4);
                self.load(argument_offset(3));
                self.skip_unless(HAS_BITS, libc::MAP_ANONYMOUS as u32, 1);
                self.allow();
            }
            When::DuplicatesStream => self.duplicates_stream(),
            When::Names(flags) => self.names(flags),
            When::NotUnix => {
                self.load(argument_offset(0));
                self.skip_unless(EQUAL, libc::AF_UNIX as u32, 1);
                self.allow();
            }
        }
        self.stop();
        #[expect(clippy::cast_possible_truncation, reason = "a rule is a dozen instructions")]
        let length = (self.0.len() - test - 1) as u8;
        self.0[test].jf = length;
    }

    fn on_stream(&mut self, argument: u8) {
        self.load(argument_offset(argument));
        self.skip_if(EQUAL, libc::STDOUT_FILENO as u32, 3);
        self.skip_if(EQUAL, libc::STDERR_FILENO as u32, 2);
        self.skip_if(AT_LEAST, table::FIRST_SAVED as u32, 1);
        self.allow();
    }

    fn on_input(&mut self, argument: u8) {
        self.load(argument_offset(argument));
        self.skip_if(EQUAL, libc::STDIN_FILENO as u32, 1);
        self.allow();
    }

    fn duplicates(&mut self) {
        self.load(argument_offset(0));
        self.skip_if(EQUAL, libc::STDIN_FILENO as u32, 5);
        self.on_stream(0);
    }

    fn duplicates_stream(&mut self) {
        self.duplicates();
        self.load(argument_offset(1));
        self.skip_if(EQUAL, libc::F_DUPFD as u32, 2);
        self.skip_if(EQUAL, libc::F_DUPFD_CLOEXEC as u32, 1);
        self.allow();
    }

    fn names(&mut self, flags: u8) {
        self.load(argument_offset(flags));
        self.skip_unless(HAS_BITS, libc::AT_EMPTY_PATH as u32, 3);
        self.load(argument_offset(0));
        self.skip_if(EQUAL, libc::AT_FDCWD as u32, 1);
        self.allow();
    }

    fn load(&mut self, offset: u32) {
        self.0.push(sock_filter { code: LOAD, jt: 0, jf: 0, k: offset });
    }

    fn skip_if(&mut self, code: u16, k: u32, instructions: u8) {
        self.0.push(sock_filter { code, jt: instructions, jf: 0, k });
    }

    fn skip_unless(&mut self, code: u16, k: u32, instructions: u8) {
        self.0.push(sock_filter { code, jt: 0, jf: instructions, k });
    }

    fn stop(&mut self) {
        self.leave(libc::SECCOMP_RET_USER_NOTIF);
    }

    fn allow(&mut self) {
        self.leave(libc::SECCOMP_RET_ALLOW);
    }

    fn leave(&mut self, action: u32) {
        self.0.push(sock_filter { code: RETURN, jt: 0, jf: 0, k: action });
    }
}

/// The low half of an argument; descriptors and flags are 32 bits wide.
fn argument_offset(argument: u8) -> u32 {
    ARGUMENTS + 8 * u32::from(argument)
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "numbers are small")]
fn number(number: c_long) -> u32 {
    number as u32
}
