//! In what two invocations differ.

use std::collections::BTreeMap;

use zccache_core::OsBytes;
use zccache_core::entry::Stream;
use zccache_core::protocol::explanation::{InvocationChange, Value};

use super::account::{Account, Environment};

/// What has changed, as far as it is part of an invocation key.
pub(super) fn between(before: &Account, now: &Account) -> Vec<InvocationChange> {
    let (old, new) = (&before.summary, &now.summary);
    let mut changes = arguments(&old.arguments(), &new.arguments());
    if old.cwd != new.cwd {
        changes.push(InvocationChange::Directory { before: old.cwd.clone(), now: new.cwd.clone() });
    } else if old.root != new.root {
        changes
            .push(InvocationChange::Checkout { before: old.root.clone(), now: new.root.clone() });
    }
    if old.umask != new.umask {
        changes.push(InvocationChange::Umask { before: old.umask, now: new.umask });
    }
    changes.extend(terminals(before, now));
    let moved = old.cwd != new.cwd;
    let to_terminal = old.columns.iter().chain(&new.columns).any(Option::is_some);
    let counts = |name: &OsBytes| match name.as_bytes() {
        b"PWD" => !moved,
        b"COLUMNS" => to_terminal,
        _ => true,
    };
    let known = variables(&before.environment, &now.environment, |name, value| {
        matches!(value, Value::Shown(_)) && counts(name)
    });
    changes.extend(known);
    if changes.is_empty() {
        changes = environment(before, now);
    }
    if changes.is_empty() {
        changes.push(InvocationChange::Other);
    }
    changes
}

/// What has changed around a command of the same key: variables, whoever reads them,
/// and what messages are laid out for.
pub(super) fn around(before: &Account, now: &Account) -> Vec<InvocationChange> {
    let mut changes = arguments(&before.summary.arguments(), &now.summary.arguments());
    changes.extend(terminals(before, now));
    changes.extend(environment(before, now));
    changes
}

fn environment(before: &Account, now: &Account) -> Vec<InvocationChange> {
    variables(&before.environment, &now.environment, |_, _| true)
}

fn terminals(before: &Account, now: &Account) -> Vec<InvocationChange> {
    let streams = [Stream::Stdout, Stream::Stderr].into_iter().enumerate();
    let columns = |account: &Account, number: usize| account.summary.columns[number];
    let changes = streams.map(|(number, stream)| {
        let (before, now) = (columns(before, number), columns(now, number));
        (before != now).then_some(InvocationChange::Terminal { stream, before, now })
    });
    changes.flatten().collect()
}

fn variables(
    before: &Environment,
    now: &Environment,
    counts: impl Fn(&OsBytes, &Value) -> bool,
) -> Vec<InvocationChange> {
    let mut both: BTreeMap<&OsBytes, (Option<&Value>, Option<&Value>)> = BTreeMap::new();
    for (name, value) in before.variables.iter().filter(|(name, value)| counts(name, value)) {
        both.entry(name).or_default().0 = Some(value);
    }
    for (name, value) in now.variables.iter().filter(|(name, value)| counts(name, value)) {
        both.entry(name).or_default().1 = Some(value);
    }
    let changed = both.into_iter().filter(|(_, (before, now))| before != now);
    let change = |(name, (before, now)): (&OsBytes, (Option<&Value>, Option<&Value>))| {
        let (before, now) = (before.cloned(), now.cloned());
        InvocationChange::Variable { name: name.clone(), before, now }
    };
    changed.map(change).collect()
}

/// The most pairs of arguments that are compared with each other.
const PAIRS: usize = 1 << 20;

/// The places at which two lists of arguments differ, of which there are as few
/// arguments as possible (longest common subsequence).
fn arguments(before: &[OsBytes], now: &[OsBytes]) -> Vec<InvocationChange> {
    let start = before.iter().zip(now).take_while(|(a, b)| a == b).count();
    let (before, now) = (&before[start..], &now[start..]);
    let end = before.iter().rev().zip(now.iter().rev()).take_while(|(a, b)| a == b).count();
    let (before, now) = (&before[..before.len() - end], &now[..now.len() - end]);
    if before.len() * now.len() > PAIRS {
        let (before, now) = (before.to_vec(), now.to_vec());
        return vec![InvocationChange::Arguments { before, now }];
    }
    let common = common_lengths(before, now);
    let mut changes = Vec::new();
    let (mut old, mut new) = (0, 0);
    let (mut gone, mut come) = (Vec::new(), Vec::new());
    let mut flush = |gone: &mut Vec<OsBytes>, come: &mut Vec<OsBytes>| {
        if !gone.is_empty() || !come.is_empty() {
            let (before, now) = (std::mem::take(gone), std::mem::take(come));
            changes.push(InvocationChange::Arguments { before, now });
        }
    };
    while old < before.len() || new < now.len() {
        if old < before.len() && new < now.len() && before[old] == now[new] {
            flush(&mut gone, &mut come);
            (old, new) = (old + 1, new + 1);
        } else if new == now.len()
            || (old < before.len() && common[old + 1][new] >= common[old][new + 1])
        {
            gone.push(before[old].clone());
            old += 1;
        } else {
            come.push(now[new].clone());
            new += 1;
        }
    }
    flush(&mut gone, &mut come);
    changes
}

/// For each pair of ends of the two lists, the length of their longest common
/// subsequence.
fn common_lengths(before: &[OsBytes], now: &[OsBytes]) -> Vec<Vec<u32>> {
    let mut common = vec![vec![0; now.len() + 1]; before.len() + 1];
    for old in (0..before.len()).rev() {
        for new in (0..now.len()).rev() {
            common[old][new] = match before[old] == now[new] {
                true => common[old + 1][new + 1] + 1,
                false => common[old + 1][new].max(common[old][new + 1]),
            };
        }
    }
    common
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(before: &str, now: &str, expected: &[(&str, &str)]) {
        let words = |text: &str| text.split_whitespace().map(OsBytes::from).collect::<Vec<_>>();
        let change = |(before, now): &(&str, &str)| InvocationChange::Arguments {
            before: words(before),
            now: words(now),
        };
        let expected: Vec<_> = expected.iter().map(change).collect();
        assert_eq!(arguments(&words(before), &words(now)), expected, "{before} | {now}");
    }

    #[test]
    fn arguments_are_compared_in_their_order() {
        check("cc -c a.c", "cc -c a.c", &[]);
        check("cc -O0 -c a.c", "cc -O2 -c a.c", &[("-O0", "-O2")]);
        check("cc -c a.c", "cc -g -c a.c -DX", &[("", "-g"), ("", "-DX")]);
        check("cc -O0 -g -c -DX a.c", "cc -O1 -c -DY a.c", &[("-O0 -g", "-O1"), ("-DX", "-DY")]);
        check("cc -DX -UX a.c", "cc -UX -DX a.c", &[("-DX", ""), ("", "-DX")]);
        check("", "cc", &[("", "cc")]);
    }
}
