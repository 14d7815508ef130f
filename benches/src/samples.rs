//! Durations of one thing done many times.

use std::time::{Duration, Instant};

/// Durations, in the order in which they were taken.
#[derive(Clone, Debug, Default)]
pub struct Samples(Vec<Duration>);

impl Samples {
    /// Takes one more sample.
    pub fn time(&mut self, action: impl FnOnce()) {
        let start = Instant::now();
        action();
        self.0.push(start.elapsed());
    }

    /// Adds a sample that was taken elsewhere, in seconds.
    pub fn add(&mut self, seconds: f64) {
        self.0.push(Duration::from_secs_f64(seconds));
    }

    /// The median, in seconds; zero without samples.
    #[must_use]
    pub fn median(&self) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        sorted.get(sorted.len() / 2).map_or(0.0, Duration::as_secs_f64)
    }

    /// How many samples there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no sample.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Takes samples of two alternatives in turn, starting with either as often as
/// with the other, so that whatever drifts meets both. The argument of each is
/// the round.
pub fn in_turn(
    rounds: u32,
    mut first: impl FnMut(u32, &mut Samples),
    mut second: impl FnMut(u32, &mut Samples),
) -> [Samples; 2] {
    let [mut a, mut b] = [Samples::default(), Samples::default()];
    for round in 0..rounds {
        if round % 2 == 0 {
            first(round, &mut a);
            second(round, &mut b);
        } else {
            second(round, &mut b);
            first(round, &mut a);
        }
    }
    [a, b]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle() {
        let seconds =
            |list: &[u64]| Samples(list.iter().copied().map(Duration::from_secs).collect());
        assert!((seconds(&[9, 1, 5]).median() - 5.0).abs() < 1e-9);
        assert!(Samples::default().median().abs() < 1e-9);
    }
}
