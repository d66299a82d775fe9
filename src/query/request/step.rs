//! Bucket widths, and the edges they give a range.

use crate::model::{TimeRange, Timestamp};
use crate::query::civil::{DAY_MS, SECOND_MS};

use super::known::shown;
use super::time::parse_duration;
use super::{BUCKETS_MAX, Step, Zone};

/// Steps to choose from where none is asked for, smallest first.
const DEFAULTS: [Step; 8] = [
    Step::Fixed(10 * SECOND_MS),
    Step::Fixed(30 * SECOND_MS),
    Step::Fixed(60 * SECOND_MS),
    Step::Fixed(300 * SECOND_MS),
    Step::Fixed(900 * SECOND_MS),
    Step::Fixed(3_600 * SECOND_MS),
    Step::Fixed(21_600 * SECOND_MS),
    Step::Day,
];
/// Most buckets of a step that was not asked for: as many as a chart on a screen can tell apart.
const DEFAULT_BUCKETS_MAX: usize = 300;
/// Steps beyond the defaults that a message may propose.
const LONG: [Step; 3] = [Step::Week, Step::Month, Step::All];
/// Units of labels, largest first.
const UNITS: [(i64, &str); 3] = [(3_600, "h"), (60, "m"), (1, "s")];

impl Step {
    /// The step a text means: a duration of whole seconds below a day (a plain number is seconds), `1d`, `1w`,
    /// `1mo` or `all`.
    pub(super) fn parse(text: &str) -> Result<Step, String> {
        match text {
            "all" => return Ok(Step::All),
            "1mo" => return Ok(Step::Month),
            "1w" => return Ok(Step::Week),
            _ => {}
        }
        let is_number = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        let ms = if is_number { parse_duration(&format!("{text}s")) } else { parse_duration(text) };
        let ms = ms.map_err(|why| format!("{why}; or 1mo, or all"))?;
        match ms {
            DAY_MS => Ok(Step::Day),
            ..SECOND_MS => Err(format!("`{}` is below 1s, the smallest step", shown(text))),
            DAY_MS.. => Err(format!("`{}` is above a day; of those 1d, 1w, 1mo and all work", shown(text))),
            _ if ms % SECOND_MS != 0 => Err(format!("`{}` is no whole number of seconds", shown(text))),
            _ => Ok(Step::Fixed(ms)),
        }
    }

    /// The smallest of the usual steps that gives at most 300 buckets and is not below the sampling interval;
    /// a day where none does.
    pub(super) fn default_for(range: TimeRange, zone: Zone, sampling_interval_ms: i64) -> Step {
        let fits = |step: &Step| {
            step.shortest_ms() >= sampling_interval_ms && step.edges(range, zone, DEFAULT_BUCKETS_MAX).is_some()
        };
        DEFAULTS.into_iter().find(fits).unwrap_or(Step::Day)
    }

    /// The edges of the buckets that a range falls into, strictly rising, first and last the range's own; None
    /// where there would be more than `buckets_max` buckets.
    pub fn edges(self, range: TimeRange, zone: Zone, buckets_max: usize) -> Option<Vec<Timestamp>> {
        let mut edges = vec![range.start()];
        let mut boundaries = Boundaries::after(range.start(), self, zone);
        loop {
            let next = boundaries.next().unwrap_or(range.end());
            if edges.last().is_some_and(|&last| next <= last && next < range.end()) {
                continue; // A date that the zone skipped, or a midnight that came twice.
            }
            if edges.len() > buckets_max {
                return None;
            }
            if next >= range.end() {
                edges.push(range.end());
                return Some(edges);
            }
            edges.push(next);
        }
    }

    /// The edges of a request, or what to ask for instead.
    pub(super) fn edges_or_advice(self, range: TimeRange, zone: Zone) -> Result<Vec<Timestamp>, String> {
        self.edges(range, zone, BUCKETS_MAX).ok_or_else(|| {
            let larger = DEFAULTS.into_iter().chain(LONG);
            let fits = larger.into_iter().find(|step| step.edges(range, zone, BUCKETS_MAX).is_some());
            format!(
                "{} gives more than {BUCKETS_MAX} buckets over this range; {} fits, or ask for a shorter range",
                self.label(),
                fits.unwrap_or(Step::All).label()
            )
        })
    }

    /// The step as a request would name it: `5m`, `1mo`, `all`.
    pub fn label(self) -> String {
        match self {
            Step::Fixed(ms) => {
                let seconds = ms / SECOND_MS;
                let unit = UNITS.into_iter().find(|(unit, _)| seconds % unit == 0).unwrap_or((1, "s"));
                format!("{}{}", seconds / unit.0, unit.1)
            }
            Step::Day => "1d".to_owned(),
            Step::Week => "1w".to_owned(),
            Step::Month => "1mo".to_owned(),
            Step::All => "all".to_owned(),
        }
    }

    /// Its length in seconds, days taken as 24 hours; None for months and the whole range, which have no one length.
    pub fn seconds(self) -> Option<i64> {
        match self {
            Step::Fixed(ms) => Some(ms / SECOND_MS),
            Step::Day => Some(DAY_MS / SECOND_MS),
            Step::Week => Some(7 * DAY_MS / SECOND_MS),
            Step::Month | Step::All => None,
        }
    }

    /// The length that no whole bucket falls short of by more than a change of clocks.
    fn shortest_ms(self) -> i64 {
        self.seconds().map_or(i64::MAX, |seconds| seconds.saturating_mul(SECOND_MS))
    }
}

/// The boundaries of a step after an instant, oldest first; without end but for `all`.
struct Boundaries {
    step: Step,
    zone: Zone,
    /// For fixed steps the last boundary at or before what comes next.
    last: Timestamp,
    /// For calendar steps the date the last bucket began.
    date: chrono::NaiveDate,
}

impl Boundaries {
    fn after(start: Timestamp, step: Step, zone: Zone) -> Self {
        use chrono::Datelike;
        let date = zone.date(start);
        let (last, date) = match step {
            Step::Fixed(ms) => {
                let past_ms = start.ms().rem_euclid(ms.max(1));
                (start.plus_ms(past_ms.saturating_neg()), date)
            }
            Step::Week => {
                let past_days = u64::from(date.weekday().num_days_from_monday());
                (start, date.checked_sub_days(chrono::Days::new(past_days)).unwrap_or(date))
            }
            Step::Month => (start, date.with_day(1).unwrap_or(date)),
            Step::Day | Step::All => (start, date),
        };
        Boundaries { step, zone, last, date }
    }
}

impl Iterator for Boundaries {
    type Item = Timestamp;

    fn next(&mut self) -> Option<Timestamp> {
        self.date = match self.step {
            Step::All => return None,
            Step::Fixed(ms) => {
                self.last = self.last.plus_ms(ms.max(1));
                return Some(self.last);
            }
            Step::Day => self.date.succ_opt()?,
            Step::Week => self.date.checked_add_days(chrono::Days::new(7))?,
            Step::Month => self.date.checked_add_months(chrono::Months::new(1))?,
        };
        Some(self.zone.midnight(self.date))
    }
}
