//! A recording of everything there is a description of: each kind with things in every state, all columns and attributes filled, events of every type,
//! texts that break naive readers. Knows no kind and no column by name.

use std::path::Path;

use tachograph::model::event::EVENT_TYPES;
use tachograph::model::{
    AttributeType, AttributeValue, Attributes, Event, Identity, Kind, KindBatch, Observation, Outcome, Poll, Repr,
    Sample, Severity, Snapshot, TargetName, Timestamp, Value,
};
use tachograph::source::KINDS;
use tachograph::store::{Limits, Store, sqlite::Sqlite};

/// Things of each kind: one lives, one is restarted again and again, one ends.
const THINGS: usize = 3;
/// Polls between two restarts.
const ROUNDS_A_LIFE: i64 = 50;

/// Texts as hostile users and careless programs give them.
const TEXTS: [&str; 6] = ["web", "=1+1,\"ü\"\r\n</b>", "/shop/web", "node-1", "a,b\\*", "\u{0}\u{202e}🦀"];

/// Records some hours up to `end`, a poll each half minute, and seals what can be.
pub(crate) fn record(path: &Path, end: Timestamp, hours: i64) {
    let store = Store::Sqlite(Sqlite::open(path, KINDS).unwrap());
    let interval_ms = 30_000;
    let rounds = hours * 3_600_000 / interval_ms;
    for round in 0..rounds {
        let at = end.plus_ms((round - rounds) * interval_ms);
        let visits: Vec<Snapshot> = KINDS.iter().map(|kind| visit(kind, round, at, interval_ms)).collect();
        store.append(&visits).unwrap();
    }
    while store.upkeep(end, &Limits::default()).unwrap().more {}
}

fn visit(kind: &'static Kind, round: i64, at: Timestamp, interval_ms: i64) -> Snapshot {
    let outcome = match round % 97 {
        11 => Outcome::Timeout,
        12 => Outcome::Refused,
        13 => Outcome::Skipped,
        14 => Outcome::Partial,
        _ => Outcome::Ok,
    };
    let poll = Poll {
        target: TargetName::new("made", kind.name),
        started: at,
        duration_ms: 40,
        interval_ms,
        bytes: 1_000,
        outcome,
        error: (!outcome.is_good()).then(|| "nobody there".to_owned()),
        missing: if outcome == Outcome::Partial { vec!["one of them".to_owned()] } else { Vec::new() },
        clock_offset_ms: 0,
    };
    let seen = if outcome.is_good() { THINGS } else { 0 };
    let observations = (0..seen).filter_map(|thing| observation(kind, thing, round, at)).collect();
    let event_type = EVENT_TYPES[usize::try_from(round).unwrap() % EVENT_TYPES.len()];
    let event = Event {
        at,
        severity: Severity::ALL[usize::try_from(round).unwrap() % 3],
        event_type,
        kind: Some(kind.name),
        entity: Some(identity(kind, 1)),
        target: poll.target.clone(),
        source_id: round.to_string(),
        message: TEXTS[1].to_owned(),
        details: [("exit_code".to_owned(), AttributeValue::Integer(137)), ("app".to_owned(), TEXTS[2].into())].into(),
    };
    let batch = KindBatch { kind, complete: outcome == Outcome::Ok, observations };
    Snapshot { poll, batches: vec![batch], events: if round % 7 == 0 { vec![event] } else { Vec::new() } }
}

fn identity(kind: &Kind, thing: usize) -> Identity {
    Identity::new((0..kind.identity.len()).map(|key| TEXTS[(thing + key) % TEXTS.len()]))
}

fn observation(kind: &'static Kind, thing: usize, round: i64, at: Timestamp) -> Option<Observation> {
    let life = round / ROUNDS_A_LIFE;
    let ends = thing == 2;
    if ends && life > 1 {
        return None;
    }
    let since = if thing == 1 { at.plus_ms(-(round % ROUNDS_A_LIFE) * 30_000 - 5_000) } else { Timestamp::from_ms(1) };
    let grown = if thing == 1 { round % ROUNDS_A_LIFE } else { round } + 1;
    let values = kind.columns.iter().enumerate().map(|(index, column)| {
        let step = i64::try_from(index + thing).unwrap() + 1;
        match column.repr {
            // A hole here and there, as where a source leaves a field out.
            _ if (round + step) % 41 == 0 => Value::Null,
            Repr::Integer { .. } => Value::Int(grown * step * 1_000_003),
            Repr::Float if round % 31 == 0 => Value::Float(f64::NAN),
            Repr::Float => Value::Float(0.1 * f64::from(i32::try_from(grown * step).unwrap())),
        }
    });
    let is_last = ends && round == 2 * ROUNDS_A_LIFE - 1;
    Some(Observation {
        identity: identity(kind, thing),
        attributes: (round % ROUNDS_A_LIFE < 2).then(|| attributes(kind, thing, life)),
        ended: is_last.then_some(at),
        sample: Some(Sample { at, since: Some(since), values: values.collect() }),
    })
}

fn attributes(kind: &Kind, thing: usize, life: i64) -> Attributes {
    let text = |index: usize| TEXTS[(index + thing + usize::try_from(life).unwrap()) % TEXTS.len()];
    let value = |index: usize, ty: AttributeType| match ty {
        AttributeType::Text => text(index).into(),
        AttributeType::Integer => AttributeValue::Integer(life * 3 + 1),
        AttributeType::Number => AttributeValue::Number(0.5),
        AttributeType::Boolean => AttributeValue::Boolean(life % 2 == 0),
        AttributeType::Time => AttributeValue::Time(Timestamp::from_ms(1_700_000_000_007)),
        AttributeType::List => vec![text(index).to_owned(), text(index + 1).to_owned()].into(),
        AttributeType::Map => AttributeValue::Map(
            [("env".to_owned(), text(index).to_owned()), (text(0).to_owned(), text(1).to_owned())].into(),
        ),
    };
    // Half of the things have half of their attributes.
    let known = kind.attributes.iter().enumerate().filter(|(index, _)| thing != 1 || index % 2 == 0);
    known.map(|(index, attribute)| (attribute.name, value(index, attribute.ty))).collect()
}
