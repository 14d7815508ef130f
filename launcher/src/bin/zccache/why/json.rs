//! Explanations as scripts read them.

use std::path::Path;

use serde_json::{Value as Json, json};
use zccache_core::entry::Stream;
use zccache_core::protocol::explanation::{
    Cause, Change, Earlier, Explanation, Fate, InvocationChange, Kind, Origin, Refusal, Told, Value,
};
use zccache_core::{OsBytes, Reason, Stamp};

/// A file that no remembered command made.
pub(super) fn unknown(file: &Path) -> Json {
    json!({ "file": file.to_string_lossy(), "verdict": null })
}

pub(super) fn explanation(file: &Path, explanation: &Explanation) -> Json {
    let Explanation { at, command, cwd, told } = explanation;
    let mut object = json!({
        "file": file.to_string_lossy(),
        "at": stamp(*at),
        "command": texts(command),
        "cwd": cwd.to_string(),
    });
    let (verdict, origin, cause, result, reason) = match told {
        Told::Hit(from) => ("hit", origin(from), Json::Null, Json::Null, Json::Null),
        Told::Miss { cause: why, fate: result } => {
            ("miss", Json::Null, cause(why), fate(result.as_ref()), Json::Null)
        }
        Told::Verified { origin: from, fate: result } => {
            ("verified", origin(from), Json::Null, fate(result.as_ref()), Json::Null)
        }
        Told::Bypass { reason, cause: why } => {
            let why = why.as_ref().map_or(Json::Null, cause);
            ("bypassed", Json::Null, why, Json::Null, refusal(&(*reason).into()))
        }
    };
    object["verdict"] = verdict.into();
    for (name, value) in
        [("origin", origin), ("cause", cause), ("result", result), ("reason", reason)]
    {
        if !value.is_null() {
            object[name] = value;
        }
    }
    object
}

fn origin(origin: &Origin) -> Json {
    let Origin { key, made, checkout, cost, bytes } = origin;
    json!({
        "key": key.0.to_string(),
        "made": stamp(*made),
        "checkout": checkout.as_ref().map(OsBytes::to_string),
        "saved_microseconds": cost,
        "bytes": bytes,
    })
}

fn cause(cause: &Cause) -> Json {
    match cause {
        Cause::Recache => json!({ "kind": "recache" }),
        Cause::Undeliverable { made } => json!({ "kind": "undeliverable", "made": stamp(*made) }),
        Cause::OwnPath { made, checkout } => json!({
            "kind": "own-path", "made": stamp(*made), "checkout": checkout.to_string(),
        }),
        Cause::Observation { traces, made, difference } => {
            let mut object = change(&difference.change);
            object["kind"] = "observation".into();
            object["path"] = path(&difference.path);
            object["traces"] = (*traces).into();
            object["made"] = stamp(*made).into();
            object["hides"] = difference.hides.as_ref().map_or(Json::Null, path);
            object
        }
        Cause::Environment { traces, made, changes } => json!({
            "kind": "environment",
            "traces": traces,
            "made": stamp(*made),
            "changes": changes.iter().map(invocation_change).collect::<Vec<_>>(),
        }),
        Cause::NoTrace(Earlier::Unknown) => json!({ "kind": "first" }),
        Cause::NoTrace(Earlier::Same { at, fate: result }) => {
            json!({ "kind": "gone", "earlier": stamp(*at), "result": fate(result.as_ref()) })
        }
        Cause::NoTrace(Earlier::Changed { at, changes }) => json!({
            "kind": "invocation",
            "earlier": stamp(*at),
            "changes": changes.iter().map(invocation_change).collect::<Vec<_>>(),
        }),
    }
}

fn change(change: &Change) -> Json {
    match change {
        Change::Kind { before, now } => {
            json!({ "change": "kind", "before": kind(*before), "now": kind(*now) })
        }
        Change::Content => json!({ "change": "content" }),
        Change::Executable { now } => {
            json!({ "change": "executable", "before": !now, "now": now })
        }
        Change::Mode { before, now } => {
            json!({ "change": "mode", "before": before, "now": now })
        }
        Change::Untold(reason) => json!({ "change": "untold", "reason": reason.slug() }),
        Change::Age => json!({ "change": "age" }),
        Change::Elsewhere => json!({ "change": "elsewhere" }),
        Change::NamesCheckout => json!({ "change": "names_checkout" }),
        Change::Listing => json!({ "change": "listing" }),
        Change::Target { before, now } => {
            json!({ "change": "target", "before": before.to_string(), "now": now.to_string() })
        }
        Change::Kinship { other } => json!({ "change": "kinship", "other": path(other) }),
    }
}

fn kind(kind: Kind) -> Json {
    match kind {
        Kind::Nothing => "nothing".into(),
        Kind::File => "file".into(),
        Kind::Directory => "directory".into(),
        Kind::Symlink => "symlink".into(),
        Kind::Special => "special".into(),
        Kind::Error(errno) => json!({ "errno": errno }),
    }
}

fn invocation_change(change: &InvocationChange) -> Json {
    let changed =
        |what: &str, before: Json, now: Json| json!({ "what": what, "before": before, "now": now });
    match change {
        InvocationChange::Arguments { before, now } => {
            changed("arguments", texts(before), texts(now))
        }
        InvocationChange::Variable { name, before, now } => {
            let mut object = changed("variable", value(before.as_ref()), value(now.as_ref()));
            object["name"] = name.to_string().into();
            object
        }
        InvocationChange::Directory { before, now } => {
            changed("cwd", before.to_string().into(), now.to_string().into())
        }
        InvocationChange::Checkout { before, now } => {
            changed("checkout", before.to_string().into(), now.to_string().into())
        }
        InvocationChange::Umask { before, now } => {
            changed("umask", (*before).into(), (*now).into())
        }
        InvocationChange::Terminal { stream, before, now } => {
            let what = match stream {
                Stream::Stdout => "stdout_columns",
                Stream::Stderr => "stderr_columns",
            };
            changed(what, (*before).into(), (*now).into())
        }
        InvocationChange::Other => json!({ "what": "other" }),
    }
}

/// A hidden value is an object with its hash.
fn value(value: Option<&Value>) -> Json {
    match value {
        None => Json::Null,
        Some(Value::Shown(text)) => text.to_string().into(),
        Some(Value::Hidden(hash)) => json!({ "hash": format!("{hash:016x}") }),
    }
}

fn fate(fate: Option<&Fate>) -> Json {
    match fate {
        None => json!({ "state": "open" }),
        Some(Fate::Kept) => json!({ "state": "kept" }),
        Some(Fate::Confirmed) => json!({ "state": "confirmed" }),
        Some(Fate::NotKept(why)) => {
            json!({ "state": "not_kept", "reason": refusal(why) })
        }
        Some(Fate::Differed(deviation)) => json!({
            "state": "differs",
            "reason": refusal(&Reason::ResultDiffers.into()),
            "status": deviation.status,
            "streams": deviation.streams,
            "paths": deviation.paths.iter().map(path).collect::<Vec<_>>(),
        }),
    }
}

fn refusal(refusal: &Refusal) -> Json {
    let Refusal { reason, path: culprit } = refusal;
    json!({
        "number": reason.number(),
        "slug": reason.slug(),
        "sentence": reason.sentence(),
        "path": culprit.as_ref().map(path),
        "advice": Some(reason.advice()).filter(|advice| !advice.is_empty()),
    })
}

/// A path without the `.` that some compilers put in.
fn path(path: &OsBytes) -> Json {
    path.as_path().components().collect::<std::path::PathBuf>().to_string_lossy().into()
}

fn texts(texts: &[OsBytes]) -> Json {
    texts.iter().map(OsBytes::to_string).collect::<Vec<_>>().into()
}

/// Seconds since the epoch, with milliseconds.
fn stamp(stamp: Stamp) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "exact for the next 200000 years")]
    let seconds = (stamp.as_nanos() / 1_000_000) as f64;
    seconds / 1000.0
}
