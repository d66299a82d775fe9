//! From a page to kind `metric`: which series are kept, of what type, since when. Pure.

use std::collections::hash_map::DefaultHasher;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::{Hash as _, Hasher as _};

use super::text::{Format, Malformed, Page, Series, Type, seconds, unescape};
use super::{DESCRIPTION_CHARS_MAX, Settings};
use crate::model::{Identity, Observation, TargetName, Timestamp};
use crate::source::host::filter::is_excluded as matches_any;
use crate::source::metric::{self, Facts, Growth};

/// Malformed lines of one page that are named; the rest are counted.
const MALFORMED_NAMED_MAX: usize = 5;

/// Series that were kept from the page before, with a hash of what was said of them.
pub(super) type Known = HashMap<Identity, u64>;

/// What a page came to.
#[derive(Debug, Default)]
pub(super) struct Seen {
    pub(super) observations: Vec<Observation>,
    /// Whether every series of the page could be read.
    pub(super) complete: bool,
    pub(super) missing: Vec<String>,
    /// Series that were left out because there are too many.
    pub(super) over_series_max: usize,
    /// Series that were left out because of their labels.
    pub(super) over_labels_max: usize,
    /// Nothing on the page could be read, for this reason.
    pub(super) unusable: Option<String>,
}

/// A series that fits the limits.
struct Candidate {
    identity: Identity,
    facts_hash: u64,
    observation: Observation,
    is_counter: bool,
    created_key: Option<(String, String)>,
}

/// Reads a page that arrived at `arrived`; `known` becomes what it kept.
pub(super) fn read(
    settings: &Settings,
    target: &TargetName,
    text: &str,
    format: Format,
    arrived: Timestamp,
    known: &mut Known,
) -> Seen {
    let mut seen = Seen { complete: true, ..Seen::default() };
    let mut page = Page::new(text, format);
    let mut malformed: Vec<Malformed> = Vec::new();
    let mut malformed_more = 0_usize;
    let mut identities: HashSet<Identity> = HashSet::new();
    let mut duplicates = 0_usize;
    let (mut kept, mut fresh): (Vec<Candidate>, Vec<Candidate>) = (Vec::new(), Vec::new());
    let mut created: HashMap<(String, String), Timestamp> = HashMap::new();
    let mut wanted = Wanted::default();
    let mut lines = 0_usize;
    for line in &mut page {
        lines += 1;
        let series = match line {
            Ok(series) => series,
            Err(_) if malformed.len() >= MALFORMED_NAMED_MAX => {
                malformed_more += 1;
                continue;
            }
            Err(line) => {
                malformed.push(line);
                continue;
            }
        };
        if !wanted.is_wanted(&series, settings) {
            continue;
        }
        if is_over_labels(&series, settings) {
            seen.over_labels_max += 1;
            continue;
        }
        if format == Format::OpenMetrics && series.ending() == "_created" && series.family.ty != Type::Unknown {
            let key = (series.family_name.to_owned(), metric::labels_text(&labels_of(&series, None)));
            if let Some(at) = seconds(series.value).filter(|_| created.len() < settings.series_max) {
                created.insert(key, at);
            }
            continue;
        }
        let candidate = candidate(target, &series, format, arrived);
        if !identities.insert(candidate.identity.clone()) {
            duplicates += 1;
            continue;
        }
        if known.contains_key(&candidate.identity) {
            kept.push(candidate);
        } else if fresh.len() < settings.series_max {
            fresh.push(candidate);
        } else {
            seen.over_series_max += 1;
        }
    }
    let is_whole = page.is_whole();
    // Those that were there before stay, so that a limit does not end one series for another.
    let room = settings.series_max.saturating_sub(kept.len());
    seen.over_series_max += fresh.len().saturating_sub(room);
    fresh.truncate(room);

    let bad = malformed.len() + malformed_more;
    if bad == lines && bad > 0 {
        let first = malformed.first().map_or("", |first| first.why);
        let hint: String = text.trim_start().chars().take(60).collect();
        seen.unusable = Some(format!("this is no page of metrics ({first}); it begins {hint:?}"));
        return seen;
    }
    if !is_whole {
        seen.unusable = Some("the page is cut short: an OpenMetrics page ends with # EOF".to_owned());
        return seen;
    }
    seen.complete = bad == 0;
    seen.missing.extend(malformed.iter().map(|bad| format!("line {}: {}", bad.line, bad.why)));
    if malformed_more > 0 {
        seen.missing.push(format!("{malformed_more} more lines"));
    }
    if duplicates > 0 {
        seen.missing.push(format!("{duplicates} series that come twice"));
    }
    let mut next = Known::with_capacity(kept.len() + fresh.len());
    seen.observations = kept
        .into_iter()
        .chain(fresh)
        .map(|mut candidate| {
            if known.get(&candidate.identity) == Some(&candidate.facts_hash) {
                candidate.observation.attributes = None;
            }
            if candidate.is_counter
                && let Some(since) = candidate.created_key.as_ref().and_then(|key| created.get(key))
                && let Some(sample) = candidate.observation.sample.as_mut().filter(|sample| *since <= sample.at)
            {
                sample.since = Some(*since);
            }
            next.insert(candidate.identity, candidate.facts_hash);
            candidate.observation
        })
        .collect();
    *known = next;
    seen
}

/// Which names are wanted; lines of one family follow each other, so the last answer is kept.
#[derive(Default)]
struct Wanted {
    name: String,
    is_wanted: bool,
}

impl Wanted {
    fn is_wanted(&mut self, series: &Series<'_>, settings: &Settings) -> bool {
        if self.name != series.name {
            self.name = series.name.to_string();
            let is_allowed = settings.allow.is_empty() || matches_any(&self.name, &settings.allow);
            self.is_wanted = is_allowed && !matches_any(&self.name, &settings.deny);
        }
        self.is_wanted
    }
}

fn is_over_labels(series: &Series<'_>, settings: &Settings) -> bool {
    let is_long = |(name, value): &(_, std::borrow::Cow<'_, str>)| {
        let name: &std::borrow::Cow<'_, str> = name;
        name.len().max(value.len()) > settings.label_max_bytes
    };
    series.labels.len() > settings.labels_max || series.labels.iter().any(is_long)
}

/// The labels by name, without one of them. A label without a value is no label.
fn labels_of(series: &Series<'_>, without: Option<&str>) -> BTreeMap<String, String> {
    let labels = series.labels.iter().filter(|(name, value)| Some(name.as_ref()) != without && !value.is_empty());
    labels.map(|(name, value)| (name.to_string(), value.to_string())).collect()
}

fn candidate(target: &TargetName, series: &Series<'_>, format: Format, arrived: Timestamp) -> Candidate {
    let labels = labels_of(series, None);
    let is_counter = series.is_counter();
    let growth = if is_counter && series.value.is_finite() { Growth::Counter } else { Growth::Gauge };
    // A time that no clock of these days shows is none.
    let at = series.at.filter(|at| *at >= Timestamp::CREDIBLE_FROM).unwrap_or(arrived);
    let description = series.family.help.map(|help| {
        let help = unescape(help);
        help.chars().take(DESCRIPTION_CHARS_MAX).collect::<String>()
    });
    let facts = Facts {
        metric_type: Some(series.family.ty.name()),
        family: Some(series.family_name).filter(|family| !family.is_empty() && *family != series.name),
        unit: series.family.unit,
        description: description.as_deref(),
    };
    let mut hasher = DefaultHasher::new();
    (facts.metric_type, facts.family, facts.unit, facts.description).hash(&mut hasher);
    let identity = metric::identity(target, &series.name, &labels);
    // A bucket began when its histogram did, a quantile is no counter.
    let created_key = (format == Format::OpenMetrics && is_counter)
        .then(|| (series.family_name.to_owned(), metric::labels_text(&labels_of(series, Some("le")))));
    let observation = Observation {
        identity: identity.clone(),
        attributes: Some(metric::attributes(&labels, &facts)),
        ended: None,
        sample: Some(metric::sample(at, None, series.value, growth)),
    };
    Candidate { identity, facts_hash: hasher.finish(), observation, is_counter, created_key }
}
