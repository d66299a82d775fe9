//! Range questions that hours answer: any history tells the same by them as `Memory`, which makes all hours of samples.

use super::*;
use crate::answer::{self, Stop};
use crate::model::HOUR_MS;
use crate::query::request::RangeRequest;
use crate::render::json;

/// Hours answer ranges of a day and more.
pub(in super::super) const DAY_MS: i64 = 24 * HOUR_MS;

/// Questions about a kind that hours answer. Groups are not among them: they are made of samples while there are any.
fn questions(kind: &Kind) -> &'static [&'static str] {
    if kind.name == THING.name {
        &[
            "step=1h&fields=work_seconds_total,work_cores,heat,load_bytes&coverage=1",
            "step=6h&fields=work_cores,heat,load_bytes&agg=avg,max,p95&label=x",
            "step=6h&fields=heat,load_bytes&agg=min,last,count",
            "step=1d&top=2&top_by=work_seconds_total&fields=work_seconds_total,load_bytes",
        ]
    } else {
        &["step=1d&fields=samples&agg=avg,last,count&tz=Europe/Berlin", "step=all&fields=samples"]
    }
}

/// Asks all stores everything about a range; the files must answer to the byte as `Memory` does.
pub(in super::super) fn assert_same_hours(
    memory: &Store,
    files: &[&Store],
    range: TimeRange,
    now: Timestamp,
    interval_ms: i64,
) {
    for kind in KINDS {
        for question in questions(kind) {
            let asked = |store| ask(store, kind, question, range, now, interval_ms);
            let expected = asked(memory);
            for file in files {
                assert_eq!(expected, asked(file), "{} {question} in {range:?}", kind.name);
            }
        }
    }
}

/// Bytes of an answer.
fn ask(
    store: &Store,
    kind: &'static Kind,
    question: &str,
    range: TimeRange,
    now: Timestamp,
    interval_ms: i64,
) -> String {
    let ends = [("start", range.start().ms().to_string()), ("end", range.end().ms().to_string())];
    let pairs =
        question.split('&').filter_map(|pair| pair.split_once('=')).map(|(name, value)| (name, value.to_owned()));
    let pairs: Vec<_> = pairs.chain(ends).map(|(name, value)| (name.to_owned(), value)).collect();
    let request = RangeRequest::parse(kind, &pairs, now, interval_ms).unwrap();
    let frame = answer::range(store, &request, &Stop::never()).unwrap();
    let mut bytes = Vec::new();
    json::frame(&mut bytes, &frame, &request, &[]).unwrap();
    let answer = String::from_utf8(bytes).unwrap();
    assert!(answer.contains(r#""resolution":"1h""#), "{question}: {answer}");
    answer
}
