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
    pub(crate) fn parse(text: &str) -> Result<Step, String> {
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
            ..SECOND_MS => Err(format!("`{}` is below 1s, the smallest step", shown(text))),
            DAY_MS => Ok(Step::Day),
            _ if ms > DAY_MS => Err(format!("`{}` is above a day; of those 1d, 1w, 1mo and all work", shown(text))),
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

    /// Where the bucket that holds an instant starts; None for the whole range, which has no buckets.
    pub(crate) fn start_of(self, at: Timestamp, zone: Zone) -> Option<Timestamp> {
        let boundaries = Boundaries::after(at, self, zone);
        match self {
            Step::All => None,
            Step::Fixed(_) => Some(boundaries.last),
            Step::Day | Step::Week | Step::Month => Some(zone.midnight(boundaries.date)),
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::time::parse_time;
    use super::*;
    use crate::query::civil::format_bucket_time;

    fn zone(name: &str) -> Zone {
        if name.is_empty() { Zone::Utc } else { Zone::Named(name.parse().unwrap()) }
    }

    fn range(start: &str, end: &str) -> TimeRange {
        let at = |text| parse_time(text, Timestamp::from_ms(0), Zone::Utc).unwrap();
        TimeRange::new(at(start), at(end)).unwrap()
    }

    /// The edges, printed in the zone.
    fn check(step: &str, tz: &str, start: &str, end: &str, expected: &[&str]) {
        let edges = Step::parse(step).unwrap().edges(range(start, end), zone(tz), BUCKETS_MAX).unwrap();
        let edges: Vec<_> = edges.into_iter().map(|at| format_bucket_time(at, zone(tz))).collect();
        assert_eq!(edges, expected, "{step} {tz}");
    }

    #[test]
    fn buckets_align_to_multiples_of_step_since_the_epoch_cut_at_start_and_end() {
        check(
            "5m",
            "",
            "2026-08-21T03:07:30Z",
            "2026-08-21T03:16Z",
            &["2026-08-21T03:07:30Z", "2026-08-21T03:10:00Z", "2026-08-21T03:15:00Z", "2026-08-21T03:16:00Z"],
        );
        check("5m", "", "2026-08-21T03:10Z", "2026-08-21T03:15Z", &["2026-08-21T03:10:00Z", "2026-08-21T03:15:00Z"]);
        // Before the epoch the same.
        check(
            "1h",
            "",
            "1969-12-31T22:30Z",
            "1970-01-01T00:00Z",
            &["1969-12-31T22:30:00Z", "1969-12-31T23:00:00Z", "1970-01-01T00:00:00Z"],
        );
    }

    #[test]
    fn steps_below_a_day_ignore_tz() {
        // Kathmandu is 5 h 45 min ahead: its full hours are not the epoch's.
        check(
            "1h",
            "Asia/Kathmandu",
            "2026-08-21T03:00Z",
            "2026-08-21T04:00Z",
            &["2026-08-21T08:45:00+05:45", "2026-08-21T09:45:00+05:45"],
        );
    }

    #[test]
    fn days_align_to_local_midnight_and_have_23_or_25_hours() {
        check(
            "1d",
            "Europe/Berlin",
            "2026-03-28T12:00Z",
            "2026-03-30T12:00Z",
            &[
                "2026-03-28T13:00:00+01:00",
                "2026-03-29T00:00:00+01:00",
                "2026-03-30T00:00:00+02:00",
                "2026-03-30T14:00:00+02:00",
            ],
        );
        let hours = |day: &str, next: &str| {
            let edges = Step::Day.edges(range(day, next), zone("Europe/Berlin"), BUCKETS_MAX).unwrap();
            edges.windows(2).map(|pair| pair[1].ms_since(pair[0]) / 3_600_000).collect::<Vec<_>>()
        };
        assert_eq!(hours("2026-03-28T23:00Z", "2026-03-29T22:00Z"), [23]);
        assert_eq!(hours("2026-10-24T22:00Z", "2026-10-25T23:00Z"), [25]);
        check(
            "1d",
            "",
            "2026-03-28",
            "2026-03-30",
            &["2026-03-28T00:00:00Z", "2026-03-29T00:00:00Z", "2026-03-30T00:00:00Z"],
        );
    }

    #[test]
    fn a_midnight_that_does_not_exist_is_the_first_instant_of_its_day() {
        check(
            "1d",
            "Africa/Cairo",
            "2024-04-25T00:00+02:00",
            "2024-04-27T00:00+03:00",
            &["2024-04-25T00:00:00+02:00", "2024-04-26T01:00:00+03:00", "2024-04-27T00:00:00+03:00"],
        );
        // Samoa had no 30 December 2011, and has no bucket for it.
        check(
            "1d",
            "Pacific/Apia",
            "2011-12-29T10:00Z",
            "2012-01-01T00:00+14:00",
            &["2011-12-29T00:00:00-10:00", "2011-12-31T00:00:00+14:00", "2012-01-01T00:00:00+14:00"],
        );
    }

    #[test]
    fn weeks_begin_on_monday_and_months_on_the_first() {
        check(
            "1w",
            "Europe/Berlin",
            "2026-03-25T00:00Z",
            "2026-04-07T00:00Z",
            &[
                "2026-03-25T01:00:00+01:00",
                "2026-03-30T00:00:00+02:00",
                "2026-04-06T00:00:00+02:00",
                "2026-04-07T02:00:00+02:00",
            ],
        );
        check(
            "1mo",
            "",
            "2024-01-31",
            "2024-04-02",
            &[
                "2024-01-31T00:00:00Z",
                "2024-02-01T00:00:00Z",
                "2024-03-01T00:00:00Z",
                "2024-04-01T00:00:00Z",
                "2024-04-02T00:00:00Z",
            ],
        );
        check(
            "1mo",
            "America/New_York",
            "2026-02-01T05:00Z",
            "2026-04-01T04:00Z",
            &["2026-02-01T00:00:00-05:00", "2026-03-01T00:00:00-05:00", "2026-04-01T00:00:00-04:00"],
        );
    }

    #[test]
    fn all_is_one_bucket() {
        check("all", "", "2026-03-25", "2027-03-26", &["2026-03-25T00:00:00Z", "2027-03-26T00:00:00Z"]);
    }

    #[test]
    fn steps_are_read_and_labelled() {
        let check = |text: &str, label: &str, seconds: Option<i64>| {
            let step = Step::parse(text).unwrap_or_else(|why| panic!("{text}: {why}"));
            assert_eq!((step.label().as_str(), step.seconds()), (label, seconds), "{text}");
        };
        check("1s", "1s", Some(1));
        check("90s", "90s", Some(90));
        check("300", "5m", Some(300));
        check("5m", "5m", Some(300));
        check("1h30m", "90m", Some(5_400));
        check("6h", "6h", Some(21_600));
        check("1d", "1d", Some(86_400));
        check("24h", "1d", Some(86_400));
        check("1w", "1w", Some(604_800));
        check("1mo", "1mo", None);
        check("all", "all", None);
    }

    #[test]
    fn other_steps_are_refused_with_what_works() {
        let refused = |text: &str, says: &str| {
            let why = Step::parse(text).expect_err(text);
            assert!(why.contains(says), "{text}: {why}");
        };
        refused("2d", "1d, 1w, 1mo and all work");
        refused("7d", "1d, 1w, 1mo and all work");
        refused("36h", "1d, 1w, 1mo and all work");
        refused("0", "below 1s");
        refused("0s", "below 1s");
        refused("500ms", "below 1s");
        refused("1s500ms", "no whole number of seconds");
        refused("-5m", "is no duration");
        refused("", "is no duration");
        refused("1.5s", "is no duration");
        refused("2mo", "or 1mo, or all");
        refused("99999999999999999999", "longer than all of time");
    }

    #[test]
    fn the_default_step_is_the_smallest_of_at_most_300_buckets_not_below_the_interval() {
        let check = |length: &str, interval_ms: i64, expected: &str| {
            let end = Timestamp::from_ms(1_787_281_800_000 / DAY_MS * DAY_MS);
            let start = end.plus_ms(-parse_duration(length).unwrap());
            let step = Step::default_for(TimeRange::new(start, end).unwrap(), Zone::Utc, interval_ms);
            assert_eq!(step.label(), expected, "{length} at {interval_ms} ms");
        };
        check("50m", 10_000, "10s");
        check("51m", 10_000, "30s");
        check("1h", 10_000, "30s");
        check("1h", 60_000, "1m");
        check("1h", 61_000, "5m");
        check("1h", 2_000, "30s");
        check("150m", 10_000, "30s");
        check("5h", 10_000, "1m");
        check("1d", 10_000, "5m");
        check("3d", 10_000, "15m");
        check("1w", 10_000, "1h");
        check("75d", 10_000, "6h");
        check("76d", 10_000, "1d");
        check("300d", 10_000, "1d");
        check("2000d", 10_000, "1d");
        check("1h", DAY_MS + 1, "1d");
    }

    #[test]
    fn a_range_that_lies_across_one_bucket_more_takes_the_next_step() {
        let default = |start: i64| {
            let range = TimeRange::new(Timestamp::from_ms(start), Timestamp::from_ms(start + 3_000_000)).unwrap();
            Step::default_for(range, Zone::Utc, 1_000).label()
        };
        assert_eq!(default(0), "10s");
        assert_eq!(default(1), "30s");
    }

    #[test]
    fn too_many_buckets_are_refused_with_the_step_that_fits() {
        let advice = |step: &str, start: &str, end: &str| {
            Step::parse(step).unwrap().edges_or_advice(range(start, end), Zone::Utc).map(|edges| edges.len())
        };
        assert_eq!(advice("1s", "2026-08-21T00:00:00Z", "2026-08-21T03:03:20Z"), Ok(11_001));
        let why = advice("1s", "2026-08-21T00:00:00Z", "2026-08-21T03:03:21Z").unwrap_err();
        assert!(why.contains("1s gives more than 11000 buckets") && why.contains("10s fits"), "{why}");
        assert!(advice("1m", "2025", "2026").unwrap_err().contains("1h fits"));
        assert!(advice("1d", "1900", "2026").unwrap_err().contains("1w fits"));
        assert!(advice("1d", "1500", "2026").unwrap_err().contains("1mo fits"));
        assert!(advice("1s", "0000", "9999").unwrap_err().contains("all fits"));
        assert_eq!(advice("all", "0000", "9999"), Ok(2));
    }

    fn any_step() -> impl Strategy<Value = Step> {
        let fixed = (1i64..86_400).prop_map(|seconds| Step::Fixed(seconds * 1_000));
        prop_oneof![fixed, Just(Step::Day), Just(Step::Week), Just(Step::Month), Just(Step::All)]
    }

    proptest! {
        #[test]
        fn edges_part_the_range_and_adjoining_ranges_share_them(
            step in any_step(),
            tz in proptest::sample::select(chrono_tz::TZ_VARIANTS.to_vec()),
            start in -2_000_000_000_000i64..4_000_000_000_000,
            lengths in prop::array::uniform2(1i64..200_000_000),
        ) {
            let zone = Zone::Named(tz);
            let (start, middle) = (Timestamp::from_ms(start), Timestamp::from_ms(start + lengths[0]));
            let end = middle.plus_ms(lengths[1]);
            let edges = |from, until| step.edges(TimeRange::new(from, until).unwrap(), zone, usize::MAX).unwrap();
            let whole = edges(start, end);
            prop_assert_eq!((whole[0], whole[whole.len() - 1]), (start, end));
            prop_assert!(whole.windows(2).all(|pair| pair[0] < pair[1]));
            // Both halves together have the edges of the whole, and the cut.
            let (mut parts, right) = (edges(start, middle), edges(middle, end));
            parts.extend(&right[1..]);
            if !whole.contains(&middle) {
                parts.retain(|&edge| edge != middle);
            }
            prop_assert_eq!(whole, parts);
        }

        #[test]
        fn an_instant_lies_in_the_bucket_that_starts_before_it(
            step in any_step(),
            ms in 1_000_000_000_000i64..2_000_000_000_000,
            tz in proptest::sample::select(chrono_tz::TZ_VARIANTS.to_vec()),
        ) {
            let (at, zone) = (Timestamp::from_ms(ms), Zone::Named(tz));
            let back_ms = step.seconds().map_or(40 * DAY_MS, |seconds| seconds * 3_000);
            let around = TimeRange::new(at.plus_ms(-back_ms), at.plus_ms(1)).unwrap();
            let edges = step.edges(around, zone, usize::MAX).unwrap();
            // The last edge is the range's end, the first may be where the range cut its bucket.
            let last = edges.get(1..edges.len() - 1).and_then(<[_]>::last).copied();
            if let (Some(last), Some(start)) = (last, step.start_of(at, zone)) {
                prop_assert_eq!(start, last);
            }
        }

        #[test]
        fn any_step_is_read_or_refused(text in "\\PC*", near in "[0-9smhdwo]{0,24}") {
            let _ = Step::parse(&text);
            if let Ok(step) = Step::parse(&near) {
                prop_assert_eq!(Step::parse(&step.label()), Ok(step));
            }
        }
    }
}
