//! Timing commands against each other: in turn, in one run, by their medians,
//! since one absolute time on a shared machine says nothing.

use std::time::{Duration, Instant};

/// Something to be timed, and its times so far.
pub struct Contender<'a> {
    name: &'static str,
    run: Box<dyn FnMut() + 'a>,
    times: Vec<Duration>,
}

impl<'a> Contender<'a> {
    /// Times `run`.
    pub fn new(name: &'static str, run: impl FnMut() + 'a) -> Self {
        Self { name, run: Box::new(run), times: Vec::new() }
    }

    /// What it is called.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The middle of its times.
    #[must_use]
    pub fn median(&self) -> Duration {
        let mut times = self.times.clone();
        times.sort_unstable();
        times.get(times.len() / 2).copied().unwrap_or_default()
    }
}

/// Lets all contenders run in turn, once unmeasured and then `rounds` times.
pub fn race(contenders: &mut [Contender<'_>], rounds: usize) {
    for contender in contenders.iter_mut() {
        (contender.run)();
    }
    for _ in 0..rounds {
        for contender in contenders.iter_mut() {
            let began = Instant::now();
            (contender.run)();
            contender.times.push(began.elapsed());
        }
    }
}

/// How many times as long the first took as the second.
#[must_use]
pub fn ratio(first: &Contender<'_>, second: &Contender<'_>) -> f64 {
    first.median().as_secs_f64() / second.median().as_secs_f64()
}
