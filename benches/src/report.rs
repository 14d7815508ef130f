//! What was measured, beside what it should be.

use std::fmt;
use std::fs;
use std::io;
use std::path::Path;

use serde_json::{Value, json};

use crate::samples::Samples;

/// What a number counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unit {
    /// How many times as long.
    Ratio,
    /// Milliseconds more.
    Milliseconds,
    /// Microseconds of a processor.
    Microseconds,
    /// Mebibytes.
    Mebibytes,
}

/// One measured number.
#[derive(Clone, Debug)]
struct Row {
    name: String,
    value: f64,
    bound: Option<f64>,
    unit: Unit,
    detail: String,
}

/// Everything measured in one run.
#[derive(Clone, Debug, Default)]
pub struct Report(Vec<Row>);

impl Report {
    /// Adds how many times as long `ours` takes as `theirs`.
    pub fn ratio(&mut self, name: &str, [theirs, ours]: &[Samples; 2], bound: Option<f64>) {
        let value = ours.median() / theirs.median();
        self.0.push(Row::new(name, value, Unit::Ratio, bound, detail(theirs, ours)));
    }

    /// Adds how much longer `ours` takes than `theirs`.
    pub fn difference(&mut self, name: &str, [theirs, ours]: &[Samples; 2], bound: f64) {
        let value = (ours.median() - theirs.median()) * 1e3;
        let detail = detail(theirs, ours);
        self.0.push(Row::new(name, value, Unit::Milliseconds, Some(bound), detail));
    }

    /// Adds processor time, given in seconds; the bound is in microseconds.
    pub fn time(&mut self, name: &str, seconds: f64, bound: Option<f64>, detail: String) {
        self.0.push(Row::new(name, seconds * 1e6, Unit::Microseconds, bound, detail));
    }

    /// Adds a number of bytes, of memory or written.
    pub fn bytes(&mut self, name: &str, bytes: f64, bound: Option<f64>, detail: String) {
        let value = bytes / f64::from(1 << 20);
        self.0.push(Row::new(name, value, Unit::Mebibytes, bound, detail));
    }

    /// Writes the report as JSON.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write(&self, path: &Path) -> io::Result<()> {
        let rows: Vec<Value> = self.0.iter().map(Row::json).collect();
        fs::write(path, format!("{:#}\n", Value::from(rows)))
    }
}

fn detail(theirs: &Samples, ours: &Samples) -> String {
    let (from, to) = (theirs.median() * 1e3, ours.median() * 1e3);
    format!("{from:.2} -> {to:.2} ms, medians of {}", ours.len())
}

impl Unit {
    fn symbol(self) -> &'static str {
        match self {
            Self::Ratio => "x",
            Self::Milliseconds => "ms",
            Self::Microseconds => "us",
            Self::Mebibytes => "MiB",
        }
    }
}

impl Row {
    fn new(name: &str, value: f64, unit: Unit, bound: Option<f64>, detail: String) -> Self {
        Self { name: name.to_owned(), value, bound, unit, detail }
    }

    fn json(&self) -> Value {
        json!({
            "name": self.name,
            "value": self.value,
            "bound": self.bound,
            "unit": self.unit.symbol(),
            "within": self.within(),
            "detail": self.detail,
        })
    }

    fn within(&self) -> Option<bool> {
        self.bound.map(|bound| self.value <= bound)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for row in &self.0 {
            let bound = row.bound.map_or(String::new(), |bound| format!("<= {bound}"));
            let verdict = match row.within() {
                Some(true) => "reached",
                Some(false) => "MISSED",
                None => "",
            };
            let (name, value, unit) = (&row.name, row.value, row.unit.symbol());
            writeln!(f, "{name:52} {value:8.3} {unit:3} {bound:8} {verdict:8} {}", row.detail)?;
        }
        Ok(())
    }
}
