//! The counters of a daemon, as `zccache stats --json` tells them.

use std::collections::BTreeMap;

use serde_json::Value;

/// Counters, or the difference between two readings of them.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Counters {
    /// Served from the store.
    pub hits: u64,
    /// Compiled under observation.
    pub misses: u64,
    /// Handed to the compiler unobserved.
    pub bypassed: u64,
    /// Troubles of the cache itself.
    pub errors: u64,
    /// Results that were not kept.
    pub abandoned: u64,
    /// Bypasses and abandonments by the slug of their reason.
    pub reasons: BTreeMap<String, u64>,
}

impl Counters {
    /// Reads what `zccache stats --json` printed.
    ///
    /// # Panics
    /// When it is not what DESIGN promises.
    #[must_use]
    pub fn parse(json: &[u8]) -> Self {
        let text = String::from_utf8_lossy(json);
        let value: Value =
            serde_json::from_slice(json).unwrap_or_else(|error| panic!("{error}: {text}"));
        let field = |name: &str| {
            value[name].as_u64().unwrap_or_else(|| panic!("no counter '{name}' in {text}"))
        };
        let reasons = value["reasons"].as_object().expect("reasons are an object");
        Self {
            hits: field("hits"),
            misses: field("misses"),
            bypassed: field("bypassed"),
            errors: field("errors"),
            abandoned: field("abandoned"),
            reasons: reasons
                .iter()
                .map(|(slug, count)| (slug.clone(), count.as_u64().expect("a count")))
                .collect(),
        }
    }

    /// What was counted since `before`.
    #[must_use]
    pub fn since(&self, before: &Self) -> Self {
        let reasons = self.reasons.iter().map(|(slug, count)| {
            (slug.clone(), count - before.reasons.get(slug).copied().unwrap_or(0))
        });
        Self {
            hits: self.hits - before.hits,
            misses: self.misses - before.misses,
            bypassed: self.bypassed - before.bypassed,
            errors: self.errors - before.errors,
            abandoned: self.abandoned - before.abandoned,
            reasons: reasons.filter(|(_, count)| *count > 0).collect(),
        }
    }

    /// Lookups of any kind.
    #[must_use]
    pub fn lookups(&self) -> u64 {
        self.hits + self.misses + self.bypassed
    }
}
