//! The tools that are compared, as data. Lines are words separated by blanks;
//! a name in braces stands for a path (see [`crate::lane::Lane::expand`]).

use serde_json::Value;

use crate::project::Language;

/// A compiler cache, or none, and how it is used.
pub(crate) struct Tool {
    pub(crate) name: &'static str,
    /// What stands in front of the compiler; nothing for the compiler alone.
    pub(crate) launcher: &'static str,
    pub(crate) environment: &'static [(&'static str, &'static str)],
    /// Starts the daemon, before anything is measured.
    pub(crate) start: Option<&'static str>,
    /// Tells the version, on its first line.
    pub(crate) version: &'static str,
    pub(crate) counters: Option<Counters>,
    pub(crate) languages: &'static [Language],
    /// Whether it caches links.
    pub(crate) links: bool,
    /// Whether build directories are views of it.
    pub(crate) view: bool,
}

/// How a tool tells its hits and misses.
pub(crate) struct Counters {
    pub(crate) line: &'static str,
    pub(crate) read: fn(&str) -> [u64; 2],
}

const NOTHING: Tool = Tool {
    name: "bare",
    launcher: "",
    environment: &[],
    start: None,
    version: "gcc --version",
    counters: None,
    languages: &[Language::C, Language::Rust, Language::IncrementalRust],
    links: false,
    view: false,
};

const OURS: Tool = Tool {
    name: "zccache",
    launcher: "{ours}/zccache-launch",
    environment: &[("ZCCACHE_DIR", "{cache}"), ("ZCCACHE_ROOT", "{tree}")],
    start: Some("{ours}/zccache start"),
    version: "{ours}/zccache --version",
    counters: Some(Counters {
        line: "{ours}/zccache stats --json",
        read: |text| at(text, ["/hits", "/misses"]),
    }),
    links: true,
    ..NOTHING
};

const CCACHE: Tool = Tool {
    name: "ccache",
    launcher: "{peers}/ccache/bin/ccache",
    environment: &[("CCACHE_DIR", "{cache}"), ("CCACHE_BASEDIR", "{tree}")],
    version: "{peers}/ccache/bin/ccache --version",
    counters: Some(Counters { line: "{peers}/ccache/bin/ccache --print-stats", read: of_ccache }),
    languages: &[Language::C],
    ..NOTHING
};

/// The compiler alone comes first: the others are compared with it.
pub(crate) const TOOLS: &[Tool] = &[
    NOTHING,
    OURS,
    Tool { name: "zccache view", view: true, ..OURS },
    CCACHE,
    Tool {
        name: "ccache depend",
        environment: &[
            ("CCACHE_DIR", "{cache}"),
            ("CCACHE_BASEDIR", "{tree}"),
            ("CCACHE_DEPEND", "1"),
        ],
        ..CCACHE
    },
    Tool {
        name: "sccache",
        launcher: "{peers}/sccache/bin/sccache",
        environment: &[
            ("SCCACHE_DIR", "{cache}"),
            ("SCCACHE_SERVER_UDS", "{cache}/socket"),
            ("SCCACHE_BASEDIRS", "{root}/one:{root}/two:{root}/next"),
            ("SCCACHE_IDLE_TIMEOUT", "0"),
        ],
        start: Some("{peers}/sccache/bin/sccache --start-server"),
        version: "{peers}/sccache/bin/sccache --version",
        counters: Some(Counters {
            line: "{peers}/sccache/bin/sccache --show-stats --stats-format json",
            read: of_sccache,
        }),
        languages: &[Language::C, Language::Rust],
        ..NOTHING
    },
    Tool {
        // Another program of our name.
        name: "zccache 1.15",
        launcher: "{peers}/zccache/bin/zccache",
        environment: &[("ZCCACHE_CACHE_DIR", "{cache}")],
        start: Some("{peers}/zccache/bin/zccache start"),
        version: "{peers}/zccache/bin/zccache --version",
        counters: Some(Counters {
            line: "{peers}/zccache/bin/zccache status --json",
            read: |text| at(text, ["/daemon/cache_hits", "/daemon/cache_misses"]),
        }),
        links: true,
        ..NOTHING
    },
    Tool {
        name: "kache",
        launcher: "{peers}/kache/bin/kache",
        environment: &[("KACHE_CACHE_DIR", "{cache}")],
        start: None,
        version: "{peers}/kache/bin/kache --version",
        languages: &[Language::Rust, Language::IncrementalRust],
        ..NOTHING
    },
];

/// Two numbers of a JSON document, by pointers.
fn at(text: &str, pointers: [&str; 2]) -> [u64; 2] {
    let value: Value = serde_json::from_str(text).unwrap_or_default();
    pointers.map(|pointer| value.pointer(pointer).and_then(Value::as_u64).unwrap_or_default())
}

/// Sums over languages.
fn of_sccache(text: &str) -> [u64; 2] {
    let value: Value = serde_json::from_str(text).unwrap_or_default();
    ["cache_hits", "cache_misses"].map(|name| {
        let counts = value.pointer(&format!("/stats/{name}/counts"));
        let counts = counts.and_then(Value::as_object).into_iter().flatten();
        counts.filter_map(|(_, count)| count.as_u64()).sum()
    })
}

/// Lines of a name and a number.
fn of_ccache(text: &str) -> [u64; 2] {
    let count = |name: &str| -> u64 {
        let mut fields = text.lines().filter_map(|line| line.split_once('\t'));
        let found = fields.find(|(other, _)| *other == name);
        found.and_then(|(_, number)| number.parse().ok()).unwrap_or_default()
    };
    [count("direct_cache_hit") + count("preprocessed_cache_hit"), count("cache_miss")]
}
