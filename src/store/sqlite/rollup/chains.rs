//! Chains of polls: a day of a target's ticks, once it is over, and what is left of them when polls are gone.
//!
//! A trigger notes the day of every poll that is kept: `poll_due`. Must not know: what makes a chain
//! ([`crate::rate::chain`]).

use rusqlite::{Connection, OptionalExtension, Row, ToSql, TransactionBehavior, named_params};

use super::super::queries;
use super::super::read::{self, During, damaged};
use super::super::retention;
use super::super::windows::Windows;
use super::DAY_MS;
use crate::model::{Outcome, PollChain, PollLink, TargetName, TimeRange, Timestamp};
use crate::rate::chain::chains;
use crate::store::{Chains, StoreError};

const OPERATION: &str = "chain polls";

/// Days made in one step: each has some thousand polls.
const DAYS_PER_STEP: i64 = 4;

/// Days whose ticks are chains, but not kept yet.
#[derive(Debug)]
pub(in super::super) struct ChainPlan {
    days: Vec<ChainDay>,
    /// The newest poll there was.
    poll_newest: i64,
}

#[derive(Debug)]
struct ChainDay {
    target: i64,
    day_ms: i64,
    /// None: those that there are stay.
    chains: Option<Vec<PollChain>>,
}

/// Makes chains of a few days that are ripe; `before`: of days that begin before it, whole or not, as retention is about
/// to take their polls. Nothing where there is nothing to do.
pub(in super::super) fn plan(
    connection: &Connection,
    windows: &Windows,
    now: Timestamp,
    before: Option<Timestamp>,
) -> Result<Option<ChainPlan>, StoreError> {
    let settled_ms = now.ms().saturating_sub(windows.settle_ms);
    let ready_ms = before.map_or(settled_ms, |before| settled_ms.max(before.ms().saturating_add(DAY_MS - 1)));
    let due = due(connection, ready_ms).during(OPERATION)?;
    if due.is_empty() {
        return Ok(None);
    }
    let poll_newest: Option<i64> =
        connection.query_row(queries::POLL_NEWEST_ID, [], |row| row.get(0)).during(OPERATION)?;
    let mut plan = ChainPlan { days: Vec::new(), poll_newest: poll_newest.unwrap_or(0) };
    for (target, day_ms, name) in due {
        let chains = chains_of(connection, target, day_ms, &TargetName::from_full(&name))?;
        plan.days.push(ChainDay { target, day_ms, chains });
    }
    Ok(Some(plan))
}

impl ChainPlan {
    /// Keeps what was made. A day of which a poll came in meanwhile is left for the next step.
    pub(in super::super) fn commit(&self, connection: &mut Connection) -> Result<(), StoreError> {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).during(OPERATION)?;
        self.days.iter().try_for_each(|day| day.keep(&transaction, self.poll_newest)).during(OPERATION)?;
        transaction.commit().during(OPERATION)
    }
}

impl ChainDay {
    fn keep(&self, connection: &Connection, poll_newest: i64) -> rusqlite::Result<()> {
        let of_day = named_params! {":target": self.target, ":day_ms": self.day_ms};
        if let Some(chains) = &self.chains {
            let is_changed = connection.prepare_cached(queries::POLLS_OF_DAY_AFTER)?.exists(named_params! {
                ":target": self.target, ":from_ms": self.day_ms, ":until_ms": self.day_ms.saturating_add(DAY_MS),
                ":poll": poll_newest,
            })?;
            if is_changed {
                return Ok(());
            }
            connection.prepare_cached(queries::POLL_CHAINS_DELETE_OF_DAY)?.execute(of_day)?;
            for (turn, chain) in chains.iter().enumerate() {
                insert(connection, self.target, self.day_ms, turn, chain)?;
            }
        }
        connection.prepare_cached(queries::POLL_DUE_DELETE)?.execute(of_day)?;
        Ok(())
    }
}

fn due(connection: &Connection, ready_ms: i64) -> rusqlite::Result<Vec<(i64, i64, String)>> {
    let mut statement = connection.prepare_cached(queries::POLLS_DUE)?;
    let rows = statement.query_map(named_params! {":ready_ms": ready_ms, ":limit": DAYS_PER_STEP}, |row| {
        Ok((row.get(0)?, row.get(1)?, row.get(2)?))
    })?;
    rows.collect()
}

/// The chains of a day; nothing where those that there are stay.
fn chains_of(
    connection: &Connection,
    target: i64,
    day_ms: i64,
    name: &TargetName,
) -> Result<Option<Vec<PollChain>>, StoreError> {
    let kept_from = retention::samples_kept_from(connection).during(OPERATION)?;
    let is_cut = kept_from.is_some_and(|kept_from| day_ms < kept_from.ms());
    let exists = connection
        .prepare_cached(queries::POLL_CHAIN_EXISTS)
        .and_then(|mut exists| exists.exists(named_params! {":target": target, ":day_ms": day_ms}))
        .during(OPERATION)?;
    // Chains of a day whose polls are gone, or some of them, stay as they are.
    if is_cut && exists {
        return Ok(None);
    }
    let day = TimeRange::new(Timestamp::from_ms(day_ms), Timestamp::from_ms(day_ms.saturating_add(DAY_MS)));
    let polls = read::polls(connection, name, day.unwrap_or(TimeRange::ALL))?;
    Ok(Some(chains(polls.inside.iter())))
}

fn insert(connection: &Connection, target: i64, day_ms: i64, turn: usize, chain: &PollChain) -> rusqlite::Result<()> {
    connection.prepare_cached(queries::POLL_CHAIN_INSERT)?.execute(named_params! {
        ":target": target, ":day_ms": day_ms, ":turn": i64::try_from(turn).unwrap_or(i64::MAX),
        ":outcome": chain.outcome.name(),
        ":started_first_ms": chain.first.started.ms(), ":seen_until_first_ms": chain.first.seen_until.ms(),
        ":interval_first_ms": chain.first.interval_ms,
        ":started_last_ms": chain.last.started.ms(), ":seen_until_last_ms": chain.last.seen_until.ms(),
        ":interval_last_ms": chain.last.interval_ms,
    })?;
    Ok(())
}

/// See [`crate::store::Store::poll_chains`].
pub(in super::super) fn poll_chains(
    connection: &Connection,
    target: &TargetName,
    range: TimeRange,
) -> Result<Chains, StoreError> {
    const OPERATION: &str = "read chains of polls";
    let id: Option<i64> = connection
        .prepare_cached(queries::TARGET_BY_NAME)
        .and_then(|mut one| one.query_row(named_params! {":name": target.as_str()}, |row| row.get(0)).optional())
        .during(OPERATION)?;
    let Some(id) = id else { return Ok(Chains::default()) };
    let (from_ms, until_ms) = (range.start().ms(), range.end().ms());
    let bounds = named_params! {":target": id, ":from_ms": from_ms, ":until_ms": until_ms};
    let due = connection
        .prepare_cached(queries::POLL_DUE_DAYS)
        .and_then(|mut due| due.query_map(bounds, |row| row.get::<_, i64>(0))?.collect::<rusqlite::Result<Vec<_>>>())
        .during(OPERATION)?;
    let mut found = Chains::default();
    let mut statement = connection.prepare_cached(queries::POLL_CHAINS_IN_RANGE).during(OPERATION)?;
    let mut rows = statement.query(bounds).during(OPERATION)?;
    while let Some(row) = rows.next().during(OPERATION)? {
        let (day_ms, chain) = chain(row, target)?;
        if due.contains(&day_ms) {
            continue;
        }
        let day = Timestamp::from_ms(day_ms);
        match found.days.last_mut() {
            Some((known, chains)) if known.start() == day => chains.push(chain),
            _ => {
                let day = TimeRange::new(day, day.plus_ms(DAY_MS)).unwrap_or(range);
                found.days.push((day, vec![chain]));
            }
        }
    }
    let one = |sql: &str, parameters: &[(&str, &dyn ToSql)]| -> Result<Option<PollChain>, StoreError> {
        let mut statement = connection.prepare_cached(sql).during(OPERATION)?;
        let mut rows = statement.query(parameters).during(OPERATION)?;
        rows.next().during(OPERATION)?.map(|row| Ok(chain(row, target)?.1)).transpose()
    };
    let before = named_params! {":target": id, ":before_ms": from_ms};
    found.good_before = one(queries::POLL_CHAIN_GOOD_BEFORE, before)?;
    found.good_after = one(queries::POLL_CHAIN_GOOD_AFTER, named_params! {":target": id, ":from_ms": until_ms})?;
    Ok(found)
}

fn chain(row: &Row<'_>, target: &TargetName) -> Result<(i64, PollChain), StoreError> {
    const OPERATION: &str = "read chains of polls";
    let outcome: String = row.get(1).during(OPERATION)?;
    let outcome = Outcome::from_name(&outcome)
        .ok_or_else(|| damaged(OPERATION, format!("polls of {target} ended as {outcome:?}")))?;
    let link = |from: usize| -> Result<PollLink, StoreError> {
        Ok(PollLink {
            started: Timestamp::from_ms(row.get(from).during(OPERATION)?),
            seen_until: Timestamp::from_ms(row.get(from + 1).during(OPERATION)?),
            interval_ms: row.get(from + 2).during(OPERATION)?,
        })
    };
    Ok((row.get(0).during(OPERATION)?, PollChain { outcome, first: link(2)?, last: link(5)? }))
}

/// Deletes the chains of all targets' days before a cutoff.
pub(in super::super) fn delete_old(connection: &Connection, cutoff: Timestamp) -> rusqlite::Result<()> {
    let mut targets = connection.prepare_cached(queries::TARGETS_ALL)?;
    let targets = targets.query_map([], |row| row.get::<_, i64>(0))?.collect::<rusqlite::Result<Vec<_>>>()?;
    let cutoff_ms = cutoff.plus_ms(-DAY_MS).ms();
    for target in targets {
        connection
            .prepare_cached(queries::POLL_CHAINS_DELETE_OLD)?
            .execute(named_params! {":target": target, ":cutoff_ms": cutoff_ms})?;
    }
    Ok(())
}
