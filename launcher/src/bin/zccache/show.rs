//! What people and scripts read.

use std::io::{self, IsTerminal};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};
use zccache_core::protocol::stats::Counters;
use zccache_core::protocol::{Reply, Request, ViewStatus, metrics};
use zccache_core::{OsBytes, Reason};

use crate::client::{Client, CommandError};

/// Prints what the daemon is doing, or that none runs.
pub(crate) fn status(client: Option<&mut Client>, as_json: bool) -> Result<(), CommandError> {
    let Some(client) = client else {
        println!("{}", if as_json { "{\"pid\":null}" } else { "no daemon is running" });
        return Ok(());
    };
    let status = client.status()?;
    if as_json {
        print_json(&json!({
            "pid": status.pid,
            "version": status.version,
            "store": status.store.to_string(),
            "read_only": status.read_only,
            "views": status.views.iter().map(view_json).collect::<Vec<_>>(),
            "publications_in_flight": status.publications_in_flight,
            "running": status.running,
            "entries": status.entries,
            "bytes": status.bytes,
            "resident_bytes": status.resident,
            "uptime_seconds": status.uptime,
        }));
        return Ok(());
    }
    println!("daemon      {} (version {}, up {} s)", status.pid, status.version, status.uptime);
    let how = if status.read_only { " (read-only)" } else { "" };
    println!("store       {}{how}", status.store);
    println!("holds       {} entries, {}", status.entries, size(status.bytes));
    println!("memory      {}", size(status.resident));
    println!("running     {} compilers", status.running);
    println!("in flight   {} publications", status.publications_in_flight);
    status.views.iter().for_each(print_view);
    Ok(())
}

/// Prints the views.
pub(crate) fn mounts(client: Option<&mut Client>, as_json: bool) -> Result<(), CommandError> {
    let views = match client {
        Some(client) => client.status()?.views,
        None => Vec::new(),
    };
    if as_json {
        print_json(&views.iter().map(view_json).collect());
    } else {
        views.iter().for_each(print_view);
    }
    Ok(())
}

fn view_json(view: &ViewStatus) -> Value {
    json!({
        "directory": view.directory.to_string(),
        "device": view.device,
        "projected": view.projected,
        "projected_bytes": view.projected_bytes,
        "changed_below": view.changed_below,
        "passthrough": view.passthrough,
        "private": view.private,
    })
}

fn print_view(view: &ViewStatus) {
    let reads = if view.passthrough { "passthrough" } else { "through the daemon" };
    let whose = if view.private { ", private" } else { "" };
    let changed = match view.changed_below {
        0 => String::new(),
        changes => format!(", changed below {changes} times"),
    };
    let ViewStatus { directory, projected, .. } = view;
    println!("view        {directory} ({projected} projected, {reads}{whose}{changed})");
}

/// How long a person waits without wondering, and between two numbers.
const PATIENCE: Duration = Duration::from_secs(1);
const PAUSE: Duration = Duration::from_millis(200);

/// Does what makes the files of a view real; when that takes long, says on a terminal
/// how many are left.
pub(crate) fn progress<T>(directory: &OsBytes, work: impl FnOnce() -> T) -> T {
    if !io::stderr().is_terminal() {
        return work();
    }
    let (working, end) = mpsc::channel::<()>();
    thread::scope(|scope| {
        scope.spawn(move || {
            let going_on = |time| end.recv_timeout(time) == Err(RecvTimeoutError::Timeout);
            if going_on(PATIENCE) {
                // What keeps it from counting, who works is told as well.
                let _counted = count_down(directory, going_on);
            }
        });
        let done = work();
        drop(working);
        done
    })
}

/// Rewrites one line with the number of files that are left, then takes it away.
fn count_down(
    directory: &OsBytes,
    going_on: impl Fn(Duration) -> bool,
) -> Result<(), CommandError> {
    const CLEAR: &str = "\r\x1b[K";
    let Some(mut client) = Client::connect()? else { return Ok(()) };
    loop {
        let views = client.status()?.views;
        if let Some(view) = views.iter().rfind(|view| view.directory == *directory) {
            let (files, bytes) = (view.projected, size(view.projected_bytes));
            eprint!("{CLEAR}zccache: {directory}: files left to write: {files} ({bytes})");
        }
        if !going_on(PAUSE) {
            eprint!("{CLEAR}");
            return Ok(());
        }
    }
}

/// How counters are printed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Form {
    Text,
    Json,
    Prometheus,
}

/// Prints the counters.
pub(crate) fn stats(
    client: &mut Client,
    request: &Request,
    form: Form,
) -> Result<(), CommandError> {
    let Reply::Stats(counters) = client.ask(request, &[])? else {
        return Err(CommandError::Confused);
    };
    let value = serde_json::to_value(&*counters).map_err(|_| CommandError::Confused)?;
    match form {
        Form::Text => print_counters(&counters),
        Form::Json => print_json(&value),
        Form::Prometheus => {
            let in_all = matches!(request, Request::Stats { session: None, .. });
            let status = in_all.then(|| client.status()).transpose()?;
            print!("{}", metrics::text(&counters, status.as_ref()));
        }
    }
    Ok(())
}

fn print_counters(counters: &Counters) {
    println!("{}", summary(counters));
    for (slug, count) in &counters.reasons {
        let reason = Reason::ALL.iter().find(|reason| reason.slug() == slug);
        let (number, sentence) =
            reason.map_or((0, ""), |reason| (reason.number(), reason.sentence()));
        println!("{count:>8}  {number} {slug}: {sentence}");
    }
}

/// The counters in a line.
pub(crate) fn summary(counters: &Counters) -> String {
    let looked = counters.hits + counters.misses;
    #[expect(clippy::cast_precision_loss, reason = "a percentage for people")]
    let rate = if looked == 0 { 0.0 } else { counters.hits as f64 * 100.0 / looked as f64 };
    let compared = match counters.verified {
        0 => String::new(),
        verified => {
            format!(", {verified} compared with the compiler, {} differ", counters.differing)
        }
    };
    format!(
        "{} hits, {} misses ({rate:.1} % hit), {} bypassed, {} not kept, {} served, {} s of compiling saved{compared}",
        counters.hits,
        counters.misses,
        counters.bypassed,
        counters.abandoned,
        size(counters.bytes_served),
        counters.time_saved / 1_000_000
    )
}

/// Prints a value in a line.
pub(crate) fn print_json(value: &Value) {
    println!("{value}");
}

/// A number of bytes for people.
pub(crate) fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let step = bytes.checked_ilog2().map_or(0, |bits| (bits / 10).min(4));
    #[expect(clippy::cast_precision_loss, reason = "one decimal for people")]
    let number = bytes as f64 / (1u64 << (10 * step)) as f64;
    let unit = UNITS.get(step as usize).copied().unwrap_or("B");
    if step == 0 { format!("{bytes} B") } else { format!("{number:.1} {unit}") }
}
