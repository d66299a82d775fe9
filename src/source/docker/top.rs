//! One reply of `containers/{id}/top`: what `ps` printed, its columns found by their titles.
//!
//! Engines run the `ps` of their machine (podman that of the container), whose columns differ: procps by its options,
//! busybox by nothing, podman's own with times as Go writes them. Pure. Must not know: which processes are kept.

use chrono::{Datelike as _, Duration, NaiveDate, NaiveDateTime};
use serde::Deserialize;

/// A process, as far as `ps` told of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Process {
    pub(super) pid: Box<str>,
    pub(super) user: Option<String>,
    /// The whole command line.
    pub(super) command: String,
    /// Tenths of a percent of one core, over its whole life.
    pub(super) cpu_percent_tenths: Option<i64>,
    pub(super) rss_bytes: Option<i64>,
    pub(super) virtual_bytes: Option<i64>,
    pub(super) cpu_ms: Option<i64>,
    pub(super) start: Option<Start>,
}

/// When a process started, as `ps` tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Start {
    /// Within the last day: hour and minute.
    Clock(u32, u32),
    /// Before: month and day.
    Day(u32, u32),
    /// Long before.
    Year(i32),
    /// So long ago, in milliseconds.
    Ago(i64),
}

/// The stretch in which a process started, by the engine's own clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Window {
    pub(super) from: NaiveDateTime,
    pub(super) until: NaiveDateTime,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Reply {
    #[serde(default)]
    titles: Option<Vec<String>>,
    #[serde(default)]
    processes: Option<Vec<Vec<String>>>,
}

/// Reads a reply. Rows without a number are left out; podman gives an empty body for a container that ended.
pub(super) fn parse(body: &[u8]) -> Result<Vec<Process>, serde_json::Error> {
    if body.iter().all(u8::is_ascii_whitespace) {
        return Ok(Vec::new());
    }
    let reply: Reply = serde_json::from_slice(body)?;
    let (titles, rows) = (reply.titles.unwrap_or_default(), reply.processes.unwrap_or_default());
    // Podman hands over the lines of a container's own ps as they are.
    let is_unsplit = titles.len() == 1 && titles.iter().any(|title| title.split_whitespace().count() > 1);
    let titles = if is_unsplit { words(&titles.concat(), usize::MAX) } else { titles };
    let columns = Columns::of(&titles);
    let rows = rows.into_iter().map(|row| if is_unsplit { words(&row.concat(), titles.len()) } else { row });
    Ok(rows.filter_map(|row| columns.process(&row)).collect())
}

/// At most so many words of a line; the last is all that is left.
fn words(line: &str, count: usize) -> Vec<String> {
    let mut words = Vec::new();
    let mut rest = line.trim();
    while !rest.is_empty() {
        if words.len().saturating_add(1) >= count {
            words.push(rest.to_owned());
            break;
        }
        let (word, after) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
        words.push(word.to_owned());
        rest = after.trim_start();
    }
    words
}

/// Where which column stands.
struct Columns {
    pid: Option<usize>,
    user: Option<usize>,
    percent: Option<usize>,
    rss: Option<usize>,
    virtual_size: Option<usize>,
    time: Option<usize>,
    start: Option<usize>,
    command: Option<usize>,
}

impl Columns {
    fn of(titles: &[String]) -> Columns {
        let at = |names: &[&str]| {
            names.iter().find_map(|name| titles.iter().position(|title| title.trim().eq_ignore_ascii_case(name)))
        };
        Columns {
            pid: at(&["pid", "hpid"]),
            user: at(&["user", "uid", "ruser"]),
            percent: at(&["%cpu", "pcpu", "c"]),
            rss: at(&["rss"]),
            virtual_size: at(&["vsz", "size"]),
            time: at(&["time", "cputime"]),
            start: at(&["start", "stime", "started", "elapsed"]),
            command: at(&["command", "cmd", "args", "comm"]),
        }
    }

    fn process(&self, row: &[String]) -> Option<Process> {
        let cell = |at: Option<usize>| at.and_then(|at| row.get(at)).map(|cell| cell.trim());
        let pid = cell(self.pid).filter(|pid| !pid.is_empty() && pid.bytes().all(|byte| byte.is_ascii_digit()))?;
        let user = cell(self.user).filter(|user| !user.is_empty() && *user != "?");
        Some(Process {
            pid: pid.into(),
            user: user.map(str::to_owned),
            command: cell(self.command).unwrap_or_default().to_owned(),
            cpu_percent_tenths: cell(self.percent).and_then(tenths),
            rss_bytes: cell(self.rss).and_then(size),
            virtual_bytes: cell(self.virtual_size).and_then(size),
            cpu_ms: cell(self.time).and_then(duration_ms),
            start: cell(self.start).and_then(start),
        })
    }
}

/// A decimal in tenths: `4.4`, `12`, podman's `0.123`.
fn tenths(text: &str) -> Option<i64> {
    let (whole, part) = text.trim_end_matches('%').split_once('.').unwrap_or((text.trim_end_matches('%'), "0"));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let tenth = part.get(..1).filter(|_| digits(part))?;
    whole.parse::<i64>().ok().filter(|_| digits(whole))?.checked_mul(10)?.checked_add(tenth.parse().ok()?)
}

/// A size: KiB as procps prints it, or with a unit (`1.6m`) as busybox does for large ones.
fn size(text: &str) -> Option<i64> {
    let (number, shift) = match text.as_bytes().last()? {
        b'k' | b'K' => (text.get(..text.len() - 1)?, 10),
        b'm' | b'M' => (text.get(..text.len() - 1)?, 20),
        b'g' | b'G' => (text.get(..text.len() - 1)?, 30),
        b't' | b'T' => (text.get(..text.len() - 1)?, 40),
        _ => (text, 10),
    };
    let tenths = tenths(number)?;
    tenths.checked_mul(1_i64 << shift).map(|scaled| scaled / 10)
}

/// A length of time in milliseconds: `0:02`, `123:45` (minutes), `00:00:01`, `1-02:03:04`, or as Go writes it, `3m5.1s`.
fn duration_ms(text: &str) -> Option<i64> {
    if text.ends_with('s') {
        return go_duration_ms(text);
    }
    let (days, clock) = match text.split_once('-') {
        Some((days, clock)) => (days.parse::<i64>().ok()?, clock),
        None => (0, text),
    };
    let parts = clock.split(':').map(|part| part.parse::<i64>().ok().filter(|part| *part >= 0));
    let parts = parts.collect::<Option<Vec<i64>>>().filter(|parts| (2..=3).contains(&parts.len()))?;
    let seconds = parts.into_iter().try_fold(0_i64, |sum, part| sum.checked_mul(60)?.checked_add(part))?;
    days.checked_mul(86_400)?.checked_add(seconds)?.checked_mul(1_000).filter(|ms| *ms >= 0)
}

fn go_duration_ms(text: &str) -> Option<i64> {
    let mut sum: i64 = 0;
    let mut rest = text;
    while !rest.is_empty() {
        let end = rest.find(|letter: char| letter.is_ascii_alphabetic() || letter == 'µ')?;
        let (number, after) = rest.split_at(end);
        let unit_end = after.find(|letter: char| letter.is_ascii_digit()).unwrap_or(after.len());
        let (unit, after) = after.split_at(unit_end);
        let unit_ms = match unit {
            "h" => 3_600_000,
            "m" => 60_000,
            "s" => 1_000,
            "ms" => 1,
            "µs" | "us" | "ns" => 0,
            _ => return None,
        };
        let (whole, part) = number.split_once('.').unwrap_or((number, ""));
        let mut ms = whole.parse::<i64>().ok()?.checked_mul(unit_ms)?;
        let thousandths: String = part.chars().chain("000".chars()).take(3).collect();
        ms = ms.checked_add(thousandths.parse::<i64>().ok()?.checked_mul(unit_ms)? / 1_000)?;
        sum = sum.checked_add(ms)?;
        rest = after;
    }
    Some(sum).filter(|ms| *ms >= 0)
}

fn start(text: &str) -> Option<Start> {
    const MONTHS: [&str; 12] = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
    if text.ends_with('s') {
        return go_duration_ms(text).map(Start::Ago);
    }
    if let Some((hour, minute)) = text.split_once(':') {
        // `started` has seconds where it is asked for.
        let minute = minute.split(':').next()?;
        let (hour, minute) = (hour.parse().ok()?, minute.parse().ok()?);
        return (hour < 24 && minute < 60).then_some(Start::Clock(hour, minute));
    }
    if let Some((month, day)) = text.get(..3).zip(text.get(3..)) {
        let month = MONTHS.iter().position(|name| name.eq_ignore_ascii_case(month));
        if let Some(month) = month {
            let month = u32::try_from(month).ok()?.checked_add(1)?;
            return Some(Start::Day(month, day.trim().parse().ok()?));
        }
    }
    text.parse().ok().filter(|year| (1970..10_000).contains(year)).map(Start::Year)
}

/// A minute that the engine's clock may be behind what was computed of it.
const AHEAD: Duration = Duration::minutes(2);

impl Window {
    /// When a process started that tells it so now.
    pub(super) fn of(start: Start, now: NaiveDateTime) -> Option<Window> {
        let minute = Duration::minutes(1);
        match start {
            Start::Clock(hour, minute_of) => {
                let today = now.date().and_hms_opt(hour, minute_of, 0)?;
                let from = if today <= now.checked_add_signed(AHEAD)? {
                    today
                } else {
                    today.checked_sub_signed(Duration::days(1))?
                };
                Some(Window { from, until: from.checked_add_signed(minute)? })
            }
            Start::Day(month, day) => {
                let this_year = NaiveDate::from_ymd_opt(now.year(), month, day)?.and_hms_opt(0, 0, 0);
                let from = match this_year {
                    Some(from) if from <= now.checked_add_signed(AHEAD)? => from,
                    _ => NaiveDate::from_ymd_opt(now.year().checked_sub(1)?, month, day)?.and_hms_opt(0, 0, 0)?,
                };
                Some(Window { from, until: from.checked_add_signed(Duration::days(1))? })
            }
            Start::Year(year) => Some(Window {
                from: NaiveDate::from_ymd_opt(year, 1, 1)?.and_hms_opt(0, 0, 0)?,
                until: NaiveDate::from_ymd_opt(year.checked_add(1)?, 1, 1)?.and_hms_opt(0, 0, 0)?,
            }),
            Start::Ago(ms) => {
                let then = now.checked_sub_signed(Duration::milliseconds(ms))?;
                let from = then
                    .checked_sub_signed(Duration::milliseconds(then.and_utc().timestamp_millis().rem_euclid(60_000)))?;
                Some(Window { from, until: from.checked_add_signed(minute)? })
            }
        }
    }

    /// Whether both can be the same start: clocks and their rounding may differ by a minute.
    pub(super) fn agrees(self, other: Window) -> bool {
        let slack = Duration::minutes(1);
        self.from < other.until.checked_add_signed(slack).unwrap_or(other.until)
            && other.from < self.until.checked_add_signed(slack).unwrap_or(self.until)
    }

    /// As it stands in the identity: as exact as it is known.
    pub(super) fn text(self) -> String {
        let length = self.until.signed_duration_since(self.from);
        let format = if length > Duration::days(1) {
            "%Y"
        } else if length > Duration::minutes(1) {
            "%Y-%m-%d"
        } else {
            "%Y-%m-%dT%H:%M"
        };
        self.from.format(format).to_string()
    }

    /// What [`Window::text`] means; None where a process' start was not told.
    pub(super) fn parse(text: &str) -> Option<Window> {
        let midnight = |date: NaiveDate| date.and_hms_opt(0, 0, 0);
        if let Ok(from) = NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M") {
            return Some(Window { from, until: from.checked_add_signed(Duration::minutes(1))? });
        }
        if let Ok(date) = NaiveDate::parse_from_str(text, "%Y-%m-%d") {
            let from = midnight(date)?;
            return Some(Window { from, until: from.checked_add_signed(Duration::days(1))? });
        }
        Window::of(Start::Year(text.parse().ok()?), NaiveDateTime::default())
    }
}

#[cfg(test)]
mod tests;
