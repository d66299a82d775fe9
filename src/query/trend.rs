//! A robust line through a value a day, what it scatters by, and the week's shape where that is plain.
//!
//! The line is Theil and Sen's (the median of the slopes between all pairs; P. K. Sen, 1968, "Estimates of the
//! regression coefficient based on Kendall's tau"), so that a few odd days do not turn it; its slope has Sen's interval
//! of 95 %. Must not know: what the values are of, requests, time zones.

/// Fewer days than these show no trend: a week.
pub const DAYS_MIN: usize = 7;
/// Fewer days than these show no weekly season: three of each.
const SEASON_DAYS_MIN: usize = 21;
/// The season counts from this strength on (1 − Var(remainder) / Var(season + remainder)): the limit of Hyndman and
/// Athanasopoulos, "Forecasting: Principles and Practice".
const SEASON_STRENGTH_MIN: f64 = 0.64;
/// At most this part of the days may be missing where a season is looked for: missing ones are put in on a line.
const MISSING_PART_MAX: f64 = 0.1;
/// A season is the mean of the last of its weeks.
const SEASON_WEEKS: usize = 4;
const WEEK: usize = 7;
/// Two-sided 95 % of the normal distribution.
const Z_95: f64 = 1.959_963_984_540_054;

/// A trend of values by day.
#[derive(Debug, Clone, PartialEq)]
pub struct Trend {
    /// Change a day.
    pub per_day: f64,
    /// The lower end of the slope's 95 % interval.
    pub per_day_low: f64,
    /// The upper end.
    pub per_day_high: f64,
    /// What days of the week are above the line by, day 0 first; None where no season is plain.
    pub weekly: Option<[f64; WEEK]>,
    centre_day: f64,
    level: f64,
    scatter_low: f64,
    scatter_high: f64,
}

/// A value that is expected of a day, and between what most lie.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Expected {
    /// Of the line, and of the day of the week.
    pub value: f64,
    /// With the lower slope, and the scatter that one in forty days exceeded.
    pub low: f64,
    /// With the upper slope, likewise.
    pub high: f64,
}

impl Trend {
    /// The trend of values by day, days rising; None for fewer than [`DAYS_MIN`].
    pub fn fit(days: &[(i64, f64)]) -> Option<Trend> {
        if days.len() < DAYS_MIN {
            return None;
        }
        let weekly = weekly(days);
        let points: Vec<(f64, f64)> =
            days.iter().map(|(day, value)| (as_f64(*day), value - weekday(weekly.as_ref(), *day))).collect();
        let mut slopes = Vec::with_capacity(points.len().saturating_mul(points.len()) / 2);
        for (index, (x, y)) in points.iter().enumerate() {
            slopes.extend(points.iter().skip(index + 1).map(|(later_x, later_y)| (later_y - y) / (later_x - x)));
        }
        slopes.sort_by(f64::total_cmp);
        let per_day = quantile(&slopes, 0.5)?;
        let (per_day_low, per_day_high) = interval(&slopes, points.len())?;
        let mut xs: Vec<f64> = points.iter().map(|(x, _)| *x).collect();
        let mut levels: Vec<f64> = points.iter().map(|(x, y)| y - per_day * x).collect();
        xs.sort_by(f64::total_cmp);
        levels.sort_by(f64::total_cmp);
        let (centre_day, at_zero) = (quantile(&xs, 0.5)?, quantile(&levels, 0.5)?);
        let level = at_zero + per_day * centre_day;
        let mut scatter: Vec<f64> = points.iter().map(|(x, y)| y - level - per_day * (x - centre_day)).collect();
        scatter.sort_by(f64::total_cmp);
        Some(Trend {
            per_day,
            per_day_low,
            per_day_high,
            weekly,
            centre_day,
            level,
            scatter_low: quantile(&scatter, 0.025)?,
            scatter_high: quantile(&scatter, 0.975)?,
        })
    }

    /// What is expected of a day.
    pub fn expected(&self, day: i64) -> Expected {
        let away = as_f64(day) - self.centre_day;
        let base = self.level + weekday(self.weekly.as_ref(), day);
        Expected {
            value: base + self.per_day * away,
            low: base + (self.per_day_low * away).min(self.per_day_high * away) + self.scatter_low,
            high: base + (self.per_day_low * away).max(self.per_day_high * away) + self.scatter_high,
        }
    }
}

/// Sen's 95 % interval of the median slope among sorted slopes of all pairs of `count` points.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "ranks among the slopes of at most some hundred points"
)]
fn interval(slopes: &[f64], count: usize) -> Option<(f64, f64)> {
    let (pairs, count) = (slopes.len() as f64, count as f64);
    let reach = Z_95 * (count * (count - 1.0) * (2.0 * count + 5.0) / 18.0).sqrt();
    let low = (((pairs - reach) / 2.0).floor() - 1.0).max(0.0) as usize;
    let high = (((pairs + reach) / 2.0).ceil().max(0.0) as usize).min(slopes.len().checked_sub(1)?);
    Some((*slopes.get(low)?, *slopes.get(high)?))
}

/// What the days of the week differ by, day 0 first; None where that is not plain.
#[expect(clippy::cast_precision_loss, reason = "a count of days")]
fn weekly(days: &[(i64, f64)]) -> Option<[f64; WEEK]> {
    let (first, last) = (days.first()?.0, days.last()?.0);
    let span = usize::try_from(last - first).ok()? + 1;
    let missing = span.saturating_sub(days.len());
    if days.len() < SEASON_DAYS_MIN || missing as f64 > MISSING_PART_MAX * span as f64 {
        return None;
    }
    let mut whole: Vec<f64> = Vec::with_capacity(span);
    for pair in days.windows(2) {
        let [(from, value), (to, next)] = pair else { continue };
        let gap = as_f64(to - from);
        whole.extend((0..to - from).map(|step| value + (next - value) * as_f64(step) / gap));
    }
    whole.push(days.last()?.1);
    let found = stlrs::Stl::params().robust(true).fit(&whole, WEEK).ok()?;
    if found.seasonal_strength() < SEASON_STRENGTH_MIN {
        return None;
    }
    let mut sums = [(0.0, 0_u32); WEEK];
    for (offset, season) in found.seasonal().iter().enumerate().rev().take(SEASON_WEEKS * WEEK) {
        let day = first + i64::try_from(offset).ok()?;
        let (sum, count) = sums.get_mut(day_of_week(day))?;
        *sum += season;
        *count += 1;
    }
    Some(sums.map(|(sum, count)| sum / f64::from(count.max(1))))
}

fn weekday(weekly: Option<&[f64; WEEK]>, day: i64) -> f64 {
    weekly.and_then(|weekly| weekly.get(day_of_week(day)).copied()).unwrap_or(0.0)
}

fn day_of_week(day: i64) -> usize {
    usize::try_from(day.rem_euclid(7)).unwrap_or(0)
}

#[expect(clippy::cast_precision_loss, reason = "days since 1970 lie far below 2^53")]
fn as_f64(days: i64) -> f64 {
    days as f64
}

/// The value below which a part of sorted values lies, linear between ranks.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a rank within a list that fits memory"
)]
fn quantile(sorted: &[f64], part: f64) -> Option<f64> {
    let rank = part * sorted.len().checked_sub(1)? as f64;
    let (below, above) = (sorted.get(rank.floor() as usize)?, sorted.get(rank.ceil() as usize)?);
    Some(below + (above - below) * rank.fract())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(found: f64, expected: f64) {
        assert!((found - expected).abs() < 1e-9, "{found} is not {expected}");
    }

    #[test]
    fn a_line_is_found_and_goes_on() {
        let days: Vec<_> = (0..30).map(|day| (20_000 + day, 10.0 + 0.5 * as_f64(day))).collect();
        let trend = Trend::fit(&days).unwrap();
        near(trend.per_day, 0.5);
        near(trend.per_day_low, 0.5);
        near(trend.per_day_high, 0.5);
        assert_eq!(trend.weekly, None);
        let later = trend.expected(20_100);
        near(later.value, 60.0);
        near(later.low, 60.0);
        near(later.high, 60.0);
    }

    #[test]
    fn odd_days_do_not_turn_it() {
        let mut days: Vec<_> = (0..30).map(|day| (day, 10.0 + 0.5 * as_f64(day))).collect();
        for odd in [3, 14, 27] {
            days[odd].1 = 1000.0;
        }
        near(Trend::fit(&days).unwrap().expected(60).value, 40.0);
    }

    #[test]
    fn holes_do_not_matter_and_a_few_days_are_no_trend() {
        let days: Vec<_> = [0, 1, 5, 6, 20, 21, 40].map(|day| (day, 3.0 * as_f64(day))).to_vec();
        near(Trend::fit(&days).unwrap().per_day, 3.0);
        assert_eq!(Trend::fit(&days[1..]), None);
    }

    #[test]
    fn the_slope_has_sens_interval() {
        // Seven values by hand: 21 slopes, of which the interval leaves out two at either end ((21 ± 1.96 × 6.658) / 2).
        let values = [0.0, 1.0, 1.0, 3.0, 5.0, 4.0, 6.0];
        let days: Vec<_> = (0..7).zip(values).collect();
        let trend = Trend::fit(&days).unwrap();
        let mut slopes = Vec::new();
        for i in 0..7 {
            for j in i + 1..7 {
                slopes.push((values[j] - values[i]) / (j - i) as f64);
            }
        }
        slopes.sort_by(f64::total_cmp);
        near(trend.per_day, slopes[10]);
        near(trend.per_day_low, slopes[2]);
        near(trend.per_day_high, slopes[18]);
    }

    #[test]
    fn a_plain_week_is_told_from_the_trend() {
        // Day 0 is a Thursday: Saturdays and Sundays lie 8 lower.
        let weekend = |day: i64| if [2, 3].contains(&day.rem_euclid(7)) { -8.0 } else { 0.0 };
        let days: Vec<_> = (0..35).map(|day| (day, 20.0 + 0.1 * as_f64(day) + weekend(day))).collect();
        let trend = Trend::fit(&days).unwrap();
        assert!(trend.weekly.is_some());
        assert!((trend.per_day - 0.1).abs() < 0.01, "{trend:?}");
        for day in 36..50 {
            let expected = 20.0 + 0.1 * as_f64(day) + weekend(day);
            assert!((trend.expected(day).value - expected).abs() < 0.5, "{day}: {:?}", trend.expected(day));
        }
    }

    #[test]
    fn noise_is_no_week_and_the_band_holds_most_of_it() {
        // A fixed sequence that looks random.
        let noise = |day: i64| ((day * 7919 + 13) * 104_729 % 1009) as f64 / 1009.0;
        let days: Vec<_> = (0..60).map(|day| (day, 5.0 + noise(day))).collect();
        let trend = Trend::fit(&days).unwrap();
        assert_eq!(trend.weekly, None);
        assert!(trend.per_day_low <= 0.0 && trend.per_day_high >= 0.0, "{trend:?}");
        let inside = days.iter().filter(|(day, value)| {
            let expected = trend.expected(*day);
            (expected.low..=expected.high).contains(value)
        });
        assert!(inside.count() >= 55);
    }
}
