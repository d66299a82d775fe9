//! Times and durations as people and programs write them.

use chrono::{NaiveDate, NaiveDateTime, NaiveTime};

use crate::model::Timestamp;
use crate::query::civil::SECOND_MS;

use super::Zone;
use super::known::{nearest, shown};

/// Unix numbers from here on are milliseconds, below seconds. As seconds it is the year 5138, as milliseconds
/// March 1973: no time that was recorded can be meant the other way.
const UNIX_MS_FROM: i64 = 100_000_000_000;

/// What a time may look like, for messages.
const TIME_FORMS: &str = "times look like 2026-08-21T13:05:00Z, 2026-08-21, 2026-08, 1787281800 (Unix seconds or \
                          milliseconds), now, -6h, now-1d";
/// What a duration may look like, for messages.
const DURATION_FORMS: &str = "durations are whole numbers with units, such as 30s, 5m, 1h, 1d, 1w, 1h30m";

/// The instant that a text means. Civil times without an offset are in `zone`; a partial date means its start.
///
/// Understood are RFC 3339 with any offset (fractions are cut to milliseconds), partial dates down to a year,
/// Unix seconds (with decimals) and milliseconds, told apart at [`UNIX_MS_FROM`], `now`, and `now` or
/// nothing followed by a signed duration. Four digits are a year. A `+` that arrives as a space is one.
pub(crate) fn parse_time(text: &str, now: Timestamp, zone: Zone) -> Result<Timestamp, String> {
    let at = if let Some(relative) = parse_relative(text, now) {
        relative?
    } else if is_unix(text) {
        parse_unix(text)?
    } else {
        parse_civil(text, zone)?
    };
    if at < Timestamp::MIN || at > Timestamp::MAX {
        return Err(format!("`{}` lies outside 0000-01-01 to 9999-12-31", shown(text)));
    }
    Ok(at)
}

/// `now`, `now-1d`, `-6h`, `+1h`; None where the text is none of these.
fn parse_relative(text: &str, now: Timestamp) -> Option<Result<Timestamp, String>> {
    let offset = match text.strip_prefix("now") {
        Some("") => return Some(Ok(now)),
        Some(offset) => offset,
        None => text,
    };
    let (later, duration) = match offset.chars().next()? {
        '-' => (-1, offset.get(1..)?),
        '+' | ' ' => (1, offset.get(1..)?),
        _ => return None,
    };
    Some(parse_duration(duration).map(|ms| now.plus_ms(ms.saturating_mul(later))).map_err(|why| {
        if duration.bytes().all(|b| b.is_ascii_digit() || b == b'.') && !duration.is_empty() {
            format!("`{}` has no unit; write {}s for seconds from now", shown(text), shown(text))
        } else {
            why
        }
    }))
}

/// Whether a text is a number and no year.
fn is_unix(text: &str) -> bool {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    is_number(whole) && is_number(fraction) && !(text.len() == 4 && whole.len() == 4)
}

/// Unix seconds, with decimals or without, or milliseconds.
fn parse_unix(text: &str) -> Result<Timestamp, String> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if let (8, Ok(date)) = (text.len(), NaiveDate::parse_from_str(text, "%Y%m%d"))
        && (text.starts_with("19") || text.starts_with("20"))
    {
        // As Unix seconds it would quietly be some day of 1970.
        return Err(format!("`{text}` reads as Unix seconds; for a date write {date}"));
    }
    let too_large = || format!("`{}` is too large; Unix times are in seconds or milliseconds", shown(text));
    let number: i64 = whole.parse().map_err(|_| too_large())?;
    if number > Timestamp::MAX.ms() {
        return Err(too_large());
    }
    if number >= UNIX_MS_FROM {
        return Ok(Timestamp::from_ms(number));
    }
    let ms = milliseconds_of(fraction).ok_or_else(too_large)?;
    Ok(Timestamp::from_ms(number.saturating_mul(SECOND_MS).saturating_add(i64::from(ms))))
}

/// RFC 3339, or a date or time with its smaller parts left out, in `zone` where it has no offset.
fn parse_civil(text: &str, zone: Zone) -> Result<Timestamp, String> {
    let civil = Civil::read(text)?;
    Ok(match civil.ahead_ms {
        None => zone.instant(civil.local),
        Some(ahead_ms) => Zone::Utc.instant(civil.local).plus_ms(ahead_ms.saturating_neg()),
    })
}

/// A full RFC 3339 time, seconds and offset included.
pub(crate) fn parse_rfc3339(text: &str) -> Option<Timestamp> {
    let civil = Civil::read(text).ok().filter(|civil| civil.has_seconds)?;
    Some(Zone::Utc.instant(civil.local).plus_ms(civil.ahead_ms?.saturating_neg()))
}

/// What a civil time says.
struct Civil {
    local: NaiveDateTime,
    has_seconds: bool,
    /// How far its clock is ahead of UTC, where it says so.
    ahead_ms: Option<i64>,
}

impl Civil {
    fn read(text: &str) -> Result<Civil, String> {
        let malformed = || match nearest(text, ["now"]) {
            Some(near) => format!("`{}` is no time; did you mean `{near}`?", shown(text)),
            None => format!("`{}` is no time; {TIME_FORMS}", shown(text)),
        };
        let mut rest = Rest(text);
        let year = rest.digits(4).and_then(|year| i32::try_from(year).ok()).ok_or_else(malformed)?;
        let (mut month, mut day, mut time, mut has_seconds, mut ahead_ms) = (1, 1, NaiveTime::MIN, false, None);
        if rest.take(&['-']) {
            month = rest.digits(2).ok_or_else(malformed)?;
            if rest.take(&['-']) {
                day = rest.digits(2).ok_or_else(malformed)?;
                if rest.take(&['T', 't', ' ']) {
                    (time, has_seconds) = rest.time().ok_or_else(malformed)?;
                    if !rest.0.is_empty() {
                        ahead_ms = Some(rest.offset_ms().ok_or_else(malformed)?);
                    }
                }
            }
        }
        if !rest.0.is_empty() {
            return Err(malformed());
        }
        let date = NaiveDate::from_ymd_opt(year, month, day)
            .ok_or_else(|| format!("`{}` is no date: there is no such month or day", shown(text)))?;
        Ok(Civil { local: date.and_time(time), has_seconds, ahead_ms })
    }
}

/// What is left to read of a text.
struct Rest<'a>(&'a str);

impl Rest<'_> {
    /// One of these characters, if it comes next.
    fn take(&mut self, any: &[char]) -> bool {
        let rest = self.0.strip_prefix(any);
        self.0 = rest.unwrap_or(self.0);
        rest.is_some()
    }

    /// Exactly so many digits.
    fn digits(&mut self, count: usize) -> Option<u32> {
        let (digits, rest) = self.0.split_at_checked(count)?;
        if !digits.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        self.0 = rest;
        digits.parse().ok()
    }

    /// HH, HH:MM, HH:MM:SS or HH:MM:SS.fraction, the fraction cut to milliseconds, and whether it has seconds.
    /// Second 60, a leap second, is the last millisecond of its minute.
    fn time(&mut self) -> Option<(NaiveTime, bool)> {
        let (hour, mut minute, mut second, mut ms, mut has_seconds) = (self.digits(2)?, 0, 0, 0, false);
        if self.take(&[':']) {
            minute = self.digits(2)?;
            if self.take(&[':']) {
                second = self.digits(2)?;
                has_seconds = true;
                if self.take(&['.']) {
                    let digits = self.0.bytes().take_while(u8::is_ascii_digit).count();
                    let (fraction, rest) = self.0.split_at_checked(digits).filter(|_| digits > 0)?;
                    ms = milliseconds_of(fraction)?;
                    self.0 = rest;
                }
            }
        }
        if second == 60 {
            (second, ms) = (59, 999);
        }
        Some((NaiveTime::from_hms_milli_opt(hour, minute, second, ms)?, has_seconds))
    }

    /// `Z`, `+02:00`, `+0200`, `+02`, with a space for the plus.
    fn offset_ms(&mut self) -> Option<i64> {
        if self.take(&['Z', 'z']) {
            return Some(0);
        }
        let sign = match (self.take(&['-']), self.take(&['+', ' '])) {
            (true, false) => -1,
            (false, true) => 1,
            _ => return None,
        };
        let (hours, mut minutes) = (self.digits(2)?, 0);
        if self.take(&[':']) || !self.0.is_empty() {
            minutes = self.digits(2)?;
        }
        let seconds = i64::from(hours).saturating_mul(3_600).saturating_add(i64::from(minutes).saturating_mul(60));
        (hours < 24 && minutes < 60).then_some(seconds.saturating_mul(SECOND_MS).saturating_mul(sign))
    }
}

/// The first three digits of a fraction of a second.
fn milliseconds_of(fraction: &str) -> Option<u32> {
    fraction.chars().chain("000".chars()).take(3).collect::<String>().parse().ok()
}

/// A duration in milliseconds: whole numbers with units, largest first or not, such as `30s` or `1h30m`.
pub(crate) fn parse_duration(text: &str) -> Result<i64, String> {
    let malformed = || format!("`{}` is no duration; {DURATION_FORMS}", shown(text));
    let mut rest = text;
    let mut total_ms: i64 = 0;
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (number, after) = rest.split_at_checked(digits).filter(|_| digits > 0).ok_or_else(malformed)?;
        let letters = after.bytes().take_while(u8::is_ascii_alphabetic).count();
        let (unit, after) = after.split_at_checked(letters).ok_or_else(malformed)?;
        let unit_ms: i64 = match unit {
            "ms" => 1,
            "s" => SECOND_MS,
            "m" => 60 * SECOND_MS,
            "h" => 3_600 * SECOND_MS,
            "d" => 86_400 * SECOND_MS,
            "w" => 7 * 86_400 * SECOND_MS,
            "" if after.is_empty() => return Err(format!("`{}` has no unit; {DURATION_FORMS}", shown(text))),
            "" => return Err(malformed()),
            _ => return Err(format!("`{}` is no unit of time; units are ms, s, m, h, d, w", shown(unit))),
        };
        let amount = number.parse::<i64>().ok().and_then(|number| number.checked_mul(unit_ms));
        total_ms = amount
            .and_then(|amount| total_ms.checked_add(amount))
            .ok_or_else(|| format!("`{}` is longer than all of time", shown(text)))?;
        rest = after;
    }
    if text.is_empty() { Err(malformed()) } else { Ok(total_ms) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::query::civil::{format_bucket_time, format_instant};

    const NOW: Timestamp = Timestamp::from_ms(1_787_281_800_000); // 2026-08-21T03:10:00Z

    fn berlin() -> Zone {
        Zone::Named(chrono_tz::Europe::Berlin)
    }

    fn check(text: &str, expected: &str) {
        let at = parse_time(text, NOW, Zone::Utc).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(format_bucket_time(at, Zone::Utc), expected, "{text}");
    }

    fn refused(text: &str, says: &str) {
        let error = parse_time(text, NOW, Zone::Utc).expect_err(text);
        assert!(error.contains(says), "{text}: {error}");
    }

    #[test]
    fn times_are_rfc_3339_with_any_offset_and_fraction() {
        check("2026-08-21T13:00:00Z", "2026-08-21T13:00:00Z");
        check("2026-08-21t13:00:00z", "2026-08-21T13:00:00Z");
        check("2026-08-21T13:00:00+02:00", "2026-08-21T11:00:00Z");
        check("2026-08-21T13:00:00-0530", "2026-08-21T18:30:00Z");
        check("2026-08-21T13:00:00.5Z", "2026-08-21T13:00:00.500Z");
        check("2026-08-21T13:00:00.123456789Z", "2026-08-21T13:00:00.123Z");
        check("2016-12-31T23:59:60Z", "2016-12-31T23:59:59.999Z");
    }

    #[test]
    fn a_plus_that_became_a_space_is_understood() {
        check("2026-08-21T13:00:00 02:00", "2026-08-21T11:00:00Z");
        check("now 1h", "2026-08-21T04:10:00Z");
        check("2026-08-21 13:00", "2026-08-21T13:00:00Z");
    }

    #[test]
    fn partial_dates_mean_their_start() {
        check("2026", "2026-01-01T00:00:00Z");
        check("2026-08", "2026-08-01T00:00:00Z");
        check("2026-08-21", "2026-08-21T00:00:00Z");
        check("2026-08-21T13", "2026-08-21T13:00:00Z");
        check("2026-08-21T13:05", "2026-08-21T13:05:00Z");
        check("2026-08-21T13Z", "2026-08-21T13:00:00Z");
    }

    #[test]
    fn civil_times_without_offset_are_in_tz() {
        let at = |text| format_bucket_time(parse_time(text, NOW, berlin()).unwrap(), Zone::Utc);
        assert_eq!(at("2026-08-21"), "2026-08-20T22:00:00Z");
        assert_eq!(at("2026-01"), "2025-12-31T23:00:00Z");
        assert_eq!(at("2026-08-21T13:05"), "2026-08-21T11:05:00Z");
        assert_eq!(at("2026-08-21T13:05:00Z"), "2026-08-21T13:05:00Z");
        // 02:30 came twice in October and not at all in March.
        assert_eq!(at("2026-10-25T02:30"), "2026-10-25T00:30:00Z");
        assert_eq!(at("2026-03-29T02:30"), "2026-03-29T01:00:00Z");
    }

    #[test]
    fn unix_seconds_and_milliseconds_are_told_apart_by_magnitude() {
        check("1787281800", "2026-08-21T03:10:00Z");
        check("1787281800.25", "2026-08-21T03:10:00.250Z");
        check("1787281800000", "2026-08-21T03:10:00Z");
        check("1787281800000.9", "2026-08-21T03:10:00Z");
        check("0", "1970-01-01T00:00:00Z");
        check("100000000000", "1973-03-03T09:46:40Z");
        check("99999999999", "5138-11-16T09:46:39Z");
        refused("1787281800000000", "too large; Unix times are in seconds or milliseconds");
        refused("99999999999999999999999", "too large");
        refused("20260821", "for a date write 2026-08-21");
    }

    #[test]
    fn now_and_what_is_relative_to_it() {
        check("now", "2026-08-21T03:10:00Z");
        check("-6h", "2026-08-20T21:10:00Z");
        check("now-1d", "2026-08-20T03:10:00Z");
        check("now-1h30m", "2026-08-21T01:40:00Z");
        check("now+5m", "2026-08-21T03:15:00Z");
        refused("-3600", "write -3600s");
        refused("now-", "is no duration");
        refused("now-1x", "`x` is no unit of time");
        refused("-999999w", "outside 0000-01-01");
        refused("-9223372036854775807ms", "outside");
    }

    #[test]
    fn what_is_no_time_is_told_what_one_looks_like() {
        for text in
            ["", "yesterday", "2026-8-1", "2026-08-21T", "2026-08-21X", "21.08.2026", "1e9", "2026-08-21T13:00:00+2"]
        {
            refused(text, "times look like");
        }
        refused("noww", "did you mean `now`?");
        refused("2026-02-30", "no such month or day");
        refused("2026-13", "no such month or day");
        refused("2026-08-21T25:00", "is no time");
        refused("9999-12-31T13", "outside");
        refused("0000-01-01T00:00:00+05:00", "outside");
    }

    #[test]
    fn durations_are_numbers_with_units() {
        let check = |text: &str, ms: i64| assert_eq!(parse_duration(text), Ok(ms), "{text}");
        check("30s", 30_000);
        check("5m", 300_000);
        check("1h", 3_600_000);
        check("1d", 86_400_000);
        check("1w", 604_800_000);
        check("1h30m", 5_400_000);
        check("500ms", 500);
        check("0s", 0);
        for text in ["", "h", "1.5h", "-5m", "5 m", "5m3"] {
            assert!(parse_duration(text).unwrap_err().contains("such as 30s"), "{text}");
        }
        assert!(parse_duration("9999999999999999w").unwrap_err().contains("longer than all of time"));
    }

    #[test]
    fn full_times_are_told_from_partial_ones() {
        assert!(parse_rfc3339("2026-08-21T13:00:00Z").is_some());
        assert!(parse_rfc3339("2026-08-21T13:00:00.123+02:00").is_some());
        assert!(parse_rfc3339("2026-08-21T13:00:00").is_none());
        assert!(parse_rfc3339("2026-08-21T13:00:00.123").is_none());
        assert!(parse_rfc3339("2026-08-21").is_none());
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "\\PC*", near in "[-+ :.0-9TZnowhms]{0,30}") {
            for text in [text, near] {
                let _ = parse_time(&text, NOW, berlin());
                let _ = parse_rfc3339(&text);
                let _ = parse_duration(&text);
            }
        }

        #[test]
        fn printed_times_are_understood(
            ms in Timestamp::MIN.ms()..=Timestamp::MAX.ms(),
            tz in proptest::sample::select(chrono_tz::TZ_VARIANTS.to_vec()),
        ) {
            let at = Timestamp::from_ms(ms);
            for zone in [Zone::Utc, Zone::Named(tz)] {
                prop_assert_eq!(parse_time(&format_instant(at, zone), NOW, berlin()), Ok(at));
                prop_assert_eq!(parse_time(&format_bucket_time(at, zone), NOW, berlin()), Ok(at));
                prop_assert_eq!(parse_rfc3339(&format_instant(at, zone)), Some(at));
            }
        }
    }
}
