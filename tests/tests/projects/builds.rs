//! How real projects are built, and what belongs to them.

use std::path::Path;

use zccache_tests::{Command, Compiler, Outcome};

use super::is_product;

/// How a project is built, and how its tests are run.
pub(super) trait Build {
    /// Builds in the current directory of a trial; `launcher` is empty or ends
    /// in a space.
    fn build(&self, compiler: Compiler, launcher: &str) -> Vec<Command>;

    /// Fails, or prints, when there is something left to build.
    fn is_up_to_date(&self, outcome: &Outcome) -> bool;

    /// Asks the build tool what is left to do.
    fn dry_run(&self) -> Command;

    /// Runs what was built.
    fn check(&self) -> Vec<Command>;

    /// Files of the tree that stay when it is emptied.
    fn is_source(&self, path: &Path) -> bool;

    /// The fewest compiles that this must be.
    fn compiles(&self) -> u64;

    /// How many commands at most update a file that is there: what was in it is an
    /// input, and is not what it was when a change is taken back.
    fn updates(&self) -> u64 {
        0
    }

    /// Files of the tree that a change touches, and what it adds to each.
    fn change(&self) -> &[(&str, &str)] {
        &[]
    }

    /// Directories with sources that may be changed.
    fn sources(&self) -> &[&str] {
        &[]
    }
}

/// libpng and its test: make, C; everything in one directory.
pub(super) enum Png {
    /// As it comes; its archive is made without us.
    Plain,
    /// Optimised as a whole when it is linked, with the archiver and the linker that
    /// know how.
    Lto,
}

impl Build for Png {
    fn build(&self, compiler: Compiler, launcher: &str) -> Vec<Command> {
        let make = Command::from("make -j2 -f scripts/makefile.gcc ZLIBINC=. ZLIBLIB=. pngtest");
        let make = make.arg(format!("CC={launcher}{}", compiler.c()));
        let (ar, link) = match (self, compiler) {
            (Self::Plain, _) => return vec![make],
            (Self::Lto, Compiler::Gcc) => ("gcc", ""),
            (Self::Lto, Compiler::Clang) => ("llvm", " -fuse-ld=lld"),
        };
        // gcc names sections by chance, unless told a seed.
        vec![
            make.arg("CFLAGS=-O1 -flto -frandom-seed=$@")
                .arg(format!("LDFLAGS=-O1 -flto{link}"))
                .arg(format!("AR_RC={launcher}{ar}-ar rcs"))
                .arg(format!("RANLIB={launcher}{ar}-ranlib")),
        ]
    }

    fn dry_run(&self) -> Command {
        Command::from("make -n -f scripts/makefile.gcc pngtest")
    }

    fn is_up_to_date(&self, outcome: &Outcome) -> bool {
        outcome.status.success() && !outcome.out().contains(" -c ")
    }

    fn check(&self) -> Vec<Command> {
        vec![Command::from("./pngtest"), Command::from("rm pngout.png")]
    }

    fn is_source(&self, path: &Path) -> bool {
        path.components().count() > 1 || !is_product(path)
    }

    fn compiles(&self) -> u64 {
        16
    }

    fn updates(&self) -> u64 {
        match self {
            Self::Plain => 0,
            // Of the archive.
            Self::Lto => 1,
        }
    }

    fn change(&self) -> &[(&str, &str)] {
        &[
            ("pngstruct.h", "#define PNG_CHANGED 1\n"),
            ("pngget.c", "int png_get_change(void) { return PNG_CHANGED; }\n"),
            ("pngset.c", "/* a remark */\n"),
        ]
    }

    fn sources(&self) -> &[&str] {
        &[""]
    }
}

/// zstd's library: make, C and assembly; the sources inside the view.
pub(super) struct Zstd;

impl Build for Zstd {
    fn build(&self, compiler: Compiler, launcher: &str) -> Vec<Command> {
        let make = Command::from("make -j2 -C lib BUILD_DIR=obj lib");
        let make = make.arg(format!("CC={launcher}{}", compiler.c())).env("CFLAGS", "-O0 -g");
        let examples = Command::from("make -C examples streaming_compression");
        let examples = examples.arg("streaming_decompression").env("CFLAGS", "-O0");
        vec![make, examples.arg(format!("CC={launcher}{}", compiler.c()))]
    }

    fn dry_run(&self) -> Command {
        Command::from("make -n -C lib BUILD_DIR=obj libzstd.a")
    }

    /// The archive itself is copied each time; nothing is compiled.
    fn is_up_to_date(&self, outcome: &Outcome) -> bool {
        outcome.status.success() && !outcome.out().contains(" -c ")
    }

    fn check(&self) -> Vec<Command> {
        let round_trip = "cp README.md data && ./examples/streaming_compression data && \
            ./examples/streaming_decompression data.zst | cmp - data && rm data data.zst";
        vec![Command::new(["sh", "-c", round_trip])]
    }

    fn is_source(&self, path: &Path) -> bool {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let made = path.starts_with("lib/obj") || name.starts_with("libzstd.a");
        !made && !name.starts_with("libzstd.so") && !is_product(path)
    }

    fn compiles(&self) -> u64 {
        60
    }

    fn change(&self) -> &[(&str, &str)] {
        &[
            ("lib/common/huf.h", "#define HUF_CHANGED 1\n"),
            ("lib/decompress/huf_decompress.c", "int HUF_change(void) { return HUF_CHANGED; }\n"),
            ("lib/dictBuilder/cover.c", "/* a remark */\n"),
        ]
    }

    fn sources(&self) -> &[&str] {
        &["lib/common", "lib/compress", "lib/decompress"]
    }
}

/// Programs that no directory and no ending tells from other files.
pub(super) fn is_program(path: &Path) -> bool {
    let made = ["pngtest", "examples/streaming_compression", "examples/streaming_decompression"];
    made.into_iter().any(|program| path == Path::new(program))
}

/// fmt with its tests: CMake and ninja, C++; the sources outside the view.
pub(super) struct Fmt {
    pub(super) sources: std::path::PathBuf,
}

impl Build for Fmt {
    fn build(&self, compiler: Compiler, launcher: &str) -> Vec<Command> {
        let configure = Command::from("cmake -G Ninja -DFMT_DOC=OFF -DCMAKE_BUILD_TYPE=Debug")
            .arg(format!("-DCMAKE_C_COMPILER={}", compiler.c()))
            .arg(format!("-DCMAKE_CXX_COMPILER={}", compiler.cxx()))
            .arg(format!("-DCMAKE_C_COMPILER_LAUNCHER={}", launcher.trim()))
            .arg(format!("-DCMAKE_CXX_COMPILER_LAUNCHER={}", launcher.trim()))
            .arg(format!("-DCMAKE_CXX_LINKER_LAUNCHER={}", launcher.trim()));
        let ninja = Command::from("ninja -j2 -d keepdepfile");
        vec![configure.arg(&self.sources), ninja]
    }

    fn dry_run(&self) -> Command {
        Command::from("ninja -n")
    }

    fn is_up_to_date(&self, outcome: &Outcome) -> bool {
        outcome.out().contains("no work to do")
    }

    fn check(&self) -> Vec<Command> {
        vec![Command::from("ctest -j2 --output-on-failure")]
    }

    fn is_source(&self, _: &Path) -> bool {
        false
    }

    fn compiles(&self) -> u64 {
        40
    }
}

/// sqlite's library, not amalgamated: make with code generators, C.
pub(super) struct Sqlite;

impl Build for Sqlite {
    fn build(&self, compiler: Compiler, launcher: &str) -> Vec<Command> {
        let make = Command::from("make -j2 -f Makefile.linux-gcc TOP=. TCL_FLAGS=");
        vec![make.arg(format!("TCC={launcher}{} -g -I. -I./src", compiler.c())).arg("libsqlite3.a")]
    }

    fn dry_run(&self) -> Command {
        Command::from("make -n -f Makefile.linux-gcc TOP=. TCL_FLAGS= libsqlite3.a")
    }

    fn is_up_to_date(&self, outcome: &Outcome) -> bool {
        outcome.status.success() && !outcome.out().contains(" -c ")
    }

    fn check(&self) -> Vec<Command> {
        let source = "#include <stdio.h>\n#include \"sqlite3.h\"\nint main(void) {\n\
            sqlite3 *db; sqlite3_stmt *row; sqlite3_open(\":memory:\", &db);\n\
            sqlite3_prepare_v2(db, \"select 6*7\", -1, &row, 0); sqlite3_step(row);\n\
            return sqlite3_column_int(row, 0) != 42; }\n";
        let link = "printf '%b' \"$SOURCE\" | gcc -I. -x c - -x none libsqlite3.a -lm -ldl \
            -lpthread -o asked && ./asked && rm asked";
        vec![Command::new(["sh", "-c", link]).env("SOURCE", source)]
    }

    fn is_source(&self, path: &Path) -> bool {
        path.components().count() > 1 || !is_product(path)
    }

    fn compiles(&self) -> u64 {
        100
    }

    fn change(&self) -> &[(&str, &str)] {
        &[
            ("src/btreeInt.h", "#define BTREE_CHANGED 1\n"),
            ("src/btree.c", "int sqlite3BtreeChange(void) { return BTREE_CHANGED; }\n"),
            ("src/wal.h", "/* a remark */\n"),
            ("src/printf.c", "static const char change[] = __FILE__;\n"),
            ("ext/fts3/fts3_write.c", "\n\n"),
            ("src/pragma.c", "#ifdef NOWHERE\n#error nowhere\n#endif\n"),
        ]
    }

    fn sources(&self) -> &[&str] {
        &["src"]
    }
}

/// curl and its library: CMake and ninja, C; sources and build in one tree.
pub(super) enum Curl {
    /// A shared library.
    Shared,
    /// A static one, and of what its tests need a server and two programs.
    StaticWithTests,
}

impl Build for Curl {
    fn build(&self, compiler: Compiler, launcher: &str) -> Vec<Command> {
        let off = ["ENABLE_SSL", "ZLIB", "USE_LIBSSH2", "USE_LIBPSL"]
            .map(|option| format!("CURL_{option}"));
        let kind = match self {
            Self::Shared => "BUILD_TESTING",
            Self::StaticWithTests => "BUILD_SHARED_LIBS",
        };
        let off = off.iter().map(String::as_str).chain(["USE_LIBIDN2", kind]);
        let mut configure = Command::from("cmake -G Ninja -S . -B made -DCMAKE_BUILD_TYPE=Debug")
            .arg("-DHTTP_ONLY=ON")
            .arg(format!("-DCMAKE_C_COMPILER={}", compiler.c()))
            .arg(format!("-DCMAKE_C_COMPILER_LAUNCHER={}", launcher.trim()))
            .arg(format!("-DCMAKE_C_LINKER_LAUNCHER={}", launcher.trim()));
        for option in off {
            configure = configure.arg(format!("-D{option}=OFF"));
        }
        let targets = match self {
            Self::Shared => "all",
            Self::StaticWithTests => "all sws getpart lib500",
        };
        vec![configure, Command::from(&*format!("ninja -C made -j2 {targets}"))]
    }

    fn dry_run(&self) -> Command {
        Command::from("ninja -C made -n")
    }

    fn is_up_to_date(&self, outcome: &Outcome) -> bool {
        outcome.out().contains("no work to do")
    }

    fn check(&self) -> Vec<Command> {
        vec![Command::from("made/src/curl --version")]
    }

    /// What CMake has found out about the system, which takes it longer than the build
    /// and asks no launcher, stays too.
    fn is_source(&self, path: &Path) -> bool {
        !path.starts_with("made") || path == Path::new("made/CMakeCache.txt")
    }

    fn compiles(&self) -> u64 {
        200
    }

    fn change(&self) -> &[(&str, &str)] {
        match self {
            Self::Shared => &[
                ("lib/llist.h", "#define LLIST_CHANGED 1\n"),
                ("lib/llist.c", "int Curl_llist_change(void) { return LLIST_CHANGED; }\n"),
                ("lib/http.h", "/* a remark */\n"),
                ("src/tool_help.c", "static const char change[] = __FILE__;\n"),
                ("include/curl/mprintf.h", "\n"),
            ],
            // Of the same sources the other has changed some.
            Self::StaticWithTests => &[],
        }
    }

    fn sources(&self) -> &[&str] {
        &["lib", "lib/vauth", "src"]
    }
}
