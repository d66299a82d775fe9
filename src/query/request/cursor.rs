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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::test_kinds::{CONTAINER, ROLE};
    use super::*;

    const AT: Timestamp = Timestamp::from_ms(1_787_281_800_007);

    #[test]
    fn a_samples_cursor_is_identity_and_time_joined_as_in_a_line() {
        let identity = Identity::new(["node-1", "a,b\"c"]);
        let cursor = samples_cursor(&identity, AT);
        assert_eq!(cursor, "node-1,\"a,b\"\"c\",2026-08-21T03:10:00.007Z");
        assert_eq!(parse_samples_cursor(&CONTAINER, &cursor), Ok((identity, AT)));
        // As a line has it under tz, also when a URL's + became a space.
        let berlin = Ok((Identity::new(["node-1", "abc"]), AT));
        assert_eq!(parse_samples_cursor(&CONTAINER, "node-1,abc,2026-08-21T05:10:00.007+02:00"), berlin);
        assert_eq!(parse_samples_cursor(&CONTAINER, "node-1,abc,2026-08-21T05:10:00.007 02:00"), berlin);
    }

    #[test]
    fn entities_and_events_cursors_read_back() {
        let identity = Identity::new([""]);
        assert_eq!(parse_entities_cursor(&ROLE, &entities_cursor(&identity)), Ok(identity));
        assert_eq!(events_cursor(AT, 7), "2026-08-21T03:10:00.007Z,7");
        assert_eq!(parse_events_cursor("2026-08-21T03:10:00.007Z,7"), Ok((AT, 7)));
    }

    #[test]
    fn a_cursor_that_was_cut_is_refused_with_its_form() {
        for text in ["", "node-1", "node-1,abc", "a,b,c,2026-08-21T03:10:00.007Z", "node-1,\"abc", "node-1,a\"b,c"] {
            let why = parse_samples_cursor(&CONTAINER, text).unwrap_err();
            assert!(why.contains("host,id,time") || why.contains("no time of a line"), "{text}: {why}");
        }
        let why = parse_samples_cursor(&CONTAINER, "node-1,abc,2026-08-21T03:10").unwrap_err();
        assert!(why.contains("`2026-08-21T03:10` is no time of a line"), "{why}");
        assert!(parse_entities_cursor(&CONTAINER, "node-1").unwrap_err().contains("is not host,id as CSV"));
        assert!(parse_entities_cursor(&CONTAINER, "node-1,\"abc\"x").is_err());
        for text in ["", "7", "2026-08-21T03:10:00.007Z", "2026-08-21T03:10:00.007Z,-7", "2026-08-21T03:10:00.007Z,+7"]
        {
            assert!(parse_events_cursor(text).unwrap_err().contains("time,sequence"), "{text}");
        }
    }

    proptest! {
        #[test]
        fn cursors_read_back_and_are_csv(parts in prop::array::uniform2("[ab,\"\r\n é]{0,8}"), ms in 0i64..4_000_000_000_000) {
            let identity = Identity::new(parts.clone());
            let cursor = samples_cursor(&identity, Timestamp::from_ms(ms));
            let expected = (identity.clone(), Timestamp::from_ms(ms));
            prop_assert_eq!(parse_samples_cursor(&CONTAINER, &cursor), Ok(expected));
            let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(cursor.as_bytes());
            let record = reader.records().next().unwrap().unwrap();
            prop_assert_eq!(record.iter().take(2).collect::<Vec<_>>(), parts.each_ref().map(String::as_str));
            prop_assert_eq!(parse_entities_cursor(&CONTAINER, &entities_cursor(&identity)), Ok(identity));
        }

        #[test]
        fn any_cursor_is_read_or_refused(text in "\\PC*", near in "[a,\"]{0,12}") {
            for text in [text, near] {
                let _ = parse_samples_cursor(&CONTAINER, &text);
                let _ = parse_entities_cursor(&CONTAINER, &text);
                let _ = parse_events_cursor(&text);
            }
        }
    }
}
