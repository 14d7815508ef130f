//! What zccache promises, shown with real compilers and real mounts.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

mod bypasses;
mod compile;
mod daemon;
mod depfiles;
mod failures;
mod fallback;
mod house;
mod inputs;
mod outputs;
mod projects;
mod views;

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
