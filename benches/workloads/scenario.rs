//! What is done with which project, as data.

use crate::project::{Build, Project, Sources};

/// A story that every tool goes through, from an empty cache.
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    pub(crate) project: Project,
    pub(crate) steps: &'static [Step],
    pub(crate) rounds: usize,
    /// Whether it is among those for the impatient.
    pub(crate) quick: bool,
}

/// Something changes, then something is timed.
pub(crate) struct Step {
    pub(crate) name: &'static str,
    pub(crate) change: Change,
    /// The trees that it is about, built at the same time.
    pub(crate) trees: &'static [&'static str],
    /// Whether objects are linked, not built.
    pub(crate) links: bool,
    /// How many times in a row, since one would be too short to time.
    pub(crate) times: u32,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    Nothing,
    /// The sources are laid down in a new directory.
    Laid,
    /// All that was built is removed.
    Emptied,
    Touched,
    Edited,
    Reverted,
    /// A comment of a header gets another word.
    Commented,
}

const COLD: Step =
    Step { name: "cold", change: Change::Laid, trees: &["one"], links: false, times: 1 };
const WARM: Step = Step { name: "warm", change: Change::Emptied, ..COLD };
const NO_OP: Step = Step { name: "no-op", change: Change::Nothing, times: 10, ..COLD };
const TOUCHED: Step = Step { name: "touched", change: Change::Touched, ..COLD };
const EDITED: Step = Step { name: "edited", change: Change::Edited, ..COLD };
const REVERTED: Step = Step { name: "reverted", change: Change::Reverted, ..COLD };
const COMMENTED: Step = Step { name: "commented", change: Change::Commented, ..COLD };
const SECOND: Step = Step { name: "second worktree", trees: &["two"], ..COLD };
const NEXT: Step = Step { name: "next release", trees: &["next"], ..COLD };
const LINKED: Step =
    Step { name: "linking what came warm", change: Change::Nothing, links: true, ..COLD };
const BOTH_COLD: Step = Step { name: "two at once, cold", trees: &["one", "two"], ..COLD };
const BOTH_WARM: Step = Step { name: "two at once, warm", change: Change::Emptied, ..BOTH_COLD };

const TINY: Project = Project {
    sources: Sources::Generated(2_000),
    build: Build::Ninja { compiler: "gcc -O1", folders: &[""], but: &[] },
    edited: ("tiny.h", "int edited;\n"),
};

const ZSTD: Project = Project {
    sources: Sources::Fetched { this: "zstd/lib", next: None },
    build: Build::Ninja {
        compiler: "gcc -O1 -fPIC -DZSTD_DISABLE_ASM -I{tree}/src -I{tree}/src/common",
        folders: &["common", "compress", "decompress", "dictBuilder"],
        but: &[],
    },
    edited: ("common/mem.h", "#define ZSTD_EDITED 1\n"),
};

const PCRE: Project = Project {
    sources: Sources::Fetched {
        this: "cargo-home/registry/src/*/pcre2-sys-0.2.8/upstream",
        next: Some("cargo-home/registry/src/*/pcre2-sys-0.2.9/upstream"),
    },
    build: Build::Ninja {
        compiler: "gcc -O1 -fPIC -DPCRE2_CODE_UNIT_WIDTH=8 -DHAVE_STDLIB_H -DHAVE_MEMMOVE \
            -DHAVE_CONFIG_H -DPCRE2_STATIC -DSTDC_HEADERS -DSUPPORT_PCRE2_8 -DSUPPORT_UNICODE \
            -DSUPPORT_JIT -I{tree}/src/src -I{tree}/src/include",
        folders: &["src"],
        but: &["pcre2_jit_match.c", "pcre2_jit_misc.c", "pcre2_ucptables.c"],
    },
    edited: ("src/pcre2_internal.h", "#define PCRE2_EDITED 1\n"),
};

/// What needs more than a compiler to compile, and what alone takes as long as all
/// the rest.
const FMT_WITHOUT: &[&str] = &[
    "fmt.cc",
    "module-test.cc",
    "detect-stdfs.cc",
    "chrono-test.cc",
    "compile-test.cc",
    "core-test.cc",
    "format-test.cc",
    "format-impl-test.cc",
    "header-only-test.cc",
    "printf-test.cc",
    "xchar-test.cc",
];

const FMT: Project = Project {
    sources: Sources::Fetched { this: "fmt", next: None },
    build: Build::Ninja {
        compiler: "g++ -std=c++17 -O1 -fPIC -I{tree}/src/include -I{tree}/src/test \
            -I/usr/src/googletest/googletest/include -I/usr/src/googletest/googlemock/include",
        folders: &["src", "test"],
        but: FMT_WITHOUT,
    },
    edited: ("include/fmt/ranges.h", "#define FMT_EDITED 1\n"),
};

const FMT_DEBUG: Project = Project {
    build: Build::Ninja {
        compiler: "g++ -std=c++17 -g3 -ffile-prefix-map={tree}=. -fPIC -I{tree}/src/include -I{tree}/src/test \
            -I/usr/src/googletest/googletest/include -I/usr/src/googletest/googlemock/include",
        folders: &["src", "test"],
        but: FMT_WITHOUT,
    },
    ..FMT
};

/// Half of the work is linking.
const FMT_LTO: Project = Project {
    build: Build::CMake {
        options: "-DCMAKE_BUILD_TYPE=Release -DCMAKE_INTERPROCEDURAL_OPTIMIZATION=ON \
            -DCMAKE_C_COMPILER=clang -DCMAKE_CXX_COMPILER=clang++",
        targets: "assert-test color-test gtest-extra-test os-test ostream-test std-test \
            unicode-test",
    },
    ..FMT
};

/// Its shared library and the tool.
const CURL: Project = Project {
    sources: Sources::Fetched { this: "curl", next: None },
    build: Build::CMake {
        options: "-DCMAKE_BUILD_TYPE=Release -DHTTP_ONLY=ON -DCURL_ENABLE_SSL=OFF -DCURL_ZLIB=OFF \
            -DCURL_USE_LIBSSH2=OFF -DCURL_USE_LIBPSL=OFF -DUSE_LIBIDN2=OFF -DBUILD_TESTING=OFF",
        targets: "",
    },
    edited: ("lib/llist.h", "#define LLIST_EDITED 1\n"),
};

const RIPGREP: Project = Project {
    sources: Sources::Fetched { this: "ripgrep-14.1.0", next: Some("ripgrep-14.1.1") },
    build: Build::Cargo { arguments: "--release", incremental: "0" },
    edited: ("crates/core/main.rs", "// Edited.\n"),
};

const RIPGREP_INCREMENTAL: Project =
    Project { build: Build::Cargo { arguments: "", incremental: "1" }, ..RIPGREP };

const RIPGREP_DEBUG: Project =
    Project { build: Build::Cargo { arguments: "", incremental: "0" }, ..RIPGREP };

/// One compile, without a build tool.
const SMALL: Project = Project {
    sources: Sources::Generated(0),
    build: Build::One {
        line: "g++ -c ../src/a.cpp -o a.o",
        source: "int f(int x) { return x + 1; }\n",
    },
    edited: ("a.cpp", "int edited;\n"),
};

const HEADERS: Project = Project {
    build: Build::One {
        line: "g++ -c ../src/a.cpp -o a.o",
        source: "#include <iostream>\n#include <map>\n#include <regex>\n#include <thread>\n\
            std::map<int, int> m;\n",
    },
    ..SMALL
};

pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "small",
        about: "one C++ file of one line, without a build tool",
        project: SMALL,
        steps: &[COLD, Step { name: "hit", times: 100, ..NO_OP }],
        rounds: 7,
        quick: true,
    },
    Scenario {
        name: "headers",
        about: "one C++ file that includes some 300 headers, without a build tool",
        project: HEADERS,
        steps: &[COLD, Step { name: "hit", times: 20, ..NO_OP }],
        rounds: 5,
        quick: true,
    },
    Scenario {
        name: "tiny-50",
        about: "50 C files of two lines, ninja",
        project: Project { sources: Sources::Generated(50), ..TINY },
        steps: &[COLD, WARM, NO_OP, TOUCHED, SECOND],
        rounds: 7,
        quick: true,
    },
    Scenario {
        name: "tiny-2000",
        about: "2,000 C files of two lines, ninja",
        project: TINY,
        steps: &[COLD, WARM, NO_OP, TOUCHED],
        rounds: 3,
        quick: false,
    },
    Scenario {
        name: "zstd",
        about: "the library of zstd 1.5.4, C, -O1, ninja",
        project: ZSTD,
        steps: &[COLD, WARM, NO_OP, TOUCHED, EDITED, REVERTED, COMMENTED, LINKED, SECOND],
        rounds: 3,
        quick: false,
    },
    Scenario {
        name: "pcre2",
        about: "PCRE2 10.42, then 10.43 over the cache of 10.42, C, -O1, ninja",
        project: PCRE,
        steps: &[COLD, WARM, NEXT],
        rounds: 3,
        quick: true,
    },
    Scenario {
        name: "two-builds",
        about: "two worktrees of PCRE2 built at the same time",
        project: PCRE,
        steps: &[BOTH_COLD, BOTH_WARM],
        rounds: 3,
        quick: false,
    },
    Scenario {
        name: "fmt",
        about: "fmt 9.1.0 with most of its tests, C++, -O1, ninja",
        project: FMT,
        steps: &[COLD, WARM, NO_OP, TOUCHED, EDITED, REVERTED, COMMENTED],
        rounds: 3,
        quick: false,
    },
    Scenario {
        name: "fmt-lto",
        about: "fmt 9.1.0 with some of its tests, C++, ThinLTO by clang and lld, CMake and ninja",
        project: FMT_LTO,
        steps: &[COLD, WARM],
        rounds: 3,
        quick: false,
    },
    Scenario {
        name: "curl",
        about: "curl 7.88.1 with its library, C, CMake and ninja",
        project: CURL,
        steps: &[COLD, WARM, NO_OP],
        rounds: 3,
        quick: false,
    },
    Scenario {
        name: "ripgrep",
        about: "ripgrep 14.1.0, then 14.1.1 over its cache, cargo build --release",
        project: RIPGREP,
        steps: &[COLD, WARM, NO_OP, NEXT],
        rounds: 3,
        quick: false,
    },
    Scenario {
        name: "fmt-debug",
        about: "fmt 9.1.0 with most of its tests, -g3: large objects, ninja",
        project: FMT_DEBUG,
        steps: &[COLD, WARM, COMMENTED, LINKED],
        rounds: 3,
        quick: false,
    },
    Scenario {
        name: "ripgrep-debug",
        about: "ripgrep 14.1.0, cargo build, CARGO_INCREMENTAL=0",
        project: RIPGREP_DEBUG,
        steps: &[COLD, WARM, TOUCHED, EDITED, REVERTED],
        rounds: 3,
        quick: false,
    },
    Scenario {
        name: "ripgrep-incremental",
        about: "ripgrep 14.1.0, cargo build, CARGO_INCREMENTAL=1",
        project: RIPGREP_INCREMENTAL,
        steps: &[COLD, WARM, TOUCHED, EDITED, REVERTED],
        rounds: 3,
        quick: false,
    },
];
