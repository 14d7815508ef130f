//! The results as tables in Markdown, between two marks of a document.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use crate::machine::Machine;
use crate::results::{Row, short};
use crate::scenario::SCENARIOS;

const BEGIN: &str = "<!-- results: begin -->\n";
const END: &str = "<!-- results: end -->";

/// Something of a row; less is better.
type Amount = fn(&Row) -> f64;

/// Less is no difference.
const NOISE: f64 = 1.03;

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
        the least and the most are in the JSON and the page); of the compiler alone, in seconds. The best is bold; † marks a tool \
        some of whose files differ from the compiler's.\n\n";
    text += &table(steps, tools, [of_wall, of_ratio], |row| {
        let mark = if row.differing() > 0 { " †" } else { "" };
        format!("{}{mark}", short(of_ratio(row)))
    });
    let last =
        |at: usize| steps.get(at + 1).is_none_or(|next| next[0].scenario != steps[at][0].scenario);
    let last: Vec<_> =
        (0..steps.len()).filter(|at| last(*at)).map(|at| steps[at].clone()).collect();
    let amounts: [(&str, Amount, &[Vec<&Row>]); 3] = [
        ("Processor time, of the build and of daemons, in seconds", of_cpu, steps),
        ("Bytes written, in MB", of_written, steps),
        (
            "The most memory that a tool's daemons had resident in a scenario, in MB",
            of_memory,
            &last,
        ),
    ];
    for (title, amount, steps) in amounts {
        write!(text, "\n{title} (medians).\n\n").ok();
        text += &table(steps, tools, [amount, amount], |row| short(amount(row)));
    }
    text += &losses(steps);
    text
}

fn of_wall(row: &Row) -> f64 {
    row.wall().median
}

/// Of measurements that lie seconds apart, so that it does not matter which round was slow.
fn of_ratio(row: &Row) -> f64 {
    row.ratio().median
}

fn of_cpu(row: &Row) -> f64 {
    row.of(|sample| sample.usage.cpu).median
}

fn of_written(row: &Row) -> f64 {
    row.of(|sample| sample.usage.written).median / 1e6
}

fn of_memory(row: &Row) -> f64 {
    row.of(|sample| sample.usage.memory).median / 1e6
}

/// What there is of the compiler alone, then of each tool; the least of these is bold.
fn table(
    steps: &[Vec<&Row>],
    tools: &[&str],
    [alone, amount]: [Amount; 2],
    cell: impl Fn(&Row) -> String,
) -> String {
    let mut text = format!("| | bare | {} |\n", tools[1..].join(" | "));
    writeln!(text, "|---|{}", "--:|".repeat(tools.len())).ok();
    for step in steps {
        let best = best(step, amount, |_| true);
        write!(text, "| {}, {} |", step[0].scenario, step[0].step).ok();
        write!(text, " {} |", short(alone(step[0]))).ok();
        for tool in &tools[1..] {
            let cell = match step.iter().find(|row| row.tool == *tool) {
                Some(row) if best.is_some_and(|best| best.tool == row.tool) => {
                    format!("**{}**", cell(row))
                }
                Some(row) => cell(row),
                None => "–".to_owned(),
            };
            write!(text, " {cell} |").ok();
        }
        text.push('\n');
    }
    text
}

/// Of some tools at a step, the one with the least amount.
fn best<'a>(step: &[&'a Row], amount: Amount, of: impl Fn(&Row) -> bool) -> Option<&'a Row> {
    let tools = step.iter().skip(1).copied().filter(|row| of(row));
    tools.min_by(|a, b| amount(a).total_cmp(&amount(b)))
}

/// The steps at which another tool is ahead of us.
fn losses(steps: &[Vec<&Row>]) -> String {
    let mut lines = String::new();
    for step in steps {
        let peers = |amount| best(step, amount, |row| !row.is_ours());
        let Some((peer, thrifty)) = peers(of_ratio).zip(peers(of_cpu)) else { continue };
        for ours in step.iter().skip(1).filter(|row| row.is_ours()) {
            let times = of_ratio(ours) / of_ratio(peer);
            if times > NOISE {
                let cpu = short(of_cpu(ours) / of_cpu(thrifty).max(f64::EPSILON));
                let (scenario, step, tool) = (&ours.scenario, &ours.step, &ours.tool);
                let (peer, thrifty, times) = (&peer.tool, &thrifty.tool, short(times));
                write!(lines, "| {scenario}, {step} | {tool} | {times} ({peer}) ").ok();
                writeln!(lines, "| {cpu} ({thrifty}) |").ok();
            }
        }
    }
    if lines.is_empty() {
        return "\nNo other tool is ahead of us at any step.\n\n".to_owned();
    }
    format!(
        "\nWhat we lose at: our time, and our processor time, as a multiple of those of the other \
         tool with the least.\n\n| step | ours | time | processor time |\n|---|---|--:|--:|\n{lines}\n"
    )
}
