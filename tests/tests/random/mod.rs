//! Random projects, edits and invocations: whatever happens, the result is the
//! bare one. A story that tells of a difference becomes a case in `hazards`, cut
//! down to what matters.
//!
//! `ZCCACHE_RANDOM_SECONDS` is how long each of the four tests looks (15 by
//! default), `ZCCACHE_RANDOM_SEED` where it starts. A failure prints the seed
//! of its story and the story, which can be played again as it is.

mod story;

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::{Duration, Instant};

use zccache_tests::dice::{Dice, first_seed};
use zccache_tests::{Compiler, Place, scenario, trial};

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

fn look_for_a_difference(place: Place, compiler: Compiler) {
    let length = Duration::from_secs(number("ZCCACHE_RANDOM_SECONDS").unwrap_or(15));
    let end = Instant::now() + length;
    for seed in first_seed().. {
        play(place, compiler, seed);
        if Instant::now() >= end {
            return;
        }
    }
}

fn play(place: Place, compiler: Compiler, seed: u64) {
    let story = story::tell(&mut Dice::new(seed));
    let result = catch_unwind(AssertUnwindSafe(|| {
        trial::once(place, compiler, |trial| scenario::play(trial, &story));
    }));
    if let Err(panic) = result {
        eprintln!("ZCCACHE_RANDOM_SEED={seed} ({place:?}, {compiler:?}):\n{story}");
        resume_unwind(panic);
    }
}

#[test]
fn plain_gcc() {
    look_for_a_difference(Place::Plain, Compiler::Gcc);
}

#[test]
fn plain_clang() {
    look_for_a_difference(Place::Plain, Compiler::Clang);
}

#[test]
fn view_gcc() {
    look_for_a_difference(Place::View, Compiler::Gcc);
}

#[test]
fn view_clang() {
    look_for_a_difference(Place::View, Compiler::Clang);
}
