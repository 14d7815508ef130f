//! What zccache promises, shown with real compilers and real mounts.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

mod attacks;
mod binaries;
mod bypasses;
mod checkouts;
mod compiles;
mod cost;
mod daemon;
mod failures;
mod fallback;
mod forms;
mod hazards;
mod house;
mod inputs;
mod killing;
mod lifetimes;
mod projects;
mod random;
mod read_only;
mod rust;
mod settings;
mod silence;
mod views;
mod why;

/// Makes four tests of each function that takes a trial: in a view and outside
/// one, with gcc and with clang.
macro_rules! trials {
    ($($name:ident),+ $(,)?) => {$(
        mod $name {
            use zccache_tests::{Compiler, Place, trial};

            #[test]
            fn plain_gcc() {
                trial::once(Place::Plain, Compiler::Gcc, super::$name);
            }

            #[test]
            fn plain_clang() {
                trial::once(Place::Plain, Compiler::Clang, super::$name);
            }

            #[test]
            fn view_gcc() {
                trial::once(Place::View, Compiler::Gcc, super::$name);
            }

            #[test]
            fn view_clang() {
                trial::once(Place::View, Compiler::Clang, super::$name);
            }
        }
    )+};
}
pub(crate) use trials;

/// Makes tests of cases as text (see `zccache_tests::scenario`), in a view and
/// outside one, with gcc and with clang, or as the word in front restricts it.
macro_rules! scenarios {
    (gcc: $($rest:tt)+) => {
        crate::scenarios!(@ [plain_gcc Plain Gcc, view_gcc View Gcc] $($rest)+);
    };
    (clang: $($rest:tt)+) => {
        crate::scenarios!(@ [plain_clang Plain Clang, view_clang View Clang] $($rest)+);
    };
    (plain: $($rest:tt)+) => {
        crate::scenarios!(@ [plain_gcc Plain Gcc, plain_clang Plain Clang] $($rest)+);
    };
    (@ $where:tt $($name:ident $text:literal)+) => {
        $(crate::scenarios!(# $where $name $text);)+
    };
    (# [$($test:ident $place:ident $compiler:ident),+] $name:ident $text:literal) => {
        mod $name {
            use zccache_tests::{Compiler, Place, scenario, trial};

            $(#[test]
            fn $test() {
                trial::once(Place::$place, Compiler::$compiler, |t| scenario::play(t, $text));
            })+
        }
    };
    ($($rest:tt)+) => {
        crate::scenarios!(
            @ [plain_gcc Plain Gcc, plain_clang Plain Clang, view_gcc View Gcc, view_clang View Clang]
            $($rest)+
        );
    };
}
pub(crate) use scenarios;
/// Makes two tests of each function that takes a trial: in a view and outside one.
macro_rules! places {
    ($($name:ident),+ $(,)?) => {$(
        mod $name {
            use zccache_tests::{Compiler, Place, trial};

            #[test]
            fn plain() {
                trial::once(Place::Plain, Compiler::Gcc, super::$name);
            }

            #[test]
            fn view() {
                trial::once(Place::View, Compiler::Gcc, super::$name);
            }
        }
    )+};
}
pub(crate) use places;
