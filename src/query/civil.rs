//! Civil time: instants as a zone's calendar and clock show them, and back.
//!
//! All calendar arithmetic of the program stands here. Must not know: the system's clock, requests, what is
//! printed around a time.

use chrono::{DateTime, LocalResult, NaiveDate, NaiveDateTime, NaiveTime, Offset, TimeZone, Utc};

use crate::model::Timestamp;

use super::request::Zone;

/// Milliseconds of a second.
pub(crate) const SECOND_MS: i64 = 1_000;
/// Milliseconds of a minute.
const MINUTE_MS: i64 = 60_000;
/// Milliseconds of a day without a change of clocks.
pub(crate) const DAY_MS: i64 = 86_400_000;
/// No zone was ever further from UTC than 16 hours, no change of clocks longer than 24 h 30 min.
const SKIP_WITHIN_SECONDS: i64 = 48 * 3_600;

impl Zone {
    /// The zone's name for an answer's echo; None where no `tz` was asked for.
    pub fn name(self) -> Option<&'static str> {
        match self {
            Zone::Utc => None,
            Zone::Named(tz) => Some(tz.name()),
        }
    }

    /// Seconds that the zone's clocks are ahead of UTC at an instant.
    fn offset_seconds(self, utc: &NaiveDateTime) -> i32 {
        match self {
            Zone::Utc => 0,
            Zone::Named(tz) => tz.offset_from_utc_datetime(utc).fix().local_minus_utc(),
        }
    }

    /// What the zone's clocks and calendar show at an instant.
    fn local(self, at: Timestamp) -> NaiveDateTime {
        let utc = utc_of(at);
        let ahead = chrono::TimeDelta::seconds(i64::from(self.offset_seconds(&utc)));
        utc.checked_add_signed(ahead).unwrap_or(utc)
    }

    /// The date in the zone at an instant.
    pub(crate) fn date(self, at: Timestamp) -> NaiveDate {
        self.local(at).date()
    }

    /// The first instant at which the zone's clocks show `local`, or, where clocks were put forward over it,
    /// the instant at which that was done.
    pub(crate) fn instant(self, local: NaiveDateTime) -> Timestamp {
        let as_utc = Timestamp::from_ms(local.and_utc().timestamp_millis());
        let Zone::Named(tz) = self else { return as_utc };
        let instants = match tz.from_local_datetime(&local) {
            LocalResult::Single(at) => [Some(at), None],
            LocalResult::Ambiguous(first, second) => [Some(first), Some(second)],
            LocalResult::None => [None, None],
        };
        let shown = instants.into_iter().flatten().map(|at| Timestamp::from_ms(at.timestamp_millis()));
        shown.filter(|&at| self.local(at) == local).min().unwrap_or_else(|| self.instant_after_skip(local, as_utc))
    }

    /// The first instant, to the second, at which the zone's clocks are past a `local` that they never showed.
    fn instant_after_skip(self, local: NaiveDateTime, as_utc: Timestamp) -> Timestamp {
        let second = as_utc.ms().div_euclid(SECOND_MS);
        let (mut before, mut after) =
            (second.saturating_sub(SKIP_WITHIN_SECONDS), second.saturating_add(SKIP_WITHIN_SECONDS));
        while after.saturating_sub(before) > 1 {
            let middle = before.midpoint(after);
            if self.local(Timestamp::from_ms(middle.saturating_mul(SECOND_MS))) >= local {
                after = middle;
            } else {
                before = middle;
            }
        }
        Timestamp::from_ms(after.saturating_mul(SECOND_MS))
    }

    /// The first instant of a date: local midnight, or what comes in its place where clocks skip it.
    pub(crate) fn midnight(self, date: NaiveDate) -> Timestamp {
        self.instant(date.and_time(NaiveTime::MIN))
    }
}

/// The instant in UTC's calendar; instants that no calendar of four-digit years holds are held at its ends.
fn utc_of(at: Timestamp) -> NaiveDateTime {
    let held = at.ms().clamp(Timestamp::MIN.ms(), Timestamp::MAX.ms());
    DateTime::<Utc>::from_timestamp_millis(held).unwrap_or_default().naive_utc()
}

/// The start of a bucket: `2026-08-21T03:10:00Z`; three decimals only off the whole second; in a named zone
/// the offset instead of Z (`2026-08-21T05:10:00+02:00`).
pub fn format_bucket_time(at: Timestamp, zone: Zone) -> String {
    text(|into| push_bucket_time(into, at, zone))
}

/// The time of a sample or an event: always with three decimals, `2026-08-21T03:10:00.000Z`.
pub fn format_instant(at: Timestamp, zone: Zone) -> String {
    text(|into| push_instant(into, at, zone))
}

/// Appends what [`format_bucket_time`] gives.
pub(crate) fn push_bucket_time(into: &mut Vec<u8>, at: Timestamp, zone: Zone) {
    push(into, at, zone, at.ms().rem_euclid(SECOND_MS) != 0);
}

/// Appends what [`format_instant`] gives.
pub(crate) fn push_instant(into: &mut Vec<u8>, at: Timestamp, zone: Zone) {
    push(into, at, zone, true);
}

fn text(push: impl FnOnce(&mut Vec<u8>)) -> String {
    let mut bytes = Vec::with_capacity("2026-08-21T03:10:00.000+02:00".len());
    push(&mut bytes);
    // Digits and signs only.
    String::from_utf8(bytes).unwrap_or_default()
}

/// RFC 3339 text of an instant. Offsets of old local mean times have seconds, which RFC 3339 has no place
/// for: such a time is shown at the nearest offset of whole minutes, so that the text names the instant exactly.
fn push(into: &mut Vec<u8>, at: Timestamp, zone: Zone, with_decimals: bool) {
    let utc = Timestamp::from_ms(at.ms().clamp(Timestamp::MIN.ms(), Timestamp::MAX.ms()));
    let ahead_minutes = match zone {
        Zone::Utc => 0,
        Zone::Named(_) => nearest_minutes(zone.offset_seconds(&utc_of(utc))),
    };
    // West of Greenwich the year 0 begins in a year that four digits cannot say: there UTC stands in.
    let local = utc.plus_ms(i64::from(ahead_minutes) * MINUTE_MS);
    let (local, ahead_minutes) = if local < Timestamp::MIN { (utc, 0) } else { (local, ahead_minutes) };
    let (year, month, day) = date(local.ms());
    let ms = local.ms().rem_euclid(DAY_MS);
    let ([y, e, a, r], [mo, th], [d, ay]) = (four(year), two(month), two(day));
    let ([h, ou], [mi, nu], [s, ec]) = (two(ms / 3_600_000), two(ms / MINUTE_MS % 60), two(ms / SECOND_MS % 60));
    into.extend_from_slice(&[y, e, a, r, b'-', mo, th, b'-', d, ay, b'T', h, ou, b':', mi, nu, b':', s, ec]);
    if with_decimals {
        let [_, m, il, li] = four(ms % SECOND_MS);
        into.extend_from_slice(&[b'.', m, il, li]);
    }
    match zone {
        Zone::Utc => into.push(b'Z'),
        Zone::Named(_) => {
            let ahead = i64::from(ahead_minutes).abs();
            let ([h, ou], [m, in_]) = (two(ahead / 60), two(ahead % 60));
            into.extend_from_slice(&[if ahead_minutes < 0 { b'-' } else { b'+' }, h, ou, b':', m, in_]);
        }
    }
}

/// Year, month and day of milliseconds since 1970. Eras of 400 years begin on the first of March, so that the leap day
/// ends a year.
fn date(ms: i64) -> (i64, i64, i64) {
    let days = ms.div_euclid(DAY_MS) + 719_468;
    let of_era = days.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    let year = days.div_euclid(146_097) * 400 + year_of_era + i64::from(month <= 2);
    (year, month, day)
}

/// The whole minutes nearest to some seconds.
fn nearest_minutes(seconds: i32) -> i32 {
    seconds.saturating_add(30).div_euclid(60)
}

/// The digits of a number below 100.
fn two(number: i64) -> [u8; 2] {
    let digit = |digit: i64| b'0'.saturating_add(u8::try_from(digit).unwrap_or(0));
    [digit(number / 10), digit(number % 10)]
}

/// The digits of a number below 10,000.
fn four(number: i64) -> [u8; 4] {
    let ([a, b], [c, d]) = (two(number / 100), two(number % 100));
    [a, b, c, d]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn zone(name: &str) -> Zone {
        Zone::Named(name.parse().unwrap())
    }

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    #[test]
    fn bucket_times_have_decimals_only_off_the_second() {
        let at = Timestamp::from_ms(1_787_281_800_000);
        assert_eq!(format_bucket_time(at, Zone::Utc), "2026-08-21T03:10:00Z");
        assert_eq!(format_bucket_time(at.plus_ms(7), Zone::Utc), "2026-08-21T03:10:00.007Z");
        assert_eq!(format_bucket_time(at, zone("Europe/Berlin")), "2026-08-21T05:10:00+02:00");
    }

    #[test]
    fn sample_and_event_times_have_three_decimals() {
        let at = Timestamp::from_ms(1_787_281_800_000);
        assert_eq!(format_instant(at, Zone::Utc), "2026-08-21T03:10:00.000Z");
        assert_eq!(format_instant(at.plus_ms(90), zone("America/St_Johns")), "2026-08-21T00:40:00.090-02:30");
        // A zone that was asked for shows its offset, UTC too.
        assert_eq!(format_instant(at, zone("UTC")), "2026-08-21T03:10:00.000+00:00");
    }

    #[test]
    fn the_ends_of_time_print_and_what_lies_beyond_is_held_there() {
        assert_eq!(format_instant(Timestamp::MIN, Zone::Utc), "0000-01-01T00:00:00.000Z");
        assert_eq!(format_instant(Timestamp::MAX, Zone::Utc), "9999-12-31T00:00:00.000Z");
        assert_eq!(format_instant(Timestamp::from_ms(i64::MAX), Zone::Utc), "9999-12-31T00:00:00.000Z");
        assert_eq!(format_instant(Timestamp::from_ms(i64::MIN), Zone::Utc), "0000-01-01T00:00:00.000Z");
    }

    #[test]
    fn local_mean_times_print_at_whole_minutes_and_name_the_same_instant() {
        // Berlin was 53 min 28 s ahead until 1893.
        let at = Timestamp::from_ms(-2_500_000_000_000);
        let text = format_instant(at, zone("Europe/Berlin"));
        assert!(text.ends_with("+00:53"), "{text}");
        assert_eq!(DateTime::parse_from_rfc3339(&text).unwrap().timestamp_millis(), at.ms());
    }

    #[test]
    fn a_midnight_that_clocks_skip_is_the_instant_they_skip_it() {
        let check = |name: &str, text: &str, expected: &str| {
            assert_eq!(format_bucket_time(zone(name).midnight(day(text)), Zone::Utc), expected, "{name} {text}");
        };
        check("Europe/Berlin", "2026-08-21", "2026-08-20T22:00:00Z");
        // Clocks went from 00:00 to 01:00.
        check("Africa/Cairo", "2024-04-26", "2024-04-25T22:00:00Z");
        check("America/Santiago", "2024-09-08", "2024-09-08T04:00:00Z");
        // Clocks went back from 00:00 to 23:00 of the day before: midnight came once, an hour later.
        check("America/Sao_Paulo", "2018-02-18", "2018-02-18T03:00:00Z");
        // Clocks went back from 01:00 to 00:00: midnight came twice, the first begins the day.
        check("Atlantic/Azores", "2024-10-27", "2024-10-27T00:00:00Z");
        // Samoa had no 30 December 2011: it begins and ends with the 31st's beginning.
        check("Pacific/Apia", "2011-12-30", "2011-12-30T10:00:00Z");
        check("Pacific/Apia", "2011-12-31", "2011-12-30T10:00:00Z");
    }

    proptest! {
        #[test]
        fn printed_times_read_back_the_same(
            ms in prop_oneof![Timestamp::MIN.ms()..=Timestamp::MAX.ms(), Timestamp::MIN.ms()..Timestamp::MIN.ms() + DAY_MS],
            tz in proptest::sample::select(chrono_tz::TZ_VARIANTS.to_vec()),
        ) {
            let at = Timestamp::from_ms(ms);
            for zone in [Zone::Utc, Zone::Named(tz)] {
                for text in [format_instant(at, zone), format_bucket_time(at, zone)] {
                    prop_assert_eq!(DateTime::parse_from_rfc3339(&text).unwrap().timestamp_millis(), ms);
                }
            }
        }

        #[test]
        fn a_day_begins_at_its_midnight(
            days in 0i32..60_000,
            tz in proptest::sample::select(chrono_tz::TZ_VARIANTS.to_vec()),
        ) {
            let day = day("1900-01-01") + chrono::Days::new(u64::try_from(days).unwrap());
            let begin = Zone::Named(tz).midnight(day);
            prop_assert!(Zone::Named(tz).date(begin) >= day);
            prop_assert!(Zone::Named(tz).date(begin.plus_ms(-1)) < day);
        }
    }
}
