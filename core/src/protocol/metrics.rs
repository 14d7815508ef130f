//! What monitoring reads: the text format of Prometheus, version 0.0.4. The command
//! prints it and the daemon answers with it.

use std::fmt::Write;

use super::Status;
use super::stats::Counters;

/// The media type of the text.
pub const MEDIA_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Counters in the units of [`Counters`], reasons by their slug, and, where they are not
/// of one session, what the daemon is doing.
#[must_use]
pub fn text(counters: &Counters, status: Option<&Status>) -> String {
    let mut text = String::new();
    for (name, value) in counted(counters) {
        say(&mut text, &format!("{name}_total"), "counter", &[("", value)]);
    }
    let slugs = counters.reasons.iter();
    let reasons: Vec<_> =
        slugs.map(|(slug, count)| (format!("{{reason=\"{slug}\"}}"), *count)).collect();
    let reasons: Vec<_> = reasons.iter().map(|(label, count)| (label.as_str(), *count)).collect();
    say(&mut text, "reasons_total", "counter", &reasons);
    for (name, value) in status.into_iter().flat_map(measured) {
        say(&mut text, name, "gauge", &[("", value)]);
    }
    text
}

fn counted(counters: &Counters) -> [(&'static str, u64); 11] {
    [
        ("hits", counters.hits),
        ("misses", counters.misses),
        ("bypassed", counters.bypassed),
        ("errors", counters.errors),
        ("abandoned", counters.abandoned),
        ("published", counters.published),
        ("coalesced", counters.coalesced),
        ("verified", counters.verified),
        ("differing", counters.differing),
        ("bytes_served", counters.bytes_served),
        ("time_saved", counters.time_saved),
    ]
}

fn measured(status: &Status) -> [(&'static str, u64); 7] {
    [
        ("views", status.views.len() as u64),
        ("publications_in_flight", status.publications_in_flight),
        ("running", status.running),
        ("entries", status.entries),
        ("bytes", status.bytes),
        ("resident_bytes", status.resident),
        ("uptime_seconds", status.uptime),
    ]
}

fn say(text: &mut String, name: &str, kind: &str, values: &[(&str, u64)]) {
    // Writing to a string does not fail.
    let _ = writeln!(text, "# TYPE zccache_{name} {kind}");
    for (label, value) in values {
        let _ = writeln!(text, "zccache_{name}{label} {value}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_counter_is_told() {
        let mut counters = Counters { hits: 3, time_saved: 7, ..Counters::default() };
        counters.reasons.insert("racy".to_owned(), 2);
        let told = text(&counters, None);
        for line in [
            "# TYPE zccache_hits_total counter\nzccache_hits_total 3\n",
            "zccache_time_saved_total 7\n",
            "# TYPE zccache_reasons_total counter\nzccache_reasons_total{reason=\"racy\"} 2\n",
        ] {
            assert!(told.contains(line), "{told}");
        }
        assert!(!told.contains("gauge"));
        // A counter that is not in the list has a name in the debug text all the same.
        let fields = format!("{:?}", Counters::default());
        let fields = fields.split(['{', ',']).filter_map(|field| field.split_once(':'));
        for (field, _) in fields {
            assert!(told.contains(&format!("zccache_{}_total", field.trim())), "no {field}");
        }
    }
}
