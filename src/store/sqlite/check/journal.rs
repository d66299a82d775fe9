//! Whether the journal is sound: its pieces, and that each of their samples is found once.
//!
//! Must not know: blocks, but for whether one has a sample too.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use rusqlite::{Connection, OptionalExtension, named_params};

use super::layouts;
use crate::model::Kind;
use crate::store::CheckReport;
use crate::store::sqlite::block::Damage;
use crate::store::sqlite::piece;
use crate::store::sqlite::queries;
use crate::store::sqlite::read::{SightingRow, sightings};
use crate::store::sqlite::sealed::Sealed;

/// A piece's row, without its body.
struct PieceRow {
    id: i64,
    poll: i64,
    kind: String,
    entity_min: i64,
    entity_max: i64,
    samples: i64,
    target: Option<i64>,
    at_min_ms: Option<i64>,
    at_max_ms: Option<i64>,
}

/// What is not sealed yet: each piece sound, each sample found by its readers, and none a second time in a block.
pub(super) fn check(
    connection: &Connection,
    kinds: &[&'static Kind],
    report: &mut CheckReport,
) -> rusqlite::Result<()> {
    let layouts = layouts(connection, &mut CheckReport::default())?;
    let mut entities: HashMap<i64, Option<Seen>> = HashMap::new();
    let mut before: Option<PieceRow> = None;
    let mut statement = connection.prepare(queries::CHECK_JOURNAL)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let found = PieceRow {
            id: row.get(0)?,
            poll: row.get(1)?,
            kind: row.get(2)?,
            entity_min: row.get(3)?,
            entity_max: row.get(4)?,
            samples: row.get(5)?,
            target: row.get(8)?,
            at_min_ms: row.get(9)?,
            at_max_ms: row.get(10)?,
        };
        let is_beside = |before: &PieceRow| before.poll == found.poll && before.kind == found.kind;
        if before.as_ref().is_some_and(|before| is_beside(before) && before.entity_max >= found.entity_min) {
            report.fault(format!("piece {}: it overlaps the one before it", found.id));
        }
        let layout: i64 = row.get(6)?;
        let opened = match layouts.get(&layout) {
            Some(layout) => piece::open(layout, row.get_ref(7)?.as_blob()?),
            None => Err(Damage(format!("its layout {layout} is not there"))),
        };
        let samples = opened.and_then(|piece| {
            let sample = |position| Ok((piece.entity(position)?, piece.at_ms(position)?));
            (0..piece.len()).map(sample).collect::<Result<Vec<_>, Damage>>()
        });
        match samples {
            Ok(samples) => {
                let count = u64::try_from(samples.len()).unwrap_or(u64::MAX);
                report.journal_samples = report.journal_samples.saturating_add(count);
                if let Some(what) = piece_fault(&found, &samples) {
                    report.fault(format!("piece {}: {what}", found.id));
                }
                let kind = kinds.iter().copied().find(|kind| kind.name == found.kind);
                for (entity, at_ms) in samples {
                    if let Some(what) = unsealed(connection, kind, &found, &mut entities, entity, at_ms)? {
                        report.fault(format!("piece {}: its sample of entity {entity} {what}", found.id));
                    }
                }
            }
            Err(damage) => report.fault(format!("piece {}: {damage}", found.id)),
        }
        before = Some(found);
    }
    Ok(())
}

/// What is wrong with a piece as a whole.
fn piece_fault(found: &PieceRow, samples: &[(i64, i64)]) -> Option<&'static str> {
    let is_counted = i64::try_from(samples.len()) == Ok(found.samples);
    let first = samples.first().map(|(entity, _)| *entity);
    let last = samples.last().map(|(entity, _)| *entity);
    if !samples.is_sorted_by(|left, right| left.0 < right.0) {
        Some("its entities do not rise")
    } else if !is_counted || first != Some(found.entity_min) || last != Some(found.entity_max) {
        Some("it holds others than its row says")
    } else if found.target.is_none() {
        Some("its poll is not there")
    } else {
        None
    }
}

/// Where the samples of an entity are: by target, from when until when; and the newest in a block.
struct Seen {
    kind: String,
    tracks: Vec<(i64, i64, i64)>,
    sealed_until_ms: Option<i64>,
}

/// What is wrong with a sample that is not sealed.
fn unsealed(
    connection: &Connection,
    kind: Option<&'static Kind>,
    found: &PieceRow,
    entities: &mut HashMap<i64, Option<Seen>>,
    entity: i64,
    at_ms: i64,
) -> rusqlite::Result<Option<&'static str>> {
    // A kind that is not recorded any more is as it was left.
    let (Some(kind), Some(target)) = (kind, found.target) else { return Ok(None) };
    let seen = match entities.entry(entity) {
        Entry::Occupied(known) => known.into_mut(),
        Entry::Vacant(none) => none.insert(seen(connection, kind, entity)?),
    };
    // What retention left of an entity that it deleted is for nobody.
    let Some(seen) = seen else { return Ok(None) };
    let is_found = found.at_min_ms.is_some_and(|at_min_ms| at_min_ms <= at_ms)
        && found.at_max_ms.is_some_and(|at_max_ms| at_ms <= at_max_ms)
        && seen.tracks.iter().any(|(of, from_ms, until_ms)| *of == target && (*from_ms..=*until_ms).contains(&at_ms));
    if seen.kind != kind.name {
        return Ok(Some("is of another kind"));
    }
    if !is_found {
        return Ok(Some("is found by no reader"));
    }
    let is_sealed = seen.sealed_until_ms.is_some_and(|until_ms| at_ms <= until_ms);
    // What cannot be decoded is told with the blocks.
    let is_twice = is_sealed && matches!(Sealed::new(connection, kind, entity, &[])?.has(at_ms), Ok(true));
    Ok(is_twice.then_some("is in a block too"))
}

fn seen(connection: &Connection, kind: &'static Kind, entity: i64) -> rusqlite::Result<Option<Seen>> {
    let of: Option<String> = connection
        .prepare_cached(queries::CHECK_ENTITY_KIND)?
        .query_row(named_params! {":entity": entity}, |row| row.get(0))
        .optional()?;
    let Some(of) = of else { return Ok(None) };
    let tracks = sightings(connection, entity)?;
    let track = |row: &SightingRow| Some((row.target, row.sample_from_ms?, row.sample_until_ms.unwrap_or(i64::MAX)));
    Ok(Some(Seen {
        kind: of,
        tracks: tracks.iter().filter_map(track).collect(),
        sealed_until_ms: Sealed::new(connection, kind, entity, &[])?.newest_at()?,
    }))
}
