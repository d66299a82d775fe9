//! The tables beside those of kinds: `entity`, `event` and `poll`, read from the store a page at a time.
//!
//! Must not know: kinds' tables, SQLite's virtual machine.

use std::sync::Arc;

use rusqlite::types::Value;
use serde_json::{Map, Value as Json};

use super::Shared;
use super::kind::declaration;
use super::module::{Asked, Bound, Given, Op, Plan, Provider, Rows, Take};
use super::samples::fact;
use crate::answer::{AnswerError, Entities};
use crate::model::event::EVENT_TYPES;
use crate::model::{
    AttributeValue, Attributes, EntityRecord, Identity, Kind, PollRecord, TargetName, TimeRange, Timestamp,
};
use crate::query::civil::format_instant;
use crate::query::request::Zone;
use crate::store::{EventQuery, EventRecord};

/// Events read at a time.
const EVENTS_A_PAGE: usize = 500;
/// Rows that such a table is taken to have, for SQLite to choose between plans.
const ROWS: i64 = 1_000_000;
/// A target's polls are read a day at a time.
const DAY_MS: i64 = 86_400_000;
/// How many days without a poll are passed, going back from a target's first good poll, before it is its first at all.
const DAYS_WITHOUT_POLLS_MAX: u32 = 32;

/// One of the tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Chunked {
    Entity,
    Event,
    Poll,
}

/// Name, type, whether it is hidden.
type Columns = &'static [(&'static str, &'static str, bool)];

const ENTITY: Columns = &[
    ("kind", "TEXT", false),
    ("identity", "TEXT", false),
    ("target", "TEXT", false),
    ("first_seen", "TEXT", false),
    ("last_seen", "TEXT", false),
    ("ended", "TEXT", false),
    ("attributes", "TEXT", false),
    ("first_seen_ms", "INTEGER", true),
    ("last_seen_ms", "INTEGER", true),
    ("ended_ms", "INTEGER", true),
];
const EVENT: Columns = &[
    ("time", "TEXT", false),
    ("at_ms", "INTEGER", false),
    ("severity", "TEXT", false),
    ("type", "TEXT", false),
    ("kind", "TEXT", false),
    ("entity", "TEXT", false),
    ("target", "TEXT", false),
    ("message", "TEXT", false),
    ("details", "TEXT", false),
    ("sequence", "INTEGER", true),
];
const POLL: Columns = &[
    ("time", "TEXT", false),
    ("at_ms", "INTEGER", false),
    ("target", "TEXT", false),
    ("outcome", "TEXT", false),
    ("duration_seconds", "REAL", false),
    ("interval_seconds", "REAL", false),
    ("bytes", "INTEGER", false),
    ("samples", "INTEGER", false),
    ("clock_offset_seconds", "REAL", false),
    ("error", "TEXT", false),
    ("missing", "TEXT", false),
    ("turn", "INTEGER", true),
];

impl Chunked {
    /// All, with their names.
    pub(super) const ALL: [(Chunked, &'static str); 3] =
        [(Chunked::Entity, "entity"), (Chunked::Event, "event"), (Chunked::Poll, "poll")];

    /// Their columns.
    pub(super) fn columns(self) -> Columns {
        match self {
            Chunked::Entity => ENTITY,
            Chunked::Event => EVENT,
            Chunked::Poll => POLL,
        }
    }

    /// What tells their rows apart: polls that began at the same time by their turn.
    fn key(self) -> &'static [&'static str] {
        match self {
            Chunked::Entity => &["kind", "identity"],
            Chunked::Event => &["sequence"],
            Chunked::Poll => &["target", "at_ms", "turn"],
        }
    }

    fn name(self, column: usize) -> &'static str {
        self.columns().get(column).map_or("", |(name, ..)| name)
    }
}

/// A table read a page at a time.
#[derive(Debug)]
pub(super) struct ChunkedTable {
    pub(super) table: Chunked,
    pub(super) shared: Arc<Shared>,
}

impl ChunkedTable {
    /// Whether rows come in the order that is asked for: events by time, polls by target and time.
    fn is_ordered(&self, asked: &Asked) -> bool {
        let order: Vec<(&str, bool)> = asked
            .order
            .iter()
            .map(|(column, is_down)| (self.table.name(*column), *is_down && !asked.is_grouped))
            .collect();
        matches!(
            (self.table, order.as_slice()),
            (Chunked::Event, [("at_ms" | "time", false)])
                | (Chunked::Poll, [("target", false)] | [("target", false), ("at_ms" | "time", false)])
        )
    }
}

impl Provider for ChunkedTable {
    fn declaration(&self) -> String {
        declaration(self.table.columns().iter().copied(), self.table.key().iter().copied())
    }

    fn plan(&self, asked: &Asked) -> Plan {
        let mut rows = ROWS;
        let takes = asked.conditions.iter().map(|condition| {
            let take = match (self.table.name(condition.column), condition.op) {
                ("kind" | "type" | "target", Op::Eq) => condition.is_binary,
                ("at_ms" | "first_seen_ms" | "last_seen_ms", _) => true,
                _ => false,
            };
            rows = if take { rows / 10 } else { rows };
            if take { Take::Narrow } else { Take::Leave }
        });
        let takes = takes.collect();
        Plan { takes, is_ordered: self.is_ordered(asked), rows }
    }

    fn open(&self) -> Box<dyn Rows> {
        let shared = Arc::clone(&self.shared);
        Box::new(ChunkedRows { table: self.table, shared, pages: Pages::None, page: Vec::new(), next: 0 })
    }
}

/// A place among the rows.
struct ChunkedRows {
    table: Chunked,
    shared: Arc<Shared>,
    pages: Pages,
    page: Vec<Row>,
    next: usize,
}

/// What a page is made of.
enum Row {
    Entity(&'static Kind, Box<EntityRecord>),
    Event(Box<EventRecord>),
    Poll(Box<PollRecord>, i64),
}

/// Where the next page comes from.
enum Pages {
    None,
    Entities {
        kinds: std::vec::IntoIter<&'static Kind>,
        current: Option<(&'static Kind, Entities)>,
        seen_in: TimeRange,
    },
    Events(Option<EventQuery>),
    Polls {
        targets: std::vec::IntoIter<(TargetName, TimeRange)>,
        current: Option<(TargetName, TimeRange)>,
    },
}

/// The range that conditions on an instant in milliseconds leave, widened to whole comparisons: SQLite tests them
/// again.
fn range_of<'a>(bounds: impl Iterator<Item = &'a Bound>) -> Option<TimeRange> {
    let (mut start, mut end) = (Timestamp::MIN, Timestamp::MAX);
    for bound in bounds {
        let Value::Integer(ms) = bound.value else { continue };
        let at = Timestamp::from_ms(ms);
        if matches!(bound.op, Op::Eq | Op::Gt | Op::Ge) {
            start = start.max(at);
        }
        if matches!(bound.op, Op::Eq | Op::Lt | Op::Le) {
            end = end.min(at.plus_ms(1));
        }
    }
    TimeRange::new(start, end).filter(|range| !range.is_empty())
}

impl ChunkedRows {
    /// The text that a column must equal, where one is known.
    fn wanted<'a>(&self, bounds: &'a [Bound], column: &str) -> Option<&'a str> {
        bounds.iter().find_map(|bound| match &bound.value {
            Value::Text(text) if self.table.name(bound.column) == column && bound.op == Op::Eq => Some(text.as_str()),
            _ => None,
        })
    }

    fn pages(&self, bounds: &[Bound]) -> Result<Pages, AnswerError> {
        let database = &self.shared.database;
        let of = |names: [&'static str; 2]| {
            bounds.iter().filter(move |bound| names.contains(&self.table.name(bound.column)))
        };
        Ok(match self.table {
            Chunked::Entity => {
                let kind = self.wanted(bounds, "kind");
                let kinds = database.kinds.iter().copied().filter(|one| kind.is_none_or(|kind| kind == one.name));
                // Last seen at or after, first seen before: what is seen in between at all.
                let from = range_of(of(["last_seen_ms", ""]).filter(|bound| matches!(bound.op, Op::Ge | Op::Gt)));
                let until = range_of(of(["first_seen_ms", ""]).filter(|bound| matches!(bound.op, Op::Le | Op::Lt)));
                let seen_in = match (from, until) {
                    (Some(from), Some(until)) => TimeRange::new(from.start(), until.end()),
                    _ => None,
                };
                let kinds = kinds.collect::<Vec<_>>().into_iter();
                match seen_in {
                    Some(seen_in) => Pages::Entities { kinds, current: None, seen_in },
                    None => Pages::None,
                }
            }
            Chunked::Event => {
                let event_type = self.wanted(bounds, "type");
                let known = EVENT_TYPES.iter().copied().find(|known| Some(*known) == event_type);
                let kind = self.wanted(bounds, "kind");
                let known_kind = database.kinds.iter().copied().find(|known| Some(known.name) == kind);
                let range = range_of(of(["at_ms", ""]));
                let is_none = (event_type.is_some() && known.is_none()) || (kind.is_some() && known_kind.is_none());
                Pages::Events(range.filter(|_| !is_none).map(|range| EventQuery {
                    range: Some(range),
                    event_types: known.into_iter().collect(),
                    kind: known_kind,
                    limit: EVENTS_A_PAGE,
                    ..EventQuery::default()
                }))
            }
            Chunked::Poll => {
                let target = self.wanted(bounds, "target");
                let mut targets = Vec::new();
                if let Some(asked) = range_of(of(["at_ms", ""])) {
                    for record in database.store.targets()? {
                        if target.is_some_and(|target| target != record.target.as_str()) {
                            continue;
                        }
                        if let Some(range) = self.polled(&record.target, asked)? {
                            targets.push((record.target, range));
                        }
                    }
                }
                Pages::Polls { targets: targets.into_iter(), current: None }
            }
        })
    }

    /// The part of a range in which a target was polled: all of time is too long to be read day by day.
    fn polled(&self, target: &TargetName, asked: TimeRange) -> Result<Option<TimeRange>, AnswerError> {
        let store = &self.shared.database.store;
        let nothing = |at: Timestamp| TimeRange::new(at, at).unwrap_or(asked);
        let ends = [store.polls(target, nothing(Timestamp::MIN))?.good_after, {
            let records = store.targets()?.into_iter().find(|record| record.target == *target);
            records.and_then(|record| record.last_poll)
        }];
        let started = ends.iter().flatten().map(|record| record.poll.started);
        let (Some(mut first), Some(last)) = (started.clone().min(), started.max()) else { return Ok(None) };
        let mut empty_days = 0;
        let mut until = first;
        while empty_days < DAYS_WITHOUT_POLLS_MAX && until > asked.start() {
            let day = TimeRange::new(until.plus_ms(-DAY_MS), until).unwrap_or(asked);
            match store.polls(target, day)?.inside.first() {
                Some(earlier) => (first, empty_days) = (earlier.poll.started, 0),
                None => empty_days += 1,
            }
            until = day.start();
        }
        // Skipped and dropped ticks may be newer than the last visit, by no more than is waited for.
        let known = TimeRange::new(first, last.plus_ms(DAY_MS));
        Ok(known.and_then(|known| known.intersect(asked)))
    }

    /// The next page; nothing after the last.
    fn next_page(&mut self) -> Result<Option<Vec<Row>>, AnswerError> {
        let store = &self.shared.database.store;
        match &mut self.pages {
            Pages::None => Ok(None),
            Pages::Entities { kinds, current, seen_in } => loop {
                let (kind, entities) = match current {
                    Some(current) => current,
                    None => match kinds.next() {
                        None => return Ok(None),
                        Some(kind) => current.insert((kind, Entities::after(kind, *seen_in, None))),
                    },
                };
                match entities.next(store)? {
                    Some(entity) => return Ok(Some(vec![Row::Entity(kind, Box::new(entity))])),
                    None => *current = None,
                }
            },
            Pages::Events(query) => {
                let Some(asked) = query else { return Ok(None) };
                let page = store.events(asked)?;
                asked.after = page.last().map(|last| (last.event.at, last.sequence));
                if page.len() < EVENTS_A_PAGE {
                    *query = None;
                }
                Ok(Some(page.into_iter().map(|record| Row::Event(Box::new(record))).collect()))
            }
            Pages::Polls { targets, current } => {
                let Some((target, rest)) = current.take().or_else(|| targets.next()) else { return Ok(None) };
                let Some(day) = rest.pieces(DAY_MS).next() else { return Ok(Some(Vec::new())) };
                let polls = store.polls(&target, day)?.inside;
                *current =
                    TimeRange::new(day.end(), rest.end()).filter(|rest| !rest.is_empty()).map(|rest| (target, rest));
                let (mut turn, mut before) = (0, None);
                let numbered = polls.into_iter().map(|record| {
                    let started = Some(record.poll.started);
                    turn = if std::mem::replace(&mut before, started) == started { turn + 1 } else { 0 };
                    Row::Poll(Box::new(record), turn)
                });
                Ok(Some(numbered.collect()))
            }
        }
    }
}

impl Rows for ChunkedRows {
    fn begin(&mut self, bounds: &[Bound], _: u64) -> rusqlite::Result<()> {
        self.page.clear();
        self.next = 0;
        self.pages = self.pages(bounds).map_err(|error| self.shared.watch.fail(error))?;
        Ok(())
    }

    fn advance(&mut self) -> rusqlite::Result<bool> {
        self.next = self.next.saturating_add(1);
        while self.next > self.page.len() {
            self.shared.watch.check()?;
            let page = self.next_page().map_err(|error| self.shared.watch.fail(error))?;
            let Some(page) = page else { return Ok(false) };
            self.page = page;
            self.next = 1;
        }
        Ok(true)
    }

    fn cell(&mut self, column: usize) -> rusqlite::Result<Given<'_>> {
        let row = self.next.checked_sub(1).and_then(|index| self.page.get(index));
        let name = self.table.name(column);
        Ok(match row {
            None => Given::Null,
            Some(Row::Entity(kind, entity)) => entity_cell(kind, entity, name),
            Some(Row::Event(record)) => event_cell(self.shared.database.kinds, record, name),
            Some(Row::Poll(_, turn)) if name == "turn" => Given::Int(*turn),
            Some(Row::Poll(record, _)) => poll_cell(record, name),
        })
    }
}

fn time(at: Timestamp) -> Given<'static> {
    Given::text(format_instant(at, Zone::Utc))
}

fn identity_json(kind: &Kind, identity: &Identity) -> Given<'static> {
    let keys = kind.identity.iter().enumerate();
    let parts: Map<String, Json> =
        keys.map(|(index, key)| (key.name.to_owned(), identity.part(index).into())).collect();
    Given::text(Json::Object(parts).to_string())
}

/// Facts by name as JSON, each as its column would hold it; lists and maps as such.
fn facts_json<'a>(facts: impl Iterator<Item = (&'a str, &'a AttributeValue)>) -> Given<'static> {
    let json = |value: &AttributeValue| match value {
        AttributeValue::Boolean(value) => Json::from(*value),
        AttributeValue::List(texts) => Json::from(texts.clone()),
        AttributeValue::Map(texts) => {
            texts.iter().map(|(name, text)| (name.clone(), Json::from(text.as_str()))).collect()
        }
        other => match fact(other) {
            Given::Null => Json::Null,
            Given::Int(value) => Json::from(value),
            Given::Real(value) => Json::from(value),
            Given::Text(text) => Json::from(text.as_ref()),
        },
    };
    let facts: Map<String, Json> = facts.map(|(name, value)| (name.to_owned(), json(value))).collect();
    Given::text(Json::Object(facts).to_string())
}

fn entity_cell<'a>(kind: &'static Kind, entity: &'a EntityRecord, name: &str) -> Given<'a> {
    let ms = |at: Timestamp| Given::Int(at.ms());
    match name {
        "kind" => Given::text(kind.name),
        "identity" => identity_json(kind, &entity.identity),
        "target" => Given::text(entity.target.as_str()),
        "first_seen" => time(entity.first_seen),
        "last_seen" => time(entity.last_seen),
        "ended" => entity.ended.map_or(Given::Null, time),
        "first_seen_ms" => ms(entity.first_seen),
        "last_seen_ms" => ms(entity.last_seen),
        "ended_ms" => entity.ended.map_or(Given::Null, ms),
        _ => {
            let newest: Option<&Attributes> = entity.versions.last().map(|version| version.attributes.as_ref());
            facts_json(newest.into_iter().flatten().map(|(name, value)| (*name, value)))
        }
    }
}

fn event_cell<'a>(kinds: &[&'static Kind], record: &'a EventRecord, name: &str) -> Given<'a> {
    let event = &record.event;
    match name {
        "time" => time(event.at),
        "at_ms" => Given::Int(event.at.ms()),
        "severity" => Given::text(event.severity.name()),
        "type" => Given::text(event.event_type),
        "kind" => event.kind.map_or(Given::Null, Given::text),
        "entity" => {
            let kind = kinds.iter().find(|kind| event.kind == Some(kind.name));
            let named = kind.zip(event.entity.as_ref());
            named.map_or(Given::Null, |(kind, identity)| identity_json(kind, identity))
        }
        "target" => Given::text(event.target.as_str()),
        "message" => Given::text(event.message.as_str()),
        "sequence" => i64::try_from(record.sequence).map_or(Given::Null, Given::Int),
        _ => facts_json(event.details.iter().map(|(name, value)| (name.as_str(), value))),
    }
}

#[expect(clippy::cast_precision_loss, reason = "milliseconds of a poll lie far below 2^53")]
fn poll_cell<'a>(record: &'a PollRecord, name: &str) -> Given<'a> {
    let poll = &record.poll;
    let seconds = |ms: i64| Given::Real(ms as f64 / 1000.0);
    let count = |count: u64| i64::try_from(count).map_or(Given::Null, Given::Int);
    match name {
        "time" => time(poll.started),
        "at_ms" => Given::Int(poll.started.ms()),
        "target" => Given::text(poll.target.as_str()),
        "outcome" => Given::text(poll.outcome.name()),
        "duration_seconds" => seconds(poll.duration_ms),
        "interval_seconds" => seconds(poll.interval_ms),
        "bytes" => count(poll.bytes),
        "samples" => count(record.samples),
        "clock_offset_seconds" => seconds(poll.clock_offset_ms),
        "error" => poll.error.as_deref().map_or(Given::Null, Given::text),
        _ => serde_json::to_string(&poll.missing).map_or(Given::Null, Given::text),
    }
}
