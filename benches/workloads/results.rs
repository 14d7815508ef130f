//! What was measured, and what is said of it.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use zccache_benches::usage::Usage;

use crate::scenario::SCENARIOS;

/// One tool, once, at one step of a scenario.
#[derive(Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Sample {
    pub(crate) usage: Usage,
    /// How many times as long as the compiler alone took in the same round.
    pub(crate) ratio: f64,
    /// Hits and misses, if the tool tells.
    pub(crate) counted: Option<[u64; 2]>,
    /// Files that are not what the compiler alone made.
    pub(crate) differing: usize,
}

/// All samples of a tool at a step.
#[derive(Deserialize)]
pub(crate) struct Row {
    pub(crate) scenario: String,
    pub(crate) step: String,
    pub(crate) tool: String,
    pub(crate) samples: Vec<Sample>,
}

/// The middle of some numbers, and the ends.
#[derive(Clone, Copy)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) least: f64,
    pub(crate) most: f64,
}

/// All rows, those of a step together, the compiler alone first.
#[derive(Default)]
pub(crate) struct Results(Vec<Row>);

impl Results {
    /// What an earlier run has written, of scenarios other than these.
    pub(crate) fn but(written: &str, scenarios: &[&str]) -> Self {
        let mut written: Value = serde_json::from_str(written).unwrap_or_default();
        let rows = serde_json::from_value(written["results"].take());
        let mut rows: Vec<Row> = rows.unwrap_or_default();
        rows.retain(|row| !scenarios.contains(&&*row.scenario));
        Self(rows)
    }

    pub(crate) fn add(&mut self, [scenario, step, tool]: [&str; 3], sample: Sample) {
        let same =
            |row: &&mut Row| row.scenario == scenario && row.step == step && row.tool == tool;
        match self.0.iter_mut().find(same) {
            Some(row) => row.samples.push(sample),
            None => {
                let [scenario, step, tool] = [scenario, step, tool].map(str::to_owned);
                self.0.push(Row { scenario, step, tool, samples: vec![sample] });
            }
        }
    }

    /// The rows of each step, in the order of the scenarios, with their tools in
    /// the order of `tools`.
    pub(crate) fn steps(&self, tools: &[&str]) -> Vec<Vec<&Row>> {
        let mut steps: Vec<Vec<&Row>> = Vec::new();
        for row in &self.0 {
            let same = |step: &&mut Vec<&Row>| {
                step[0].scenario == row.scenario && step[0].step == row.step
            };
            match steps.iter_mut().find(same) {
                Some(step) => step.push(row),
                None => steps.push(vec![row]),
            }
        }
        let place = |row: &&Row| tools.iter().position(|tool| *tool == row.tool);
        steps.iter_mut().for_each(|step| step.sort_by_key(place));
        steps.sort_by_key(|step| SCENARIOS.iter().position(|one| one.name == step[0].scenario));
        steps
    }

    pub(crate) fn json(&self) -> Value {
        self.0.iter().map(Row::json).collect()
    }

    /// What of ours differs from what the compiler alone made.
    pub(crate) fn wrong(&self) -> Vec<String> {
        let wrong = self.0.iter().filter(|row| row.is_ours() && row.differing() > 0);
        wrong.map(|row| format!("{}, {}, {}", row.scenario, row.step, row.tool)).collect()
    }
}

impl Row {
    pub(crate) fn of(&self, number: impl Fn(&Sample) -> f64) -> Spread {
        let mut all: Vec<f64> = self.samples.iter().map(number).collect();
        all.sort_by(f64::total_cmp);
        let median = f64::midpoint(all[(all.len() - 1) / 2], all[all.len() / 2]);
        Spread { median, least: all[0], most: all[all.len() - 1] }
    }

    pub(crate) fn ratio(&self) -> Spread {
        self.of(|sample| sample.ratio)
    }

    pub(crate) fn wall(&self) -> Spread {
        self.of(|sample| sample.usage.wall)
    }

    pub(crate) fn is_ours(&self) -> bool {
        matches!(&*self.tool, "zccache" | "zccache view")
    }

    /// The most files that differed in any round.
    pub(crate) fn differing(&self) -> usize {
        self.samples.iter().map(|sample| sample.differing).max().unwrap_or_default()
    }

    /// Hits and misses of the last round.
    pub(crate) fn counted(&self) -> Option<[u64; 2]> {
        self.samples.last().and_then(|sample| sample.counted)
    }

    fn json(&self) -> Value {
        json!({
            "scenario": self.scenario,
            "step": self.step,
            "tool": self.tool,
            "rounds": self.samples.len(),
            "ratio": self.ratio().json(),
            "wall_seconds": self.wall().json(),
            "cpu_seconds": self.of(|sample| sample.usage.cpu).json(),
            "written_bytes": self.of(|sample| sample.usage.written).json(),
            "daemon_peak_bytes": self.of(|sample| sample.usage.memory).json(),
            "hits_misses": self.counted(),
            "differing_files": self.differing(),
            "samples": self.samples,
        })
    }
}

impl Spread {
    fn json(self) -> Value {
        json!({ "median": self.median, "min": self.least, "max": self.most })
    }
}

/// A number with three digits that say something.
pub(crate) fn short(number: f64) -> String {
    match number.abs() {
        n if n >= 99.5 => format!("{number:.0}"),
        n if n >= 9.95 => format!("{number:.1}"),
        n if n >= 0.0995 => format!("{number:.2}"),
        n if n >= 0.00995 => format!("{number:.3}"),
        n if n >= 0.00005 => format!("{number:.4}"),
        _ => "0".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read_and_the_median_of_an_even_number_is_in_the_middle() {
        let mut results = Results::default();
        for ratio in [4.0, 1.0, 2.0, 9.0] {
            let usage = Usage::default();
            let sample = Sample { usage, ratio, counted: None, differing: 0 };
            results.add(["a scenario", "a step", "bare"], sample);
        }
        let written = json!({ "results": results.json() }).to_string();
        assert!(Results::but(&written, &["a scenario"]).0.is_empty());
        let read = Results::but(&written, &[]);
        let ratio = read.steps(&["bare"])[0][0].ratio();
        assert!((ratio.median - 3.0).abs() < 1e-9, "{}", ratio.median);
        assert!((ratio.least - 1.0).abs() < 1e-9 && (ratio.most - 9.0).abs() < 1e-9);
    }

    #[test]
    fn numbers_are_short() {
        let numbers = [1234.0, 12.34, 1.234, 0.1234, 0.01234, 0.001234, 0.0].map(short);
        assert_eq!(numbers, ["1234", "12.3", "1.23", "0.12", "0.012", "0.0012", "0"]);
    }
}
