//! The results as tables in Markdown, between two marks of a document.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use crate::machine::Machine;
use crate::results::{Row, short};
use crate::scenario::SCENARIOS;

const BEGIN: &str = "<!-- results: begin -->\n";
const END: &str = "<!-- results: end -->";

/// What is told of a row, and its title.
type Amount = (&'static str, fn(&Row) -> f64);

/// Replaces what is between the marks.
///
/// # Panics
/// When the document cannot be read and written, or has no marks.
pub(crate) fn update(document: &Path, machine: &Machine, steps: &[Vec<&Row>], tools: &[&str]) {
    let text = fs::read_to_string(document).expect("the document is there");
    let (before, rest) = text.split_once(BEGIN).expect("the document has a mark");
    let (_, after) = rest.split_once(END).expect("the document has a second mark");
    let results = tables(machine, steps, tools);
    fs::write(document, format!("{before}{BEGIN}{results}{END}{after}"))
        .expect("the document can be written");
}

fn tables(machine: &Machine, steps: &[Vec<&Row>], tools: &[&str]) -> String {
    let mut text = format!("\n{}\n\n", machine.sentences());
    for scenario in SCENARIOS {
        if steps.iter().any(|step| step[0].scenario == scenario.name) {
            writeln!(text, "- **{}**: {}", scenario.name, scenario.about).ok();
        }
    }
    text += "\nTime, as a multiple of what the compiler alone took in the same round (median; \
        the least and the most are in the JSON and the page). The best is bold; † marks a tool \
        some of whose files differ from the compiler's.\n\n";
    text += &table(steps, tools, |row| {
        let mark = if row.differing() > 0 { " †" } else { "" };
        format!("{}{mark}", short(row.ratio().median))
    });
    let amounts: [Amount; 3] = [
        ("Processor time, of the build and of daemons, in seconds", |row| {
            row.of(|sample| sample.usage.cpu).median
        }),
        ("Bytes written, in MB", |row| row.of(|sample| sample.usage.written).median / 1e6),
        ("The most memory that a tool's daemons had resident, in MB", |row| {
            row.of(|sample| sample.usage.memory).median / 1e6
        }),
    ];
    for (title, amount) in amounts {
        write!(text, "\n{title} (medians).\n\n").ok();
        text += &table(steps, tools, |row| short(amount(row)));
    }
    text += &losses(steps);
    text
}

fn table(steps: &[Vec<&Row>], tools: &[&str], cell: impl Fn(&Row) -> String) -> String {
    let mut text = format!("| | bare, s | {} |\n", tools[1..].join(" | "));
    writeln!(text, "|---|{}", "--:|".repeat(tools.len())).ok();
    for step in steps {
        let best = best(step.iter().skip(1)).map(|row| row.tool);
        write!(text, "| {}, {} | {} |", step[0].scenario, step[0].step, of_bare(step[0])).ok();
        for tool in &tools[1..] {
            let cell = match step.iter().find(|row| row.tool == *tool) {
                Some(row) if Some(row.tool) == best => format!("**{}**", cell(row)),
                Some(row) => cell(row),
                None => "–".to_owned(),
            };
            write!(text, " {cell} |").ok();
        }
        text.push('\n');
    }
    text
}

fn of_bare(row: &Row) -> String {
    short(row.wall().median)
}

/// The row with the least time.
fn best<'a>(rows: impl Iterator<Item = &'a &'a Row>) -> Option<&'a Row> {
    rows.copied().min_by(|a, b| a.ratio().median.total_cmp(&b.ratio().median))
}

/// The steps at which another tool is ahead of us.
fn losses(steps: &[Vec<&Row>]) -> String {
    let mut lines = String::new();
    for step in steps {
        let tools = || step.iter().skip(1);
        let peers = best(tools().filter(|row| !row.is_ours()));
        for ours in tools().filter(|row| row.is_ours()) {
            let Some(peer) = peers else { continue };
            let times = ours.ratio().median / peer.ratio().median;
            if times > 1.0 {
                let (scenario, step, tool) = (ours.scenario, ours.step, ours.tool);
                let (peer, times) = (peer.tool, short(times));
                writeln!(lines, "| {scenario}, {step} | {tool} | {peer} | {times} |").ok();
            }
        }
    }
    if lines.is_empty() {
        return "\nNo other tool is ahead of us at any step.\n\n".to_owned();
    }
    format!(
        "\nWhat we lose at: how many times as long as the fastest other tool.\n\n\
         | step | ours | the other | times |\n|---|---|---|--:|\n{lines}\n"
    )
}
