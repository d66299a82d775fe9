//! Whether a file is sound: what SQLite says, then what this program promises of its own tables.
//!
//! Samples and attribute sets carry checksums, indexes repeat what is in their tables, blocks repeat what is in their
//! polls: what is changed there is noticed. Other numbers of a poll or an event have no second witness. Everything is
//! looked at in one read transaction, so a recorder may go on writing. Reads on after a fault: one is seldom alone.
//! Must not know: how any of it is mended.

use std::collections::HashMap;
use std::ops::ControlFlow;

use rusqlite::{Connection, Row, named_params};

use super::block::{self, Damage, Layout, Samples};
use super::codec;
use super::queries;
use super::read::During;
use super::windows::{ENTITIES_END, block_start_ms, bounded};
use super::{FILE_ID, migrations, retention, rollup};
use crate::model::event::EVENT_TYPES;
use crate::model::{Kind, Severity, Timestamp};
use crate::store::{CheckReport, Progress, StoreError};

mod journal;

const OPERATION: &str = "check the file";

/// Polls held at a time, to compare the samples of blocks with: a day's of 40 targets every 2 s. Blocks whose polls
/// are spread over more have each looked up.
const POLLS_HELD_MAX: i64 = 2_000_000;

/// How much further polls are read than one block asks for: the next blocks' begin and end a little elsewhere.
const POLLS_BEYOND: i64 = 10_000;

/// Blocks between two looks at the progress.
const BLOCKS_A_STEP: u64 = 50;

/// Checks everything that a connection's transaction sees.
pub(super) fn run(
    connection: &Connection,
    kinds: &'static [&'static Kind],
    progress: &mut dyn FnMut(Progress) -> ControlFlow<()>,
) -> Result<CheckReport, StoreError> {
    // Cells that reach beyond their page are noticed before they are read.
    connection.pragma_update(None, "cell_size_check", true).during(OPERATION)?;
    let mut report = CheckReport::default();
    let mut step = |step, done, whole| match progress(Progress { step, done, whole }) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(()) => Err(StoreError::Stopped),
    };
    step("pages", 0, 0)?;
    part(&mut report, "the pages", |report| integrity(connection, report));
    step("tables", 0, 0)?;
    part(&mut report, "counting", |report| counts(connection, report));
    part(&mut report, "the schema", |report| schema(connection, report));
    part(&mut report, "references", |report| references(connection, report));
    part(&mut report, "settings of the store's own", |report| settings(connection, report));
    for (sql, what) in LISTED {
        part(&mut report, what, |report| listed(connection, sql, what, report));
    }
    part(&mut report, "entities", |report| identities(connection, kinds, report));
    part(&mut report, "attributes", |report| attribute_sets(connection, report));
    part(&mut report, "polls", |report| poll_texts(connection, report));
    part(&mut report, "events", |report| events(connection, report));
    part(&mut report, "rollups", |report| rollup::check(connection, kinds, report));
    part(&mut report, "the journal", |report| journal::check(connection, kinds, report));
    let mut stopped = None;
    part(&mut report, "blocks", |report| {
        blocks(connection, kinds, report, &mut |done, whole| match step("blocks", done, whole) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                stopped = Some(error);
                ControlFlow::Break(())
            }
        })
    });
    match stopped {
        Some(error) => Err(error),
        None => Ok(report),
    }
}

/// Statements that list what cannot be, and what that is.
const LISTED: [(&str, &str); 5] = [
    (queries::CHECK_ENTITIES_UNSEEN, "entity without sightings or attributes"),
    (queries::CHECK_SIGHTINGS, "sighting that cannot be, of entity"),
    (queries::CHECK_ATTRIBUTE_SETS_UNUSED, "orphan: no version needs attribute set"),
    (queries::CHECK_POLLS, "poll that cannot be:"),
    (queries::CHECK_BLOCKS_OVERLAPPING, "block that overlaps the entity's next:"),
];

/// Runs a part; that it cannot be read to its end is a fault too.
fn part(report: &mut CheckReport, what: &str, check: impl FnOnce(&mut CheckReport) -> rusqlite::Result<()>) {
    if let Err(error) = check(report) {
        report.fault(format!("{what}: cannot be read: {error}"));
    }
}

fn number(row: &Row<'_>, index: usize) -> rusqlite::Result<u64> {
    Ok(u64::try_from(row.get::<_, i64>(index)?).unwrap_or(0))
}

fn integrity(connection: &Connection, report: &mut CheckReport) -> rusqlite::Result<()> {
    let mut statement = connection.prepare(queries::CHECK_INTEGRITY)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let text = String::from_utf8_lossy(row.get_ref(0)?.as_bytes()?).into_owned();
        if text != "ok" {
            report.fault(format!("pages: {text}"));
        }
    }
    Ok(())
}

fn counts(connection: &Connection, report: &mut CheckReport) -> rusqlite::Result<()> {
    let (pages, page_bytes) =
        connection.query_row(queries::STATS_FILE, [], |row| Ok((number(row, 0)?, number(row, 2)?)))?;
    report.bytes = pages.saturating_mul(page_bytes);
    connection.query_row(queries::CHECK_COUNTS, [], |row| {
        report.polls = number(row, 0)?;
        report.entities = number(row, 1)?;
        report.versions = number(row, 2)?;
        report.events = number(row, 3)?;
        Ok(())
    })
}

/// What the migrations make is there as they made it.
fn schema(connection: &Connection, report: &mut CheckReport) -> rusqlite::Result<()> {
    let all = |connection: &Connection| -> rusqlite::Result<HashMap<String, String>> {
        let mut statement = connection.prepare(queries::CHECK_SCHEMA)?;
        statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
    };
    let mut made = Connection::open_in_memory()?;
    if let Err(error) = migrations::apply(&mut made, migrations::STEPS) {
        report.fault(format!("schema: it cannot be made to compare with: {error}"));
        return Ok(());
    }
    let found = all(connection)?;
    for (name, sql) in all(&made)? {
        if found.get(&name) != Some(&sql) {
            report.fault(format!("schema: {name} is not as it was made"));
        }
    }
    Ok(())
}

/// Texts that nothing else reads.
fn poll_texts(connection: &Connection, report: &mut CheckReport) -> rusqlite::Result<()> {
    let mut statement = connection.prepare(queries::CHECK_POLL_TEXTS)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let is_text = row.get::<_, Option<String>>(1).is_ok();
        let is_list = row.get::<_, String>(2).is_ok_and(|missing| codec::decode_list(&missing).is_some());
        if !is_text || !is_list {
            report.fault(format!("poll {}: its texts are not texts", row.get::<_, i64>(0)?));
        }
    }
    let mut statement = connection.prepare(queries::TARGETS_ALL)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        row.get::<_, String>(1)?;
    }
    Ok(())
}

fn references(connection: &Connection, report: &mut CheckReport) -> rusqlite::Result<()> {
    let mut statement = connection.prepare(queries::CHECK_REFERENCES)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let (table, id, other): (String, Option<i64>, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
        let id = id.map(|id| format!(" {id}")).unwrap_or_default();
        report.fault(format!("{table}{id}: refers to {other} that is not there"));
    }
    Ok(())
}

fn settings(connection: &Connection, report: &mut CheckReport) -> rusqlite::Result<()> {
    for key in [retention::SAMPLES_KEPT_FROM, retention::POLL_DELETED_NEWEST] {
        if let Some(value) = super::read::meta(connection, key)?
            && value.parse::<i64>().is_err()
        {
            report.fault(format!("meta {key}: {value:?} is no number"));
        }
    }
    if super::read::meta(connection, FILE_ID)?.is_some_and(|id| id.len() != 32 || !id.is_ascii()) {
        report.fault(format!("meta {FILE_ID}: not an id"));
    }
    Ok(())
}

fn listed(connection: &Connection, sql: &str, what: &str, report: &mut CheckReport) -> rusqlite::Result<()> {
    let mut statement = connection.prepare(sql)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        report.fault(format!("{what} {}", row.get::<_, i64>(0)?));
    }
    Ok(())
}

fn identities(connection: &Connection, kinds: &[&'static Kind], report: &mut CheckReport) -> rusqlite::Result<()> {
    let mut statement = connection.prepare(queries::CHECK_IDENTITIES)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let (id, name): (i64, String) = (row.get(0)?, row.get(1)?);
        // A kind that is not recorded any more is as it was left.
        let parts = kinds.iter().find(|kind| kind.name == name).map(|kind| kind.identity.len());
        let found = codec::decode_identity(row.get_ref(2)?.as_blob()?).map(|identity| identity.parts().len());
        if found.is_none() || parts.is_some_and(|parts| Some(parts) != found) {
            report.fault(format!("entity {id}: its identity is not one of a {name}"));
        }
        if !(0..ENTITIES_END).contains(&id) {
            report.fault(format!("entity {id}: beyond the {ENTITIES_END} that blocks can name"));
        }
    }
    Ok(())
}

fn attribute_sets(connection: &Connection, report: &mut CheckReport) -> rusqlite::Result<()> {
    let mut statement = connection.prepare(queries::CHECK_SETS)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let (id, hash): (i64, i64) = (row.get(0)?, row.get(1)?);
        match row.get_ref(2)?.as_str() {
            Ok(body) if codec::hash(body) == hash => {
                if !matches!(serde_json::from_str(body), Ok(serde_json::Value::Object(_))) {
                    report.fault(format!("attribute set {id}: not an object"));
                }
            }
            _ => report.fault(format!("attribute set {id}: its checksum is wrong")),
        }
    }
    Ok(())
}

fn events(connection: &Connection, report: &mut CheckReport) -> rusqlite::Result<()> {
    let mut statement = connection.prepare(queries::CHECK_EVENTS)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let id: i64 = row.get(0)?;
        let (event_type, severity): (String, String) = (row.get(1)?, row.get(2)?);
        let entity = row.get_ref(4)?.as_blob_or_null()?;
        let details: String = row.get(5)?;
        let (_, _): (String, String) = (row.get(6)?, row.get(7)?);
        let is_right = EVENT_TYPES.contains(&event_type.as_str())
            && Severity::from_name(&severity).is_some()
            && entity.is_none_or(|entity| codec::decode_identity(entity).is_some())
            && codec::decode_details(&details).is_some();
        if !is_right {
            report.fault(format!("event {id}: not an event that this program writes"));
        }
    }
    Ok(())
}

/// The layouts of blocks and pieces.
fn layouts(connection: &Connection, report: &mut CheckReport) -> rusqlite::Result<HashMap<i64, Layout>> {
    let mut layouts = HashMap::new();
    let mut statement = connection.prepare(queries::BLOCK_LAYOUTS_ALL)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let id: i64 = row.get(0)?;
        match Layout::parse(&row.get::<_, String>(1)?) {
            Ok(layout) => drop(layouts.insert(id, layout)),
            Err(damage) => report.fault(format!("layout {id}: {damage}")),
        }
    }
    Ok(layouts)
}

/// A block's row, without its body.
struct Found {
    id: i64,
    entity: i64,
    end_ms: i64,
    at_min_ms: i64,
    at_max_ms: i64,
    poll_min: i64,
    poll_max: i64,
    samples: i64,
    is_merged: i64,
}

fn blocks(
    connection: &Connection,
    kinds: &'static [&'static Kind],
    report: &mut CheckReport,
    progress: &mut dyn FnMut(u64, u64) -> ControlFlow<()>,
) -> rusqlite::Result<()> {
    let whole = connection.query_row(queries::CHECK_COUNTS, [], |row| number(row, 4))?;
    let layouts = layouts(connection, report)?;
    let kept_from_ms = retention::samples_kept_from(connection)?.map_or(i64::MIN, Timestamp::ms);
    let mut polls = Polls::default();
    let mut statement = connection.prepare(queries::CHECK_BLOCKS)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let found = Found {
            id: row.get(0)?,
            entity: row.get(1)?,
            end_ms: row.get(2)?,
            at_min_ms: row.get(3)?,
            at_max_ms: row.get(4)?,
            poll_min: row.get(5)?,
            poll_max: row.get(6)?,
            samples: row.get(7)?,
            is_merged: row.get(8)?,
        };
        let (layout, kind): (i64, Option<String>) = (row.get(9)?, row.get(10)?);
        report.blocks = report.blocks.saturating_add(1);
        let Some(layout) = layouts.get(&layout) else {
            report.fault(format!("block {}: its layout {layout} is not there", found.id));
            continue;
        };
        let kind = kinds.iter().copied().find(|known| kind.as_deref() == Some(known.name)).or(kinds.first().copied());
        let checked = kind.map(|kind| block(&found, layout, row.get_ref(11)?.as_blob()?, kind, report)).transpose();
        match checked.map(Option::flatten) {
            Ok(Some(samples)) => lineage(connection, &found, &samples, kept_from_ms, &mut polls, report)?,
            Ok(None) => {}
            Err(error) => report.fault(format!("block {}: {error}", found.id)),
        }
        if report.blocks.is_multiple_of(BLOCKS_A_STEP) && progress(report.blocks, whole).is_break() {
            break;
        }
    }
    Ok(())
}

/// A block by itself: its checksum, all of its series, what its row says of it. Gives its samples without columns.
fn block(
    found: &Found,
    layout: &Layout,
    body: &[u8],
    kind: &'static Kind,
    report: &mut CheckReport,
) -> rusqlite::Result<Option<Samples>> {
    let opened = match block::open(layout, body) {
        Ok(opened) => opened,
        Err(damage) => {
            report.fault(format!("block {}: {damage}", found.id));
            return Ok(None);
        }
    };
    let decoded = opened.weigh().and_then(|weights| Ok((weights, opened.samples(kind, &[])?)));
    let (weights, samples) = match decoded {
        Ok(decoded) => decoded,
        Err(Damage(damage)) => {
            report.fault(format!("block {}: {damage}", found.id));
            return Ok(None);
        }
    };
    let values = weights.iter().skip(block::FIXED_SERIES).map(|weight| weight.values).sum::<u64>();
    report.block_values = report.block_values.saturating_add(values);
    report.block_samples = report.block_samples.saturating_add(u64::try_from(samples.len()).unwrap_or(u64::MAX));
    let start_ms = block_start_ms(found.id);
    let minute_ms = 60_000;
    let wrong = [
        (found.id & (ENTITIES_END - 1) != found.entity, "its number is of another entity"),
        (found.end_ms <= start_ms || (found.end_ms - start_ms) % minute_ms != 0, "its window is not one"),
        (i64::try_from(samples.len()) != Ok(found.samples), "it has another number of samples than its row says"),
        (!samples.at.is_sorted_by(|left, right| left < right), "its times do not rise"),
        (
            samples.at.first() != Some(&found.at_min_ms) || samples.at.last() != Some(&found.at_max_ms),
            "its times are others than its row says",
        ),
        (
            samples.at.iter().any(|at| bounded(*at) < start_ms || bounded(*at) >= found.end_ms),
            "it has samples from outside its window",
        ),
        (
            samples.poll.iter().min() != Some(&found.poll_min) || samples.poll.iter().max() != Some(&found.poll_max),
            "its polls are others than its row says",
        ),
        (!(0..=1).contains(&found.is_merged), "it is neither merged nor not"),
    ];
    for (_, what) in wrong.iter().filter(|(is_wrong, _)| *is_wrong) {
        report.fault(format!("block {}: {what}", found.id));
    }
    Ok(Some(samples))
}

/// A block's samples beside the polls that took them.
fn lineage(
    connection: &Connection,
    found: &Found,
    samples: &Samples,
    kept_from_ms: i64,
    polls: &mut Polls,
    report: &mut CheckReport,
) -> rusqlite::Result<()> {
    polls.hold(connection, found.poll_min, found.poll_max)?;
    let times = samples.at.iter().zip(&samples.poll);
    for ((at, id), (interval_ms, clock_offset_ms)) in
        times.zip(samples.interval_ms.iter().zip(&samples.clock_offset_ms))
    {
        let what = match polls.get(connection, *id)? {
            None if *at < kept_from_ms => continue,
            None => "that is gone",
            Some(poll) if poll.interval_ms != *interval_ms || poll.clock_offset_ms != *clock_offset_ms => {
                "whose interval or clock is another"
            }
            Some(poll) if poll.at_max_ms.is_none_or(|at_max_ms| *at > at_max_ms) => "that knows of no sample so new",
            Some(_) => continue,
        };
        // One fault a block: its other samples have the same polls' neighbours.
        report.fault(format!("block {}: its sample at {at} ms names poll {id} {what}", found.id));
        break;
    }
    Ok(())
}

/// What the samples of blocks repeat of a poll.
#[derive(Debug, Clone, Copy)]
struct PollFacts {
    interval_ms: i64,
    clock_offset_ms: i64,
    at_max_ms: Option<i64>,
}

/// The polls of some hours, by number.
#[derive(Debug, Default)]
struct Polls {
    held: Option<(i64, i64)>,
    facts: HashMap<i64, PollFacts>,
}

impl Polls {
    /// Reads the polls of these numbers, if they are few enough to hold.
    fn hold(&mut self, connection: &Connection, first: i64, last: i64) -> rusqlite::Result<()> {
        let is_held = self.held.is_some_and(|(from, until)| from <= first && last <= until);
        if is_held || last.saturating_sub(first) > POLLS_HELD_MAX {
            return Ok(());
        }
        let (first, last) = (first.saturating_sub(POLLS_BEYOND), last.saturating_add(POLLS_BEYOND));
        self.facts = facts(connection, first, last)?;
        self.held = Some((first, last));
        Ok(())
    }

    fn get(&self, connection: &Connection, id: i64) -> rusqlite::Result<Option<PollFacts>> {
        match self.held {
            Some((first, last)) if (first..=last).contains(&id) => Ok(self.facts.get(&id).copied()),
            _ => Ok(facts(connection, id, id)?.remove(&id)),
        }
    }
}

fn facts(connection: &Connection, first: i64, last: i64) -> rusqlite::Result<HashMap<i64, PollFacts>> {
    connection
        .prepare_cached(queries::CHECK_POLLS_BETWEEN)?
        .query_map(named_params! {":first": first, ":last": last}, |row| {
            let facts = PollFacts { interval_ms: row.get(1)?, clock_offset_ms: row.get(2)?, at_max_ms: row.get(3)? };
            Ok((row.get(0)?, facts))
        })?
        .collect()
}

#[cfg(test)]
mod tests;
