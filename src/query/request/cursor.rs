//! Cursors: where the next page begins, as text that a reader of a CSV can put together by hand.
//!
//! Parts are joined as a CSV record: with commas, quoted where a part holds a comma, a quote or a line break.

use crate::model::{Identity, Kind, Timestamp};
use crate::query::civil::format_instant;

use super::Zone;
use super::known::{listed, shown};
use super::time::parse_rfc3339;

/// The cursor after a sample: identity, then time.
pub fn samples_cursor(identity: &Identity, at: Timestamp) -> String {
    let time = format_instant(at, Zone::Utc);
    join(identity.parts().iter().map(AsRef::as_ref).chain([time.as_str()]))
}

/// The cursor after an entity: its identity.
pub fn entities_cursor(identity: &Identity) -> String {
    join(identity.parts().iter().map(AsRef::as_ref))
}

/// The cursor after an event: its time and its place among those of that time.
pub fn events_cursor(at: Timestamp, sequence: u64) -> String {
    format!("{},{sequence}", format_instant(at, Zone::Utc))
}

/// Reads what [`samples_cursor`] wrote; the time may have any offset, as a line has under `tz`.
pub(super) fn parse_samples_cursor(kind: &Kind, text: &str) -> Result<(Identity, Timestamp), String> {
    let form = || format!("{},time", identity_form(kind));
    let mut parts = split(text).ok_or_else(|| malformed(text, &form()))?;
    let time = parts.pop().unwrap_or_default();
    if parts.len() != kind.identity.len() {
        return Err(malformed(text, &form()));
    }
    let at = parse_rfc3339(&time)
        .ok_or_else(|| format!("`{}` is no time of a line, such as 2026-08-21T03:10:00.000Z", shown(&time)))?;
    Ok((Identity::new(parts), at))
}

/// Reads what [`entities_cursor`] wrote.
pub(super) fn parse_entities_cursor(kind: &Kind, text: &str) -> Result<Identity, String> {
    let parts = split(text).filter(|parts| parts.len() == kind.identity.len());
    parts.map(Identity::new).ok_or_else(|| malformed(text, &identity_form(kind)))
}

/// Reads what [`events_cursor`] wrote.
pub(super) fn parse_events_cursor(text: &str) -> Result<(Timestamp, u64), String> {
    let parts = text.split_once(',').and_then(|(time, sequence)| {
        let is_number = sequence.bytes().all(|b| b.is_ascii_digit());
        parse_rfc3339(time).zip(sequence.parse().ok().filter(|_| is_number))
    });
    parts.ok_or_else(|| malformed(text, "time,sequence"))
}

fn identity_form(kind: &Kind) -> String {
    listed(&kind.identity.iter().map(|key| key.name).collect::<Vec<_>>()).replace(", ", ",")
}

fn malformed(text: &str, form: &str) -> String {
    format!("`{}` is not {form} as CSV; take it from the last complete line or from `next`", shown(text))
}

/// Parts as one CSV record.
fn join<'a>(parts: impl Iterator<Item = &'a str>) -> String {
    let mut joined = String::new();
    for (index, part) in parts.enumerate() {
        if index > 0 {
            joined.push(',');
        }
        if part.contains([',', '"', '\r', '\n']) {
            joined.push('"');
            joined.push_str(&part.replace('"', "\"\""));
            joined.push('"');
        } else {
            joined.push_str(part);
        }
    }
    joined
}

/// The parts of one CSV record; None where quotes do not match. Stricter than the `csv` crate, which mends such
/// records: a cursor cut short must not resume somewhere else.
fn split(text: &str) -> Option<Vec<String>> {
    let mut parts = Vec::new();
    let mut rest = text;
    loop {
        let mut part = String::new();
        if let Some(mut quoted) = rest.strip_prefix('"') {
            loop {
                let (inside, after) = quoted.split_once('"')?;
                part.push_str(inside);
                let Some(more) = after.strip_prefix('"') else {
                    rest = after;
                    break;
                };
                part.push('"');
                quoted = more;
            }
        } else {
            let end = rest.find([',', '"', '\r', '\n']).unwrap_or(rest.len());
            let (plain, after) = rest.split_at_checked(end)?;
            part.push_str(plain);
            rest = after;
        }
        parts.push(part);
        match rest.strip_prefix(',') {
            Some(after) => rest = after,
            None if rest.is_empty() => return Some(parts),
            None => return None,
        }
    }
}
