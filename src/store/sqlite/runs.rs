//! Runs of entities: what the journal and blocks have of each, put together.
//!
//! Must not know: who asks, and for what.

use rusqlite::{Connection, OptionalExtension, named_params};

use super::archive::{Archive, Known};
use super::block::Samples;
use super::journal::Journal;
use super::queries;
use super::samples::{One, tracks};
use super::several::Several;
use crate::model::{Run, TimeRange, Timestamp};
use crate::store::{Fetch, FetchAll, ReadAll};

/// The run of one entity.
pub(super) fn run(connection: &Connection, fetch: &Fetch<'_>) -> rusqlite::Result<Run> {
    let Fetch { kind, identity, range, columns } = *fetch;
    let all = read_all(connection, &FetchAll { kind, identities: &[identity], range, columns })?;
    Ok(all.runs.into_iter().next().unwrap_or_else(|| Run::nothing(range)))
}

/// See [`crate::store::Store::read_all`].
pub(super) fn read_all(connection: &Connection, fetch: &FetchAll<'_>) -> rusqlite::Result<ReadAll> {
    let range = (fetch.range.start().ms(), fetch.range.end().ms());
    let several = Several::of(connection, fetch.kind, fetch.identities)?;
    let entities = several.ids();
    let journal = Journal::new(connection, fetch.kind, fetch.columns);
    let archive = Archive::new(connection, fetch.kind, fetch.columns)?;
    let mut unsealed: Vec<Unsealed> = entities.iter().map(|_| Unsealed::default()).collect();
    let mut inside: Vec<Samples> = entities.iter().map(|_| journal.no_samples(0)).collect();
    for track in tracks(&journal, connection, fetch.kind, &several)? {
        for found in track.before(range.0)? {
            if let Some(unsealed) = unsealed.get_mut(found.place) {
                unsealed.before = unsealed.before.take().into_iter().chain([found]).max_by_key(|one| one.at_ms);
            }
        }
        for found in track.at_or_after(range.1)? {
            if let Some(unsealed) = unsealed.get_mut(found.place) {
                unsealed.after = unsealed.after.take().into_iter().chain([found]).min_by_key(|one| one.at_ms);
            }
        }
        track.inside(range, &mut inside)?;
    }
    let mut runs = Vec::with_capacity(entities.len());
    for ((entity, unsealed), inside) in entities.iter().zip(unsealed).zip(inside) {
        runs.push(match entity {
            Some(entity) => {
                of_one(connection, &archive, *entity, fetch.range, unsealed, inside, journal.no_samples(0))?
            }
            None => finished(fetch.range, inside, (false, false), None),
        });
    }
    Ok(ReadAll { runs, work: journal.work().and(archive.work()) })
}

/// An entity's neighbours of the range in the journal.
#[derive(Debug, Default)]
struct Unsealed {
    before: Option<One>,
    after: Option<One>,
}

fn of_one(
    connection: &Connection,
    archive: &Archive<'_>,
    entity: i64,
    range: TimeRange,
    unsealed: Unsealed,
    inside: Samples,
    mut samples: Samples,
) -> rusqlite::Result<Run> {
    let at = |one: &Option<One>| one.as_ref().map(|one| one.at_ms);
    let known = Known { before_ms: at(&unsealed.before), after_ms: at(&unsealed.after) };
    let given = archive.read(entity, (range.start().ms(), range.end().ms()), known, &mut samples)?;
    let neighbours = (given.has_before || known.before_ms.is_some(), given.has_after || known.after_ms.is_some());
    let mut first = samples.at.first().copied().zip(given.first_poll);
    let before = unsealed.before.filter(|_| !given.has_before);
    let after = unsealed.after.filter(|_| !given.has_after);
    let ones = before.into_iter().chain(after).map(|one| one.samples);
    for mut part in ones.chain([inside]) {
        // Which poll took the oldest sample is asked for below, and no other.
        let oldest = part.at.iter().copied().zip(part.poll.drain(..)).min();
        first = first.into_iter().chain(oldest).min();
        samples.append(&mut part);
    }
    samples.sort();
    let polled_before_first = match first {
        Some((_, poll)) if !neighbours.0 => connection
            .prepare_cached(queries::POLL_GOOD_BEFORE_POLL)?
            .query_row(named_params! {":poll": poll}, |row| row.get(0))
            .optional()?
            .map(Timestamp::from_ms),
        _ => None,
    };
    Ok(finished(range, samples, neighbours, polled_before_first))
}

fn finished(
    range: TimeRange,
    samples: Samples,
    (has_before, has_after): (bool, bool),
    polled_before_first: Option<Timestamp>,
) -> Run {
    Run {
        range,
        has_before,
        has_after,
        at: samples.at.into_iter().map(Timestamp::from_ms).collect(),
        since: samples.since.into_iter().map(|since| since.map(Timestamp::from_ms)).collect(),
        interval_ms: samples.interval_ms,
        clock_offset_ms: samples.clock_offset_ms,
        columns: samples.columns,
        polled_before_first,
    }
}
