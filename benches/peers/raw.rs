//! What must come out, computed from the samples that a peer gives back: by the definitions of `docs/http.md`, apart from the
//! program's own code.
//!
//! A peer does not know since when a counter counts, so buckets that a restart or a birth touches are left out.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde_json::Value as Json;

/// Longer than this between two samples nothing is known of a rate: three polling intervals.
const HOLE_MS: i64 = 3 * super::INTERVAL_MS;

/// The samples of one series, oldest first.
pub(crate) struct Raw {
    pub(crate) id: String,
    pub(crate) app: String,
    pub(crate) samples: Vec<(i64, i64)>,
}

/// The series of a peer's answer to a range selector.
pub(crate) fn series(answer: &[u8]) -> Vec<Raw> {
    let answer: Json = serde_json::from_slice(answer).unwrap();
    let of = |series: &Json| {
        let label = |name: &str| series["metric"][name].as_str().unwrap_or_default().to_owned();
        let sample = |cell: &Json| {
            let at_ms = (cell[0].as_f64().unwrap() * 1000.0).round() as i64;
            (at_ms, cell[1].as_str().unwrap().parse::<f64>().unwrap() as i64)
        };
        let samples = series["values"].as_array().unwrap().iter().map(sample).collect();
        Raw { id: label("id"), app: label("app"), samples }
    };
    answer["data"]["result"].as_array().unwrap().iter().map(of).collect()
}

/// A counter's growth a second in each bucket of [start, end): each stretch's growth shared by time, over the time known.
/// None where it cannot be told from here; buckets without any stretch are missing.
pub(crate) fn rates(raw: &Raw, start_ms: i64, end_ms: i64, step_ms: i64) -> BTreeMap<i64, Option<f64>> {
    let mut grown: BTreeMap<i64, (i128, i64)> = BTreeMap::new();
    let mut unknown = BTreeSet::new();
    let buckets = |from: i64, until: i64| {
        let (from, until) = (from.max(start_ms), until.min(end_ms));
        let first = start_ms + (from - start_ms).div_euclid(step_ms) * step_ms;
        (0..).map(move |index| first + index * step_ms).take_while(move |bucket| *bucket < until)
    };
    if let Some((first, _)) = raw.samples.first() {
        unknown.extend(buckets(first - HOLE_MS, first + 1));
    }
    for pair in raw.samples.windows(2) {
        let ((from, before), (to, after)) = (pair[0], pair[1]);
        if to <= start_ms || from >= end_ms || to - from > HOLE_MS {
            continue;
        }
        if after < before {
            unknown.extend(buckets(from, to));
            continue;
        }
        for bucket in buckets(from, to) {
            let cut =
                |at: i64| i128::from(after - before) * i128::from(at.clamp(from, to) - from) / i128::from(to - from);
            let until = (bucket + step_ms).min(end_ms);
            let (amount, covered) = grown.entry(bucket).or_default();
            *amount += cut(until) - cut(bucket);
            *covered += to.min(until) - from.max(bucket);
        }
    }
    let rate = |(amount, covered): (i128, i64)| (covered > 0).then(|| amount as f64 / 1e9 / (covered as f64 / 1e3));
    let known = grown.into_iter().map(|(bucket, of)| (bucket, rate(of).filter(|_| !unknown.contains(&bucket))));
    known.collect()
}

/// What a group's members had of a gauge in an hour.
#[derive(Default)]
pub(crate) struct Hour {
    values: Vec<f64>,
    means: f64,
    /// Whether all were there all the hour long.
    pub(crate) is_whole: bool,
}

impl Hour {
    /// The members' means, added up.
    pub(crate) fn sum_of_means(&self) -> f64 {
        self.means
    }

    /// The percentile of all their samples together, linear between ranks.
    pub(crate) fn percentile(&mut self, percent: f64) -> f64 {
        self.values.sort_by(f64::total_cmp);
        let rank = percent / 100.0 * (self.values.len() - 1) as f64;
        let (below, above) = (self.values[rank.floor() as usize], self.values[rank.ceil() as usize]);
        below + (above - below) * rank.fract()
    }
}

/// When counters fell: by series, the times of the samples after.
pub(crate) fn falls(all: &[Raw]) -> HashMap<String, Vec<i64>> {
    let fell = |pair: &[(i64, i64)]| (pair[1].1 < pair[0].1).then_some(pair[1].0);
    all.iter().map(|raw| (raw.id.clone(), raw.samples.windows(2).filter_map(fell).collect())).collect()
}

/// A gauge by application and hour, of containers that restarted then: who is down for a moment counts for less.
pub(crate) fn hours(
    all: &[Raw],
    restarts: &HashMap<String, Vec<i64>>,
    start_ms: i64,
    end_ms: i64,
) -> BTreeMap<(String, i64), Hour> {
    const HOUR_MS: i64 = 3_600_000;
    let mut hours: BTreeMap<(String, i64), Hour> = BTreeMap::new();
    for raw in all {
        for hour in (start_ms..end_ms).step_by(HOUR_MS as usize) {
            let near = |at: i64| (hour - HOLE_MS..hour + HOUR_MS + HOLE_MS).contains(&at);
            let around: Vec<i64> = raw.samples.iter().map(|(at, _)| *at).filter(|at| near(*at)).collect();
            let (Some(first), Some(last)) = (around.first(), around.last()) else { continue };
            let has_hole = around.windows(2).any(|pair| pair[1] - pair[0] > HOLE_MS);
            // At the edges of all that was recorded nothing is known of the time beyond.
            let is_there = (*first <= hour || hour == start_ms && *first < hour + HOLE_MS)
                && (*last >= hour + HOUR_MS || hour + HOUR_MS == end_ms && *last > hour + HOUR_MS - HOLE_MS);
            let inside = raw.samples.iter().filter(|(at, _)| (hour..hour + HOUR_MS).contains(at));
            let values: Vec<f64> = inside.map(|(_, value)| *value as f64).collect();
            let of = hours.entry((raw.app.clone(), hour)).or_insert_with(|| Hour { is_whole: true, ..Hour::default() });
            let restarted = restarts.get(&raw.id).is_some_and(|of| of.iter().any(|at| near(*at)));
            of.is_whole &= is_there && !has_hole && !restarted;
            if !values.is_empty() {
                of.means += values.iter().sum::<f64>() / values.len() as f64;
                of.values.extend(values);
            }
        }
    }
    hours
}
