//! The results as one page that needs nothing else.

use std::fmt::Write;

use crate::machine::Machine;
use crate::results::{Row, short};
use crate::scenario::SCENARIOS;

const STYLE: &str = "body{font:15px/1.45 system-ui,sans-serif;max-width:72em;margin:2em auto;padding:0 1em}\
    h2{margin:2em 0 .3em}h3{margin:1.2em 0 .2em;font-size:1em}table{border-collapse:collapse;font-size:13px}\
    td,th{padding:.15em .7em;text-align:right;border-bottom:1px solid #ddd}\
    td:first-child,th:first-child{text-align:left}svg text{font:12px system-ui,sans-serif}.wrong{color:#b00}";

const WIDTH: f64 = 520.0;
const LABELS: f64 = 110.0;
const LINE: f64 = 20.0;

/// The page.
pub(crate) fn page(machine: &Machine, steps: &[Vec<&Row>]) -> String {
    let mut text = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>zccache: benchmarks</title>\
         <style>{STYLE}</style><h1>zccache: benchmarks</h1><p>{}</p><p>Bars show time as a multiple \
         of what the compiler alone took in the same round: the median, and a line from the least \
         to the most. Bytes are those handed to the file system; memory is the peak of a tool's \
         daemons.</p>\n",
        escaped(&machine.sentences())
    );
    for scenario in SCENARIOS {
        let steps: Vec<_> = steps.iter().filter(|step| step[0].scenario == scenario.name).collect();
        if steps.is_empty() {
            continue;
        }
        let (name, about) = (escaped(scenario.name), escaped(scenario.about));
        writeln!(text, "<h2>{name}</h2><p>{about}</p>").ok();
        for step in steps {
            writeln!(text, "<h3>{}</h3>{}{}", escaped(&step[0].step), chart(step), table(step))
                .ok();
        }
    }
    text + "</html>\n"
}

/// A bar for each tool.
fn chart(step: &[&Row]) -> String {
    let most = step.iter().map(|row| row.ratio().most).fold(0.0, f64::max);
    let at = |ratio: f64| LABELS + ratio / most * (WIDTH - LABELS - 50.0);
    #[expect(clippy::cast_precision_loss, reason = "there are few tools")]
    let height = step.len() as f64 * LINE;
    let mut text = format!("<svg width=\"{WIDTH}\" height=\"{height}\" role=\"img\">");
    let mut y = 0.0;
    for row in step {
        let (ratio, middle, base) = (row.ratio(), y + LINE / 2.0, y + 14.0);
        let color = match &*row.tool {
            "bare" => "#999",
            _ if row.is_ours() => "#2a7",
            _ => "#58c",
        };
        write!(
            text,
            "<text x=\"{}\" y=\"{base}\" text-anchor=\"end\">{}</text>\
             <rect x=\"{LABELS}\" y=\"{}\" width=\"{:.1}\" height=\"14\" fill=\"{color}\"/>\
             <line x1=\"{:.1}\" x2=\"{:.1}\" y1=\"{middle}\" y2=\"{middle}\" stroke=\"#000\"/>\
             <text x=\"{:.1}\" y=\"{base}\">{}</text>",
            LABELS - 6.0,
            escaped(&row.tool),
            y + 3.0,
            at(ratio.median) - LABELS,
            at(ratio.least),
            at(ratio.most),
            at(ratio.most) + 5.0,
            short(ratio.median)
        )
        .ok();
        y += LINE;
    }
    text + "</svg>"
}

fn table(step: &[&Row]) -> String {
    let mut text = "<table><tr><th>tool<th>ratio<th>least – most<th>seconds<th>cpu s<th>written MB\
        <th>memory MB<th>hits<th>misses<th>differing"
        .to_owned();
    for row in step {
        let ratio = row.ratio();
        let amount = |number: f64| short(number);
        let counted = row.counted();
        let count = |at: usize| counted.map_or("–".to_owned(), |counted| counted[at].to_string());
        let differing = row.differing();
        let class = if differing > 0 { " class=\"wrong\"" } else { "" };
        write!(
            text,
            "<tr><td>{}<td>{}<td>{} – {}<td>{}<td>{}<td>{}<td>{}<td>{}<td>{}<td{class}>{differing}",
            escaped(&row.tool),
            amount(ratio.median),
            amount(ratio.least),
            amount(ratio.most),
            amount(row.wall().median),
            amount(row.of(|sample| sample.usage.cpu).median),
            amount(row.of(|sample| sample.usage.written).median / 1e6),
            amount(row.of(|sample| sample.usage.memory).median / 1e6),
            count(0),
            count(1)
        )
        .ok();
    }
    text + "</table>"
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
