//! Requests about several kinds at once: the picture of an instant, and what differs between two.
//!
//! A filter holds for the kinds that have its name; a kind that lacks it is left out.

use crate::model::{Class, Column, Kind, TimeRange, Timestamp};
use crate::query::civil::{DAY_MS, SECOND_MS, format_instant};
use crate::query::filter::Filter;

use super::events::parse_words;
use super::known::{ParameterError, listed, shown};
use super::parse::Parameters;
use super::time::{parse_duration, parse_time};
use super::{Agg, DIFF_PARAMETERS, FieldRequest, Label, RangeRequest, Resolution, SNAPSHOT_PARAMETERS, Step, Zone};

/// Window of a comparison where none is asked for: long enough for a mean, short enough to be about one thing.
const WINDOW_DEFAULT_MS: i64 = 30 * 60_000;
/// Shortest window: five samples at the shortest polling interval.
const WINDOW_MS_MIN: i64 = 10_000;
/// Longest window: a year of days.
const WINDOW_MS_MAX: i64 = 366 * DAY_MS;
/// Numbers of a comparison where no `top` is asked for: what is read at a glance.
const TOP_DEFAULT: usize = 20;
/// Most numbers of a comparison.
const TOP_MAX: usize = 10_000;

/// Most values a window is cut into: means and deviations gain nothing from more.
const VALUES_MAX: i64 = 1_000;

/// A kind, and which entities of it.
#[derive(Debug, Clone)]
pub struct Selected {
    /// The kind.
    pub kind: &'static Kind,
    /// Which of its entities.
    pub filter: Filter,
}

/// A request for everything as it was at an instant.
#[derive(Debug, Clone)]
pub struct SnapshotRequest {
    /// The instant.
    pub at: Timestamp,
    /// The zone that times are printed in.
    pub zone: Zone,
    /// The kinds asked for, in the order of documentation.
    pub kinds: Vec<Selected>,
}

impl SnapshotRequest {
    /// Reads `at kinds tz` and filters of the kinds.
    pub fn parse(
        kinds: &[&'static Kind],
        parameters: &[(String, String)],
        now: Timestamp,
    ) -> Result<SnapshotRequest, ParameterError> {
        let (own, filters) = split(parameters, SNAPSHOT_PARAMETERS);
        let sorted = Parameters::sort(&own, SNAPSHOT_PARAMETERS, None)?;
        let zone = sorted.zone()?;
        let now = now.clamp(Timestamp::MIN, Timestamp::MAX);
        let at = sorted.read("at", |text| parse_time(text, now, zone))?.unwrap_or(now);
        Ok(SnapshotRequest { at, zone, kinds: select(kinds, sorted.get("kinds"), &filters, SNAPSHOT_PARAMETERS)? })
    }
}

/// A request for what differs between two instants.
#[derive(Debug, Clone)]
pub struct DiffRequest {
    /// From when to when things come, go and change.
    pub range: TimeRange,
    /// When it was asked for.
    pub now: Timestamp,
    /// The window of numbers before the range's start.
    pub before: TimeRange,
    /// The window of numbers before the range's end.
    pub after: TimeRange,
    /// The zone that times are printed in.
    pub zone: Zone,
    /// The kinds asked for, in the order of documentation.
    pub kinds: Vec<Selected>,
    /// Names of labels that numbers are grouped by, of kinds that have them all.
    pub group_by: Vec<String>,
    /// At most so many numbers, those that moved most.
    pub top: usize,
}

impl DiffRequest {
    /// Reads `from to window`, or `around window`, `kinds group_by top tz` and filters of the kinds.
    pub fn parse(
        kinds: &[&'static Kind],
        parameters: &[(String, String)],
        now: Timestamp,
    ) -> Result<DiffRequest, ParameterError> {
        let (own, filters) = split(parameters, DIFF_PARAMETERS);
        let sorted = Parameters::sort(&own, DIFF_PARAMETERS, None)?;
        let zone = sorted.zone()?;
        let now = now.clamp(Timestamp::MIN, Timestamp::MAX);
        let time = |name| sorted.read(name, |text| parse_time(text, now, zone));
        let (from, to, around) = (time("from")?, time("to")?, time("around")?);
        let window = sorted.read("window", |text| match parse_duration(text)? {
            ..WINDOW_MS_MIN => Err(format!("`{}` is below 10s, the shortest window", shown(text))),
            ms @ ..=WINDOW_MS_MAX => Ok(ms),
            _ => Err(format!("`{}` is above 366d, the longest window", shown(text))),
        })?;
        let (from, to, window_ms) = match (around, from, to) {
            (Some(around), None, None) => {
                let window_ms = window.unwrap_or(WINDOW_DEFAULT_MS);
                (around, around.plus_ms(window_ms), window_ms)
            }
            (Some(_), _, _) => {
                let message = "compares the window after one time with the window before it; leave out from and to";
                return Err(ParameterError::new("around", message));
            }
            (None, None, _) => {
                let message = "is missing: give from= (and to=, which is now by default), or around=";
                return Err(ParameterError::new("from", message));
            }
            (None, Some(from), to) => {
                let to = to.unwrap_or(now);
                let between_ms = to.ms_since(from);
                if between_ms <= 0 {
                    let (from, to) = (format_instant(from, zone), format_instant(to, zone));
                    return Err(ParameterError::new("from", format!("from ({from}) must lie before to ({to})")));
                }
                if window.is_some_and(|window| window > between_ms) {
                    let message = "is longer than the time between from and to, so that the windows would overlap";
                    return Err(ParameterError::new("window", message));
                }
                (from, to, window.unwrap_or(WINDOW_DEFAULT_MS.min(between_ms)))
            }
        };
        let range = |start: Timestamp, end: Timestamp| {
            let range =
                TimeRange::new(start.max(Timestamp::MIN), end.min(Timestamp::MAX)).filter(|range| !range.is_empty());
            range.ok_or_else(|| ParameterError::new("window", "reaches beyond all of time"))
        };
        let group_by = match sorted.get("group_by") {
            None => vec!["app".to_owned(), "host".to_owned()],
            Some(list) => list.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect(),
        };
        let selected = select(kinds, sorted.get("kinds"), &filters, DIFF_PARAMETERS)?;
        let has_all = |selected: &Selected| group_by.iter().all(|name| Label::find(selected.kind, name).is_some());
        if sorted.get("group_by").is_some() && !selected.iter().any(has_all) {
            let message = format!("no kind that is asked for has all of {}", shown(&listed(&group_by)));
            return Err(ParameterError::new("group_by", message));
        }
        Ok(DiffRequest {
            range: range(from, to)?,
            now,
            before: range(from.plus_ms(-window_ms), from)?,
            after: range(to.plus_ms(-window_ms), to)?,
            zone,
            kinds: selected,
            group_by,
            top: sorted
                .read("top", |text| {
                    let number = text.parse().ok().filter(|number| (1..=TOP_MAX).contains(number));
                    number.ok_or_else(|| format!("`{}` is no whole number from 1 to {TOP_MAX}", shown(text)))
                })?
                .unwrap_or(TOP_DEFAULT),
        })
    }
}

impl DiffRequest {
    /// The question for the numbers of one kind in one window: its headline gauges and derived columns, a value for
    /// each `interval_ms`; grouped where the kind has the labels, else a series an entity. None where it has no such
    /// column.
    pub fn numbers(&self, selected: &Selected, window: TimeRange, interval_ms: i64) -> Option<RangeRequest> {
        let kind = selected.kind;
        let is_gauge = |column: &&Column| column.headline && column.class == Class::Gauge && !column.high_water;
        let gauges = kind.columns.iter().filter(is_gauge).map(|column| column.name);
        let derived = kind.derived.iter().filter(|derived| derived.headline).map(|derived| derived.name);
        let fields: Vec<_> = derived.chain(gauges).map(|name| FieldRequest { name, agg: Agg::Avg }).collect();
        let interval_s = interval_ms.max(window.ms() / VALUES_MAX).saturating_add(SECOND_MS - 1) / SECOND_MS;
        let step = match interval_s.max(1).saturating_mul(SECOND_MS) {
            ms @ ..DAY_MS => Step::Fixed(ms),
            _ => Step::Day,
        };
        let labels: Option<Vec<Label>> = self.group_by.iter().map(|name| Label::find(kind, name)).collect();
        Some(RangeRequest {
            step_is_default: false,
            resolution: Resolution::Samples,
            kind,
            fields,
            names_carry_agg: false,
            range: window,
            now: self.now,
            step,
            edges: step.edges_or_advice(window, Zone::Utc).ok()?,
            zone: self.zone,
            filter: selected.filter.clone(),
            group_by: labels,
            across: None,
            top: None,
            coverage: true,
            explain: false,
        })
        .filter(|request| !request.fields.is_empty())
    }
}

type Pairs = Vec<(String, String)>;

/// Parameters of the request's own, and all others.
pub(super) fn split(parameters: &[(String, String)], own: &[&str]) -> (Pairs, Pairs) {
    parameters.iter().cloned().partition(|(name, _)| own.contains(&name.as_str()))
}

/// The kinds that are asked for and have all names that are filtered by.
fn select(
    kinds: &[&'static Kind],
    asked: Option<&str>,
    filters: &[(String, String)],
    own: &[&'static str],
) -> Result<Vec<Selected>, ParameterError> {
    let names: Vec<&'static str> = kinds.iter().map(|kind| kind.name).collect();
    let pattern = asked.map(|text| parse_words("kind", text, &names)).transpose();
    let pattern = pattern.map_err(|why| ParameterError::new("kinds", why))?;
    let is_asked = |kind: &&&'static Kind| pattern.as_ref().is_none_or(|pattern| pattern.matches(kind.name));
    let chosen: Vec<&'static Kind> = kinds.iter().filter(is_asked).copied().collect();
    for filter in filters {
        let (name, _) = filter;
        if chosen.iter().any(|kind| Label::find(kind, name).is_some()) {
            continue;
        }
        if let Some(having) = kinds.iter().find(|kind| Label::find(kind, name).is_some()) {
            let message = format!("is a filter of kind {}, which is not asked for", having.name);
            return Err(ParameterError::new(name, message));
        }
        // Says what would be right.
        Parameters::sort(std::slice::from_ref(filter), own, chosen.first().copied())?;
    }
    let has_all = |kind: &&'static Kind| filters.iter().all(|(name, _)| Label::find(kind, name).is_some());
    let selected: Vec<&'static Kind> = chosen.into_iter().filter(has_all).collect();
    if let (true, Some((name, _))) = (selected.is_empty(), filters.first()) {
        let all = listed(&filters.iter().map(|(name, _)| shown(name)).collect::<Vec<_>>());
        return Err(ParameterError::new(name, format!("no kind that is asked for has all of {all}")));
    }
    selected
        .into_iter()
        .map(|kind| Ok(Selected { kind, filter: Parameters::sort(filters, &[], Some(kind))?.filter }))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::test_kinds::KINDS;
    use super::*;

    fn pairs(text: &str) -> Pairs {
        text.split_whitespace()
            .map(|pair| pair.split_once('=').unwrap())
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect()
    }

    fn names(kinds: &[Selected]) -> Vec<&'static str> {
        kinds.iter().map(|selected| selected.kind.name).collect()
    }

    #[test]
    fn a_filter_holds_for_the_kinds_that_have_it() {
        let ask = |text: &str| SnapshotRequest::parse(KINDS, &pairs(text), Timestamp::from_ms(5_000));
        let request = ask("").unwrap();
        assert_eq!((request.at.ms(), names(&request.kinds)), (5_000, vec!["container", "role"]));
        assert_eq!(names(&ask("host=a").unwrap().kinds), ["container"]);
        assert_eq!(names(&ask("kinds=ro*").unwrap().kinds), ["role"]);
        let fault = |text: &str| ask(text).unwrap_err().to_string();
        assert_eq!(fault("kinds=role host=a"), "host: is a filter of kind container, which is not asked for");
        assert_eq!(fault("host=a role=b"), "host: no kind that is asked for has all of host, role");
        assert!(fault("kinds=contaner").contains("did you mean `container`?"));
        assert!(fault("hots=a").contains("host"), "{}", fault("hots=a"));
        assert!(fault("at=soon").starts_with("at: "));
    }

    #[test]
    fn windows_of_a_diff_do_not_overlap() {
        let ask = |text: &str| DiffRequest::parse(KINDS, &pairs(text), Timestamp::from_ms(7_200_000));
        let range = |from: i64, to: i64| {
            TimeRange::new(Timestamp::from_ms(from * 60_000), Timestamp::from_ms(to * 60_000)).unwrap()
        };
        let request = ask("around=1970-01-01T01:00:00Z window=20m").unwrap();
        assert_eq!((request.before, request.after, request.range), (range(40, 60), range(60, 80), range(60, 80)));
        let request = ask("from=1970-01-01T01:00:00Z").unwrap();
        assert_eq!((request.before, request.after, request.range), (range(30, 60), range(90, 120), range(60, 120)));
        let request = ask("from=1970-01-01T01:00:00Z to=1970-01-01T01:10:00Z").unwrap();
        assert_eq!((request.before, request.after), (range(50, 60), range(60, 70)));
        let fault = |text: &str| ask(text).unwrap_err().to_string();
        assert!(fault("").starts_with("from: is missing"));
        assert!(fault("from=1970-01-01T01:00:00Z to=1970-01-01T01:10:00Z window=11m").starts_with("window: is longer"));
        assert!(fault("from=1970-01-01T02:00:00Z to=1970-01-01T01:00:00Z").starts_with("from: "));
        assert!(fault("around=now from=now").starts_with("around: "));
        assert!(fault("around=now window=1s").starts_with("window: "));
        assert!(fault("around=now window=367d").starts_with("window: "));
        assert!(fault("around=now top=0").starts_with("top: "));
        assert!(fault("around=now group_by=nothing").starts_with("group_by: "));
    }
}
